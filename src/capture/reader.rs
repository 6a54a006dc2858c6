//! Reads that may be refused: what is refused is noted, and the capture goes on.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::{Value, json};

use crate::aws::{Aws, CallError, Parameters, Reason};
use crate::stages::facts::Unread;

/// How many reads of one kind are under way at a time: others live in the account's limits too.
const AT_ONCE: usize = 8;

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// As IAM spells it: `ec2:DescribeSecurityGroups`.
    pub operation: String,
    /// What was asked for; `*` where every call of the operation was refused for lack of permission.
    pub resource: String,
    /// AWS's words, or what stands in for it.
    pub why: String,
}

impl Missing {
    /// As it stands in a world file.
    pub fn to_json(&self) -> Value {
        json!({ "operation": self.operation, "resource": self.resource, "why": self.why })
    }
}

/// AWS, and what was refused so far.
pub(super) struct Reader<'a> {
    aws: &'a Aws,
    notes: RefCell<Notes>,
}

#[derive(Default)]
struct Notes {
    /// Operations that were answered at least once.
    answered: BTreeSet<String>,
    /// By operation: AWS's words, by resource, and whether permission is what lacks.
    refused: BTreeMap<String, Vec<(String, String, bool)>>,
}

/// The service of an operation, as IAM spells it. `servicediscovery:ListServices` has it already.
fn spelled(operation: &str) -> String {
    const EC2: &[&str] = &[
        "DescribeRouteTables",
        "DescribeSecurityGroupRules",
        "DescribeSecurityGroups",
        "DescribeSubnets",
        "DescribeVpcAttribute",
        "DescribeVpcs",
    ];
    const ELB: &[&str] = &[
        "DescribeListeners",
        "DescribeLoadBalancers",
        "DescribeRules",
        "DescribeTags",
        "DescribeTargetGroupAttributes",
        "DescribeTargetGroups",
        "DescribeTargetHealth",
    ];
    let service = match operation {
        _ if operation.contains(':') => return operation.to_owned(),
        _ if EC2.contains(&operation) => "ec2",
        _ if ELB.contains(&operation) => "elasticloadbalancing",
        "DescribeLogGroups" => "logs",
        _ => "ecs",
    };
    format!("{service}:{operation}")
}

impl<'a> Reader<'a> {
    pub(super) fn new(aws: &'a Aws) -> Self {
        Self { aws, notes: RefCell::default() }
    }

    pub(super) fn aws(&self) -> &Aws {
        self.aws
    }

    /// One answer; `None` where there is no such thing, or it may not be read.
    pub(super) async fn read(&self, operation: &'static str, resource: &str, input: Value) -> Result<Option<Value>, CallError> {
        let answer = self.aws.read(operation, resource, input).await;
        self.kept(operation, resource, answer)
    }

    /// The items of a listing, to its end.
    pub(super) async fn list(
        &self,
        operation: &'static str,
        resource: &str,
        input: Value,
        list: &str,
        token: &str,
    ) -> Result<Vec<Value>, CallError> {
        let answer = self.aws.read_pages(operation, resource, input, list, token).await;
        self.kept(operation, resource, answer).map(Option::unwrap_or_default)
    }

    /// One answer of a service that speaks XML.
    pub(super) async fn read_xml(
        &self,
        operation: &'static str,
        resource: &str,
        parameters: Parameters,
    ) -> Result<Option<Value>, CallError> {
        let answer = self.aws.read_printed(operation, resource, &parameters).await;
        self.kept(operation, resource, answer)
    }

    /// The items of such a listing; `None` where something that was asked for is not there.
    pub(super) async fn list_xml(
        &self,
        operation: &'static str,
        resource: &str,
        parameters: Parameters,
        list: &str,
    ) -> Result<Option<Vec<Value>>, CallError> {
        let answer = self.aws.read_printed_pages(operation, resource, parameters, list).await;
        self.kept(operation, resource, answer)
    }

    /// Notes something that is not as AWS would show it.
    pub(super) fn note(&self, operation: &str, resource: &str, why: impl Into<String>) {
        let mut notes = self.notes.borrow_mut();
        let refused = notes.refused.entry(spelled(operation)).or_default();
        refused.push((resource.to_owned(), why.into(), false));
    }

    /// Notes what planning could not read and a capture does not ask for.
    pub(super) fn note_unread(&self, unread: &[Unread]) {
        let mut notes = self.notes.borrow_mut();
        for unread in unread {
            if !notes.answered.contains(&unread.action) && !notes.refused.contains_key(&unread.action) {
                let denied = unread.why.starts_with("AccessDenied");
                notes.refused.insert(unread.action.clone(), vec![(unread.resource.clone(), unread.why.clone(), denied)]);
            }
        }
    }

    /// Whether every call of an operation was refused so far.
    pub(super) fn is_refused(&self, operation: &str) -> bool {
        let notes = self.notes.borrow();
        let operation = spelled(operation);
        !notes.answered.contains(&operation)
            && notes.refused.get(&operation).is_some_and(|all| all.iter().any(|(.., denied)| *denied))
    }

    /// What another read gave, kept like the others.
    pub(super) fn kept<T>(&self, operation: &str, resource: &str, answer: Result<T, CallError>) -> Result<Option<T>, CallError> {
        let mut notes = self.notes.borrow_mut();
        let name = spelled(operation);
        match answer {
            Ok(answer) => {
                notes.answered.insert(name);
                Ok(Some(answer))
            }
            Err(error) if error.reason == Reason::Missing => {
                notes.answered.insert(name);
                Ok(None)
            }
            Err(error) if matches!(error.reason, Reason::Denied | Reason::Other) => {
                let denied = error.reason == Reason::Denied;
                let why = format!("{}: {}", error.code, error.message);
                notes.refused.entry(name).or_default().push((resource.to_owned(), why, denied));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// What could not be read, by operation.
    pub(super) fn missing(self) -> Vec<Missing> {
        let Notes { answered, refused } = self.notes.into_inner();
        let mut missing = Vec::new();
        for (operation, all) in refused {
            if !answered.contains(&operation)
                && let Some((_, why, _)) = all.iter().find(|(.., denied)| *denied)
            {
                missing.push(Missing { operation: operation.clone(), resource: "*".to_owned(), why: why.clone() });
                continue;
            }
            missing.extend(all.into_iter().map(|(resource, why, _)| Missing { operation: operation.clone(), resource, why }));
        }
        missing
    }
}

/// Does `ask` for each item, some at a time; the results in the items' order.
pub(super) async fn each<T, R, F>(items: impl IntoIterator<Item = T>, ask: impl Fn(T) -> F) -> Result<Vec<R>, CallError>
where
    F: Future<Output = Result<R, CallError>>,
{
    let mut asked = stream::iter(items.into_iter().map(ask)).buffered(AT_ONCE);
    let mut results = Vec::new();
    while let Some(result) = asked.next().await {
        results.push(result?);
    }
    Ok(results)
}
