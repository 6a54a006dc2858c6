//! Rules of security groups: adding one, recognising it afterwards, and taking it away by its id.
//!
//! EC2 knows no request again, but a group never has a rule twice: at most one attempt of a step can take effect, and the next is
//! refused. So a rule of the wanted ports and source is the run's own if it carries the run's tag or, where tagging was not permitted, is
//! described as the run's; any other one is somebody else's, serves as well, and is never taken away.

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::aws::{Aws, CallError, GroupRule, Ingress, Reason, STALENESS, describable};
use crate::model::{CallNote, Failure, FailureKind, Mutation, RunId, StepClass, Verdict};
use crate::stages::step::{Applied, Context, Left, MutationStep, Prepared, StepError, TAG_RUN, UndoStep, ownership, text};

/// `ec2.authorize-ingress`: `{group, source, protocol, port, description, tags}`.
pub struct Authorize;
/// `ec2.revoke-ingress`: `{group, rule, source, protocol, port}`.
pub struct Revoke;

const AUTHORIZE: &str = "AuthorizeSecurityGroupIngress";
const REVOKE: &str = "RevokeSecurityGroupIngress";
/// Room for what a description says besides whose it is.
const DESCRIBED: usize = 200;

/// What a step's parameters ask for.
struct Wanted<'a> {
    group: &'a str,
    source: &'a str,
    protocol: &'a str,
    port: i64,
}

impl<'a> Wanted<'a> {
    fn of(params: &'a Value) -> Result<Self, StepError> {
        Ok(Self {
            group: text(params, "/group")?,
            source: text(params, "/source")?,
            protocol: text(params, "/protocol")?,
            port: params["port"].as_i64().ok_or_else(|| StepError::missing("/port"))?,
        })
    }

    /// Whether a rule is this and nothing else.
    fn is(&self, rule: &GroupRule) -> bool {
        !rule.egress
            && rule.protocol == self.protocol
            && (rule.from_port, rule.to_port) == (Some(self.port), Some(self.port))
            && rule.peer.as_deref() == Some(self.source)
    }

    async fn find(&self, aws: &Aws) -> Result<Option<GroupRule>, CallError> {
        Ok(aws.group_rules(self.group).await?.into_iter().find(|rule| self.is(rule)))
    }

    /// `TCP 4317 from sg-1`.
    fn words(&self) -> String {
        format!("{} {} from {}", self.protocol.to_uppercase(), self.port, self.source)
    }
}

/// What the description of a run's own rule ends with.
fn mark(run: &RunId) -> String {
    format!("(sidestep run {run})")
}

fn is_ours(cx: &Context<'_>, rule: &GroupRule) -> bool {
    match rule.tags.get(TAG_RUN) {
        Some(run) => run == cx.run.as_str(),
        None => rule.description.ends_with(&mark(cx.run)),
    }
}

/// The output for a rule that is there: ours has an id to take it away by.
fn output(cx: &Context<'_>, rule: &GroupRule) -> Value {
    match is_ours(cx, rule) {
        true => json!({ "rule": rule.id }),
        false => json!({ "found": "somebody else opened it meanwhile" }),
    }
}

#[async_trait(?Send)]
impl MutationStep for Authorize {
    async fn prepare(&self, cx: &Context<'_>, params: &Value) -> Result<Prepared, StepError> {
        Ok(match Wanted::of(params)?.find(cx.aws).await? {
            Some(rule) => Prepared::Already(output(cx, &rule)),
            None => Prepared::Act(json!({ "token": cx.aws.token() })),
        })
    }

    async fn apply(&self, cx: &Context<'_>, params: &Value, intent: &Value) -> Result<Applied, StepError> {
        let wanted = Wanted::of(params)?;
        let said: String = describable(text(params, "/description")?).chars().take(DESCRIBED).collect();
        let own = params["tags"].as_object().into_iter().flatten();
        let own = own.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()));
        let marks = ownership(cx, text(intent, "/token")?).map(|(key, value)| (key.to_owned(), value));
        let mut ingress = Ingress {
            group: wanted.group,
            source: wanted.source,
            protocol: wanted.protocol,
            port: wanted.port,
            description: format!("{said} {}", mark(cx.run)).trim_start().to_owned(),
            tags: own.chain(marks).collect(),
        };
        let mut sent = cx.aws.authorize_ingress(&ingress).await;
        if sent.as_ref().is_err_and(|error| error.reason == Reason::Denied && error.message.contains("CreateTags")) {
            // Refused as a whole, so nothing was added; the rule is then recognised by its description.
            ingress.tags.clear();
            sent = cx.aws.authorize_ingress(&ingress).await;
        }
        let (output, request_id) = match sent {
            Ok((id, request_id)) => (json!({ "rule": id }), request_id),
            // An earlier attempt has landed after all, or somebody else was faster; it may not be seen yet.
            Err(error) if error.reason == Reason::Exists => {
                let mut found = wanted.find(cx.aws).await?;
                if found.is_none() {
                    cx.aws.clock.sleep(STALENESS).await;
                    found = wanted.find(cx.aws).await?;
                }
                match found {
                    Some(rule) => (output(cx, &rule), error.request_id),
                    None => return Err(error.into()),
                }
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Applied { output, call: CallNote { operation: AUTHORIZE.to_owned(), request_id } })
    }

    async fn observe(&self, cx: &Context<'_>, params: &Value, _intent: &Value) -> Result<Verdict, StepError> {
        let wanted = Wanted::of(params)?;
        Ok(match wanted.find(cx.aws).await? {
            Some(rule) => Verdict::Done { output: output(cx, &rule) },
            None => Verdict::NotDone { why: format!("{} does not let in {}", wanted.group, wanted.words()) },
        })
    }

    fn undo(&self, mutation: &Mutation) -> Vec<UndoStep> {
        // One that somebody else made stays.
        let Some((rule, params)) = made(mutation) else { return Vec::new() };
        let mut undo = json!({ "rule": rule });
        for member in ["group", "source", "protocol", "port"] {
            undo[member] = params[member].clone();
        }
        vec![UndoStep {
            name: "revoke",
            action: "ec2.revoke-ingress",
            class: StepClass::Mutation,
            title: format!("take rule {rule} away from {}", params["group"].as_str().unwrap_or_default()),
            params: undo,
            deadline_s: None,
            inputs: Vec::new(),
        }]
    }

    fn left(&self, mutation: &Mutation) -> Option<Left> {
        let (rule, params) = made(mutation)?;
        let group = params["group"].as_str()?;
        Some(Left {
            kind: "security group rule",
            name: rule.to_owned(),
            remove: format!("aws ec2 revoke-security-group-ingress --group-id {group} --security-group-rule-ids {rule}"),
        })
    }
}

/// The rule that a mutation added, with its parameters.
fn made(mutation: &Mutation) -> Option<(&str, &Value)> {
    Some((mutation.output.as_ref()?["rule"].as_str()?, &mutation.step.params))
}

#[async_trait(?Send)]
impl MutationStep for Revoke {
    async fn prepare(&self, cx: &Context<'_>, params: &Value) -> Result<Prepared, StepError> {
        let (wanted, id) = (Wanted::of(params)?, text(params, "/rule")?);
        let rules = cx.aws.group_rules(wanted.group).await?;
        let Some(rule) = rules.iter().find(|rule| rule.id == id) else {
            return Ok(Prepared::Already(json!({ "found": "already gone" })));
        };
        // ModifySecurityGroupRules leaves the id and changes the rest.
        if !wanted.is(rule) {
            let message = format!("rule {id} of {} is not as this run made it: {}", wanted.group, wanted.words());
            return Err(StepError::Failed(Failure::of(FailureKind::Stuck, message)));
        }
        Ok(Prepared::Act(json!({})))
    }

    async fn apply(&self, cx: &Context<'_>, params: &Value, _intent: &Value) -> Result<Applied, StepError> {
        let request_id = match cx.aws.revoke_ingress(text(params, "/group")?, text(params, "/rule")?).await {
            Ok(request_id) => request_id,
            Err(error) if error.reason == Reason::Missing => error.request_id,
            Err(error) => return Err(error.into()),
        };
        Ok(Applied { output: json!({}), call: CallNote { operation: REVOKE.to_owned(), request_id } })
    }

    async fn observe(&self, cx: &Context<'_>, params: &Value, _intent: &Value) -> Result<Verdict, StepError> {
        let (group, id) = (text(params, "/group")?, text(params, "/rule")?);
        let there = cx.aws.group_rules(group).await?.iter().any(|rule| rule.id == id);
        Ok(match there {
            false => Verdict::Done { output: json!({}) },
            true => Verdict::NotDone { why: format!("rule {id} of {group} is there") },
        })
    }

    fn undo(&self, _mutation: &Mutation) -> Vec<UndoStep> {
        Vec::new()
    }
}
