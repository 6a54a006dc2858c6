//! An IAM policy that allows what a runbook needs, and nothing else.
//!
//! ```text
//!   permissions of the stages, of planning … ─▶ (action, ARN, condition), each for the first purpose that needs it
//!        ─▶ without those that a wider ARN covers ─▶ actions on the same ARNs together
//!        ─▶ statements, each named for its purpose and what it is about
//! ```

mod place;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, Serializer};

pub use place::Place;

use crate::stages::facts::{Permission, Purpose, Resource, Wants};

/// Characters of a managed policy, not counting white space; AWS refuses a longer one.
pub const LONGEST: usize = 6_144;

/// A policy, and what there is to say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The document.
    pub document: Document,
    /// What it allows more widely, or less, than it would if the account said what is there.
    pub wide: Vec<&'static str>,
}

/// A policy document, as IAM takes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Document {
    version: &'static str,
    statement: Vec<Statement>,
}

/// A statement, as IAM takes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    sid: String,
    effect: &'static str,
    #[serde(serialize_with = "one_or_several")]
    action: BTreeSet<&'static str>,
    #[serde(serialize_with = "one_or_several")]
    resource: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    condition: BTreeMap<&'static str, BTreeMap<&'static str, String>>,
}

/// One by itself, several as a list: a managed policy has only so many characters.
fn one_or_several<T: Serialize + Ord, S: Serializer>(all: &BTreeSet<T>, serializer: S) -> Result<S::Ok, S::Error> {
    match all.first() {
        Some(one) if all.len() == 1 => one.serialize(serializer),
        _ => all.serialize(serializer),
    }
}

impl Document {
    /// How many characters IAM counts: all but white space.
    ///
    /// # Errors
    /// None that can happen: it is texts.
    pub fn length(&self) -> Result<usize, serde_json::Error> {
        Ok(serde_json::to_string(self)?.chars().filter(|letter| !letter.is_whitespace()).count())
    }
}

/// A condition key with the operator that it is compared by, and its value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Condition {
    operator: &'static str,
    /// `iam:PassedToService`.
    pub key: &'static str,
    /// What it must be.
    pub value: String,
}

/// One thing that is allowed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Allowed {
    purpose: Purpose,
    topic: &'static str,
    condition: Option<Condition>,
    arn: String,
    action: &'static str,
}

/// The policy for these purposes.
pub fn policy(wants: &Wants, purposes: &BTreeSet<Purpose>, place: &Place<'_>) -> Policy {
    let (mut allowed, mut wide) = (BTreeSet::new(), BTreeSet::new());
    for permission in wants.permissions.iter().filter(|permission| purposes.contains(&permission.purpose)) {
        let mut arns = place.arns(&permission.on);
        if arns.is_empty() && !place.knows(&permission.on) {
            wide.extend(unknown(&permission.on));
            arns.extend(place.anything(&permission.on));
        }
        for arn in arns {
            allowed.insert(Allowed {
                purpose: permission.purpose,
                topic: topic(permission),
                condition: condition(permission, place),
                arn,
                action: permission.action,
            });
        }
    }
    if !place.has_account() {
        wide.insert(
            "the runbook names no account, so the policy holds in any (in the shipped runbooks: variable `aws_account_id`)",
        );
    }
    let document = Document { version: "2012-10-17", statement: statements(once(allowed)) };
    Policy { document, wide: wide.into_iter().collect() }
}

/// What a call must be besides being about a resource.
fn condition(permission: &Permission, place: &Place<'_>) -> Option<Condition> {
    match (permission.action, &permission.on) {
        ("iam:PassRole", _) => conditions(place).into_iter().find(|condition| condition.key == "iam:PassedToService"),
        ("ec2:CreateTags", _) => conditions(place).into_iter().find(|condition| condition.key == "ec2:CreateAction"),
        ("ecs:TagResource", Resource::Family(_) | Resource::FamilyOf(_)) => {
            conditions(place).into_iter().find(|condition| condition.key == "ecs:CreateAction")
        }
        (_, Resource::InCluster) => conditions(place).into_iter().find(|condition| condition.key == "ecs:cluster"),
        _ => None,
    }
}

/// Every condition that a policy makes. Whoever asks IAM whether a caller may tells it these values, or a policy like this one would
/// seem to deny what it allows.
pub fn conditions(place: &Place<'_>) -> Vec<Condition> {
    let condition = |operator, key, value: &str| Condition { operator, key, value: value.to_owned() };
    vec![
        condition("StringEquals", "iam:PassedToService", "ecs-tasks.amazonaws.com"),
        condition("StringEquals", "ecs:CreateAction", "RegisterTaskDefinition"),
        condition("StringEquals", "ec2:CreateAction", "AuthorizeSecurityGroupIngress"),
        condition("ArnLike", "ecs:cluster", &place.cluster()),
    ]
}

/// What a statement is about.
fn topic(permission: &Permission) -> &'static str {
    match &permission.on {
        Resource::LogGroup(_) | Resource::LogGroupTags(_) | Resource::LogStreams(_) => "LogGroup",
        Resource::LogStreamsOf(_) => "Logs",
        Resource::Family(_) | Resource::FamilyOf(_) if permission.action == "ecs:TagResource" => "TaskDefinitionTags",
        Resource::Family(_) | Resource::FamilyOf(_) => "TaskDefinitions",
        Resource::Cluster => "Cluster",
        Resource::InCluster => "InCluster",
        Resource::Service(_) | Resource::Services | Resource::Deployments | Resource::Revisions => "Services",
        Resource::Tasks => "Tasks",
        Resource::Names | Resource::Namespaces(_) => "Names",
        Resource::Zones(_) => "HostedZones",
        Resource::Role(_) | Resource::RolesOf(..) => "PassRole",
        Resource::Principals | Resource::Roles => "Principals",
        Resource::GroupsOf(..) | Resource::GroupRules if permission.action == "ec2:CreateTags" => "SecurityGroupRuleTags",
        Resource::GroupsOf(..) | Resource::GroupRules => "SecurityGroups",
        Resource::TargetGroupsOf(..) => "TargetGroups",
        // These know no resources, so they cannot be narrowed.
        Resource::Any if permission.is_read() => "Read",
        Resource::Any => "Unscoped",
    }
}

/// What is not known of a resource without reading the account.
fn unknown(on: &Resource) -> Option<&'static str> {
    Some(match on {
        Resource::FamilyOf(_) => {
            "the task definition families of the services that change are not known: revisions of any may be registered"
        }
        Resource::Namespaces(_) => "the namespace's id is not known: names may be made in any",
        Resource::Zones(_) => "the namespace's hosted zone is not known: any may be read",
        Resource::RolesOf(..) => "the roles of the services' task definitions are not known: any may be passed, to ECS tasks alone",
        Resource::GroupsOf(..) => "the security groups of the services are not known: rules of any may be added and taken away",
        Resource::TargetGroupsOf(..) => "the target groups of the services are not known: any may be modified",
        Resource::LogStreamsOf(_) => "the log groups of the services that change are not known: their last lines cannot be shown",
        _ => return None,
    })
}

/// Each for the first purpose that needs it, and not beside a wider one.
fn once(allowed: BTreeSet<Allowed>) -> Vec<Allowed> {
    let mut kept: Vec<Allowed> = Vec::new();
    let same = |one: &Allowed, other: &Allowed| one.action == other.action && one.condition == other.condition;
    for candidate in &allowed {
        let wider = |other: &Allowed| same(candidate, other) && candidate.arn != other.arn && covers(&other.arn, &candidate.arn);
        let known = kept.iter().any(|known| same(candidate, known) && known.arn == candidate.arn);
        if !known && !allowed.iter().any(wider) {
            kept.push(candidate.clone());
        }
    }
    kept
}

/// Whether every ARN that `narrow` stands for is one that `pattern` stands for, as IAM matches: `*` is any text, with colons and
/// slashes.
pub fn covers(pattern: &str, narrow: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = narrow.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

type Subject = (Purpose, &'static str, Option<Condition>);

fn statements(allowed: Vec<Allowed>) -> Vec<Statement> {
    let mut by_action: BTreeMap<(Subject, &'static str), BTreeSet<String>> = BTreeMap::new();
    for Allowed { purpose, topic, condition, arn, action } in allowed {
        by_action.entry(((purpose, topic, condition), action)).or_default().insert(arn);
    }
    let mut by_arns: BTreeMap<(Subject, BTreeSet<String>), BTreeSet<&'static str>> = BTreeMap::new();
    for ((subject, action), arns) in by_action {
        by_arns.entry((subject, arns)).or_default().insert(action);
    }
    let mut named: BTreeMap<String, usize> = BTreeMap::new();
    let statement = |(((purpose, topic, condition), resource), action)| {
        let name = format!("Sidestep{purpose:?}{topic}");
        let count = named.entry(name.clone()).or_default();
        *count += 1;
        let sid = if *count == 1 { name } else { format!("{name}{count}") };
        let condition: Option<Condition> = condition;
        let condition = condition.map(|Condition { operator, key, value }| (operator, BTreeMap::from([(key, value)])));
        Statement { sid, effect: "Allow", action, resource, condition: condition.into_iter().collect() }
    };
    by_arns.into_iter().map(statement).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::{VariableSources, built_in, resolve};
    use crate::stages::registry;

    #[test]
    fn a_pattern_covers_what_it_stands_for() {
        for (pattern, narrow, is) in [
            ("*", "arn:aws:ecs:r:a:service/c/s", true),
            ("arn:aws:ecs:r:a:service/c/*", "arn:aws:ecs:r:a:service/c/s", true),
            ("arn:aws:ecs:r:a:service/c/*", "arn:aws:ecs:r:a:service/c/*", true),
            ("arn:aws:ecs:r:a:service/c/s", "arn:aws:ecs:r:a:service/c/*", false),
            ("arn:aws:ecs:r:a:task-definition/*:*", "arn:aws:ecs:r:a:task-definition/f:*", true),
            ("arn:aws:ecs:r:a:task-definition/f:*", "arn:aws:ecs:r:a:task-definition/*:*", false),
            ("arn:aws:iam::*:role/*", "arn:aws:iam::111122223333:role/path/name", true),
            ("arn:aws:iam::*:role/a", "arn:aws:iam::111122223333:role/b", false),
            ("a*a", "a", false),
            ("a", "ab", false),
        ] {
            assert_eq!(covers(pattern, narrow), is, "{pattern} {narrow}");
        }
    }

    fn printed(variables: &str) -> Policy {
        let file = built_in("jaeger-sidecar-to-shared").expect("it is shipped");
        let base = "project_name = \"p\"\nenvironment = \"e\"\n";
        let var_files = vec![("v".to_owned(), format!("{base}{variables}"))];
        let sources = VariableSources { var_files, ..VariableSources::default() };
        let runbook = resolve(file, &sources).unwrap_or_else(|problems| panic!("{problems:?}"));
        let mut wants = registry::wants(&runbook);
        crate::plan::permits(&mut wants);
        policy(&wants, &[Purpose::Plan, Purpose::Run, Purpose::Rollback].into(), &Place::named(&runbook, None))
    }

    #[test]
    fn each_partition_has_arns_of_its_own() {
        for (region, partition) in [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eu-west-1", "aws")] {
            let printed = printed(&format!("aws_region = \"{region}\"\n"));
            let arns = printed.document.statement.iter().flat_map(|statement| &statement.resource);
            let begins = format!("arn:{partition}:");
            assert!(arns.filter(|arn| *arn != "*").all(|arn| arn.starts_with(&begins)), "{region}: {:?}", printed.document);
        }
    }

    #[test]
    fn a_managed_policy_holds_it() {
        let region = "aws_region = \"eu-central-1\"\naws_account_id = \"111122223333\"\n";
        let repairs = "open_otlp_ports = true\nset_health_path = true\njaeger_base_path = \"/jaeger\"\n";
        for variables in [region.to_owned(), format!("{region}{repairs}")] {
            let length = printed(&variables).document.length().expect("texts");
            assert!(length > 4_000 && length <= LONGEST, "{length}");
        }
    }

    #[test]
    fn what_is_wide_is_said() {
        let region = "aws_region = \"eu-central-1\"\n";
        let says =
            |variables: &str, word: &str| printed(&format!("{region}{variables}")).wide.iter().any(|wide| wide.contains(word));
        assert!(says("", "names no account") && !says("aws_account_id = \"111122223333\"\n", "names no account"));
        assert!(says("", "any may be passed") && !says("", "security groups"));
        assert!(says("open_otlp_ports = true\n", "security groups"));
    }
}
