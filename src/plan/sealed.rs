//! A sealed plan: a plan in a file, with the runbook and what it rests on, so that exactly this plan can be carried out later, by
//! somebody else too, or not at all. A digest over the whole tells an altered file; it is no signature, and keeps nobody out who
//! means harm.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::model::{Plan, Runbook, digest};
use crate::stages::facts::Facts;

/// The file's member `format`.
pub const FORMAT: &str = "sidestep-sealed-plan";
const VERSION: u64 = 1;

/// The file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sealed {
    format: String,
    version: u64,
    /// When, by the clock of the machine that sealed it.
    pub sealed_at: Timestamp,
    /// Who.
    pub by: String,
    /// The plan.
    pub plan: Plan,
    /// The runbook: its file may change.
    pub runbook: RunbookText,
    /// What the plan rests on; see [`rests_on`].
    facts: BTreeMap<String, Value>,
    /// SHA-256 over all of the above.
    digest: String,
}

/// A runbook as it was when the plan was sealed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunbookText {
    /// Its file's path as given, or the shipped runbook's.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl RunbookText {
    /// Of the file that a runbook was resolved from: every runbook has a stage.
    fn of(runbook: &Runbook) -> Self {
        let file = runbook.stages.first().map(|stage| &stage.span.file);
        file.map(|file| Self { path: file.path.clone(), text: file.text.clone() }).unwrap_or_default()
    }
}

impl Sealed {
    /// Seals a plan.
    pub fn new(plan: Plan, runbook: &Runbook, facts: &Facts, by: String, sealed_at: Timestamp) -> Self {
        let mut sealed = Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            sealed_at,
            by,
            plan,
            runbook: RunbookText::of(runbook),
            facts: rests_on(facts),
            digest: String::new(),
        };
        sealed.digest = sealed.computed();
        sealed
    }

    /// Reads the file's text.
    ///
    /// # Errors
    /// Why it is no sealed plan, or not the one that was sealed: in words.
    pub fn read(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
        if value["format"] != FORMAT {
            let other = value["format"].as_str().unwrap_or("nothing that is known");
            return Err(format!("its format is {other}, not {FORMAT}"));
        }
        if value["version"] != VERSION {
            return Err(format!("its version is {}, this program reads {VERSION}: seal the plan again", value["version"]));
        }
        let sealed: Self =
            serde_path_to_error::deserialize(value).map_err(|error| format!("{}: {}", error.path(), error.inner()))?;
        if sealed.digest != sealed.computed() {
            return Err("it was altered: its content does not have the digest that it was sealed with".to_owned());
        }
        Ok(sealed)
    }

    /// The file's text.
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    fn computed(&self) -> String {
        let unsigned = Self { digest: String::new(), ..self.clone() };
        digest(&json!(unsigned))
    }

    /// What the plan rests on and is no longer so: one line each, the resource and what became of it.
    pub fn outdated(&self, facts: &Facts) -> Vec<String> {
        let now = rests_on(facts);
        let names: std::collections::BTreeSet<&String> = self.facts.keys().chain(now.keys()).collect();
        let mut lines = Vec::new();
        for name in names {
            match (self.facts.get(name), now.get(name)) {
                (Some(before), Some(after)) if before != after => {
                    lines.extend(differences(before, after).into_iter().map(|line| format!("{name}: {line}")));
                }
                (Some(_), None) => lines.push(format!("{name} is not there any more")),
                (None, Some(_)) => lines.push(format!("{name} is new")),
                _ => {}
            }
        }
        lines
    }

    /// Whether a plan made now does the same.
    pub fn does_the_same(&self, now: &Plan) -> bool {
        let essence = |plan: &Plan| json!([plan.run, plan.stages, plan.target, plan.variables, plan.runbook_digest]);
        let (mut sealed, mut now) = (self.plan.clone(), now.clone());
        // Who carries it out may be another than who planned it.
        sealed.target.identity.clear();
        now.target.identity.clear();
        essence(&sealed) == essence(&now)
    }
}

/// The members in which two values differ, `from → to` where that is short.
fn differences(before: &Value, after: &Value) -> Vec<String> {
    let (Value::Object(old), Value::Object(new)) = (before, after) else { return vec![told(before, after)] };
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let null = Value::Null;
    let pair = |name: &&String| (old.get(*name).unwrap_or(&null), new.get(*name).unwrap_or(&null));
    names
        .into_iter()
        .filter(|name| pair(name).0 != pair(name).1)
        .map(|name| format!("{name} {}", told(pair(&name).0, pair(&name).1)))
        .collect()
}

fn told(before: &Value, after: &Value) -> String {
    let (before, after) = (before.to_string(), after.to_string());
    if before.len() + after.len() <= 200 { format!("{before} → {after}") } else { "changed".to_owned() }
}

/// What a plan rests on, by resource: whatever of it changes, the plan may not be carried out any more. Left out is what changes by
/// itself: tasks and their addresses, counts that a deployment moves, how long credentials last.
fn rests_on(facts: &Facts) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    let place = json!({ "account": facts.account, "region": facts.region, "endpoint": facts.endpoint, "cluster": facts.cluster });
    all.insert("the place".to_owned(), place);
    for (name, service) in &facts.services {
        let mut kept = serde_json::Map::new();
        for member in [
            "status",
            "taskDefinition",
            "desiredCount",
            "loadBalancers",
            "serviceRegistries",
            "networkConfiguration",
            "deploymentConfiguration",
            "deploymentController",
            "launchType",
            "capacityProviderStrategy",
            "platformVersion",
            "healthCheckGracePeriodSeconds",
        ] {
            kept.insert(member.to_owned(), service[member].clone());
        }
        kept.insert("deployments".to_owned(), json!(service["deployments"].as_array().map_or(0, Vec::len)));
        all.insert(format!("service {name}"), Value::Object(kept));
    }
    // A revision never changes but for its status; what it holds may be secret.
    for definition in facts.definitions.values().chain(facts.newest.values()) {
        let content = json!({ "status": definition.body["status"], "content": definition.content_digest() });
        all.insert(format!("task definition {}", definition.arn()), content);
    }
    for (family, found) in &facts.newest {
        all.insert(format!("newest revision of {family}"), json!(found.arn()));
    }
    for (name, group) in &facts.log_groups {
        all.insert(format!("log group {name}"), json!({ "retentionInDays": group["retentionInDays"] }));
    }
    for namespace in &facts.namespaces {
        all.insert(format!("namespace {}", namespace["Id"].as_str().unwrap_or_default()), json!({ "Name": namespace["Name"] }));
    }
    for ((namespace, name), service) in &facts.names {
        all.insert(format!("name {name} in {namespace}"), json!({ "Id": service["Id"], "DnsConfig": service["DnsConfig"] }));
    }
    all.extend(facts.target_groups.iter().map(|(arn, group)| (format!("target group {arn}"), json!(group))));
    all.extend(facts.security_groups.iter().map(|(id, group)| (format!("security group {id}"), json!(group))));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(revision: &str) -> Facts {
        let mut facts = Facts { account: "111122223333".to_owned(), ..Facts::default() };
        facts.services.insert("api".to_owned(), json!({ "taskDefinition": revision, "runningCount": 1 }));
        facts
    }

    #[test]
    fn what_changed_is_told_and_what_moves_by_itself_is_not() {
        let sealed = |facts: &Facts| rests_on(facts);
        let mut running = facts("api:1");
        running.services.get_mut("api").expect("a service")["runningCount"] = json!(2);
        assert_eq!(sealed(&facts("api:1")), sealed(&running));
        let (before, after) = (sealed(&facts("api:1")), sealed(&facts("api:2")));
        assert_eq!(differences(&before["service api"], &after["service api"]), [r#"taskDefinition "api:1" → "api:2""#]);
    }
}
