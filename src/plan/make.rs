//! From facts to a plan.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::checks::{self, Scene};
use super::standing::subject;
use super::{closing, estimate};
use crate::model::{Claim, Direction, Finding, Plan, Problem, RunId, Runbook, StagePlan, Target, is_account_id, is_region_name};
use crate::runbook::near_miss;
use crate::stages::claim::if_dead;
use crate::stages::facts::Facts;
use crate::stages::findings::{CHANGE_UNFINISHED, CLAIMED, CREDENTIALS_SHORT_LIVED, Seen};
use crate::stages::gates::{check_common, common};
use crate::stages::kind::{Planning, Sketch};
use crate::stages::registry;
use crate::stages::subject::Subject;

/// Everything that is wrong with the stages of a runbook.
pub fn check(runbook: &Runbook) -> Vec<Problem> {
    let mut problems = Vec::new();
    for decl in runbook.stages.iter().chain(&runbook.off) {
        match registry::kind(&decl.kind) {
            Some(kind) => {
                problems.extend(kind.check(decl));
                problems.extend(check_common(decl));
            }
            None => {
                let known: Vec<_> = registry::kinds().iter().map(|kind| kind.kind()).collect();
                let hint = match near_miss(&decl.kind, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the stage kinds are {}", known.join(", ")),
                };
                problems.push(Problem {
                    message: format!("there is no stage kind `{}`", decl.kind),
                    span: Some(decl.span.clone()),
                    hint: Some(hint),
                });
            }
        }
    }
    for member in ["region", "cluster", "environment"] {
        if runbook.target.get(member).and_then(Value::as_str).unwrap_or_default().is_empty() {
            problems.push(Problem {
                message: format!("the target block does not say which {member}"),
                span: runbook.target_spans.get(member).cloned(),
                hint: Some(format!("write {member} = \"…\" in the block `target {{ … }}`")),
            });
        }
    }
    let is_wrong = |member: &str, fits: fn(&str) -> bool| {
        let given = runbook.target.get(member).and_then(Value::as_str).filter(|given| !given.is_empty())?;
        (!fits(given)).then_some(given)
    };
    let mut report = |member: &str, message: String, hint: &str| {
        problems.push(Problem {
            message,
            span: runbook.target_spans.get(member).cloned(),
            hint: Some(format!("set {}: {hint}", runbook.target_setting(member))),
        });
    };
    if let Some(given) = is_wrong("region", is_region_name) {
        report("region", format!("`{given}` is not the name of an AWS Region"), "for example us-west-2");
    }
    if let Some(given) = is_wrong("account", is_account_id) {
        report("account", format!("`{given}` is not the number of an AWS account"), "twelve digits");
    }
    problems
}

/// Services that runs elsewhere have claimed before this one. Told where nothing is to be done, too: whoever claimed them may be in the
/// middle of it, or be dead.
fn claimed(facts: &Facts, run: &RunId) -> Vec<Finding> {
    let found = facts.services.iter().filter_map(|(name, service)| {
        let claim = Claim::in_the_way(&service["tags"], run)?;
        let arn = service["serviceArn"].as_str().unwrap_or_default();
        let found = format!("service `{name}` is claimed by {}", claim.words());
        let fix = if_dead(&claim, arn, &facts.region, facts.endpoint.as_deref());
        Some(CLAIMED.finding(Seen::new(name, found, "two runs would change it at the same time", fix)))
    });
    found.collect()
}

/// Services that the runbook has nothing to do to, and that do not serve yet as it wants.
fn unfinished(facts: &Facts, subject: &Subject<'_>, stages: &[StagePlan]) -> Vec<Finding> {
    let worked_on = |name: &str| stages.iter().flat_map(StagePlan::steps).any(|step| step.params["service"] == name);
    let shared = subject.shared.iter().map(|shared| shared.name.as_str());
    let named: BTreeSet<&str> = subject.moved.keys().map(String::as_str).chain(shared).filter(|name| !worked_on(name)).collect();
    let of = |name: &str| {
        let service = facts.services.get(name)?;
        let count = |member: &str| service[member].as_u64().unwrap_or(0);
        let deployments = service["deployments"].as_array().map(Vec::as_slice).unwrap_or_default();
        let states: Vec<&str> = deployments.iter().filter_map(|deployment| deployment["rolloutState"].as_str()).collect();
        let (running, desired) = (count("runningCount"), count("desiredCount"));
        let tasks = format!("{running} of {desired} tasks run");
        let found = if states.contains(&"FAILED") {
            format!("its last rollout failed; {tasks}")
        } else if deployments.len() > 1 || states.contains(&"IN_PROGRESS") {
            format!("a rollout of it is under way; {tasks}")
        } else if running < desired {
            tasks
        } else {
            return None;
        };
        let look = format!("aws ecs describe-services --cluster {} --services {name}", facts.cluster);
        let fix = format!("wait until `{look}` shows one COMPLETED deployment; `sidestep doctor` says why if it does not come");
        Some(CHANGE_UNFINISHED.finding(Seen::new(name, found, "what rests on it is not done before it serves", fix)))
    };
    named.into_iter().filter_map(of).collect()
}

/// Credentials that end before a run that takes `expected` seconds would.
fn short_lived(facts: &Facts, expected: u64) -> Option<Finding> {
    let left = facts.credentials_left.filter(|left| *left < expected)?;
    let minutes = |seconds: u64| format!("{} min", seconds.div_ceil(60));
    let found = format!("the credentials in use are good for {}, the run takes about {}", minutes(left), minutes(expected));
    let fix = "sign in again before you begin (with a longer session, where your role allows one)".to_owned();
    let consequence = "the run would pause in the middle, with exit code 6, until they are renewed";
    Some(CREDENTIALS_SHORT_LIVED.finding(Seen::new(&facts.identity, found, consequence, fix)))
}

/// Plans a runbook that has passed [`check`]: pure, so the same facts give the same plan.
pub fn make(runbook: &Runbook, facts: &Facts, run: &RunId) -> Plan {
    let subject = subject(runbook, facts);
    let account_named = runbook.target.get("account").and_then(Value::as_str).is_some_and(|account| !account.is_empty());
    let mut planning = Planning {
        facts,
        run,
        sketch: Sketch::default(),
        findings: checks::run(&Scene { facts, subject: &subject, account_named }),
        blocking: Vec::new(),
        closing: std::collections::BTreeMap::new(),
    };
    let mut stages = Vec::new();
    for decl in &runbook.stages {
        if let Some(kind) = registry::kind(&decl.kind) {
            let mut stage = kind.plan(decl, &mut planning);
            common(decl, &facts.cluster, &mut stage);
            stage.blocked_by = std::mem::take(&mut planning.blocking);
            if stage.steps().next().is_some() {
                stage.way_back = kind.way_back().to_owned();
            }
            stages.push(stage);
        }
    }
    let Planning { mut findings, closing: mut values, .. } = planning;
    estimate::expect(facts, &mut stages);
    let outlook = estimate::outlook(facts, &subject, &stages);
    let unfinished = unfinished(facts, &subject, &stages);
    findings.splice(..0, claimed(facts, run).into_iter().chain(unfinished).chain(short_lived(facts, outlook.seconds)));
    // Where nothing is left to do, what the variables say matters no more.
    if stages.iter().any(|stage| stage.steps().next().is_some()) {
        let declared = runbook.findings.iter().filter(|declared| declared.holds);
        findings.extend(declared.map(|declared| declared.finding.clone()));
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    values.insert("cluster".to_owned(), json!(facts.cluster));
    values.insert("region".to_owned(), json!(facts.region));
    values.insert("name".to_owned(), json!(runbook.closing.name));
    values.insert("code".to_owned(), json!(runbook.closing.code));
    if let Some(url) = &facts.endpoint {
        values.insert("endpoint_url".to_owned(), json!(url));
    }
    if let Some(url) = values.get("target_group_arn").and_then(Value::as_str).and_then(|arn| closing::ui_url(facts, arn)) {
        values.insert("ui_url".to_owned(), json!(url));
    }
    // The services that the run changes, each held by one unfinished run at a time: those named in steps.
    let mut services: Vec<String> = stages
        .iter()
        .flat_map(|stage| stage.steps())
        .filter_map(|step| step.params["service"].as_str())
        .map(str::to_owned)
        .collect();
    services.sort();
    services.dedup();
    let environment = runbook.target.get("environment").and_then(Value::as_str).unwrap_or_default().to_owned();
    Plan {
        run: run.clone(),
        direction: Direction::Forward,
        runbook: runbook.name.clone(),
        runbook_digest: runbook.digest.clone(),
        runbook_path: runbook.path.clone(),
        variables: runbook.variable_values(),
        sensitive: runbook.sensitive(),
        target: Target {
            account: facts.account.clone(),
            region: facts.region.clone(),
            endpoint: facts.endpoint.clone(),
            cluster: facts.cluster.clone(),
            services,
            environment,
            identity: facts.identity.clone(),
        },
        outlook,
        stages,
        findings,
        closing: values,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_held_against_the_expected_duration() {
        let found = |left: Option<u64>| short_lived(&Facts { credentials_left: left, ..Facts::default() }, 140);
        let words = found(Some(60)).map(|finding| finding.found);
        assert_eq!(words.as_deref(), Some("the credentials in use are good for 1 min, the run takes about 3 min"));
        assert_eq!((found(Some(3600)), found(None)), (None, None));
    }
}
