//! Undoing on the newest revision. Where somebody deployed a service since the run changed it, restoring what was before would take
//! their change away. Here only the run's own edits are taken back, on the revision that the service runs now, in one update.
//!
//! | what is found | the service goes to |
//! | --- | --- |
//! | the revision of the run's last update, and the recorded one is ACTIVE | the recorded one; only the lists have changed since |
//! | a revision that holds nothing of the run's edits any more | stays on it |
//! | any other | a new revision: what is found, edited inversely |
//!
//! The inverse looks at the revisions that were edited then, which AWS keeps; the journal has their ARNs, never their content.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::undo::{CREATE, REGISTER_EDITED, UPDATE, going, service};
use crate::aws::Aws;
use crate::aws::task_definition::{TaskDefinition, short_name};
use crate::model::{
    Change, Disposition, Extent, Failure, FailureKind, Finding, Mutation, Resource, RunView, Severity, StepClass, StepId,
};
use crate::stages::edit::{self, Edit};
use crate::stages::step::{StepError, UndoStep};
use crate::stages::steps::{read_originals, same_list};

/// The services that have moved on, by name.
pub type Newest = BTreeMap<String, MovedOn>;

/// A service that was changed since the run's last update of it, and how the run's own changes are taken back there.
#[derive(Clone, Debug)]
pub struct MovedOn {
    name: String,
    cluster: Value,
    /// As it was read: what the update expects.
    found: Value,
    digest: String,
    revision: Revision,
    /// Members of the update beside the task definition.
    set: Map<String, Value>,
    changes: Vec<Change>,
    deadline_s: Option<u64>,
    /// Numbers of the updates that this undoes, in order.
    pub(super) undoes: Vec<u64>,
}

/// What the service is to run.
#[derive(Clone, Debug, PartialEq)]
enum Revision {
    /// This one, which exists.
    Existing(String),
    /// The one that is found, edited.
    Edited(Vec<Edit>),
}

/// The finding that says of a service that it has moved on.
pub const MOVED_ON: &str = "moved-on";

/// Reads which of the services to go back have moved on, and what they are now. The failure names the update that cannot be taken
/// back on what is there.
///
/// # Errors
/// [`FailureKind::Stuck`] where no edit repairs it, or a revision that is needed is gone from AWS for good; what a failing call gives.
pub async fn read_newest(aws: &Aws, view: &RunView, extent: &Extent) -> Result<Newest, (StepId, Failure)> {
    let mutations = going(view, extent);
    let created: Vec<&str> =
        mutations.iter().filter(|mutation| mutation.step.action == CREATE).filter_map(|mutation| service(mutation)).collect();
    let mut updates: BTreeMap<&str, Vec<&Mutation>> = BTreeMap::new();
    for mutation in mutations.iter().filter(|mutation| mutation.step.action == UPDATE) {
        if let Some(name) = service(mutation).filter(|name| !created.contains(name)) {
            updates.entry(name).or_default().push(mutation);
        }
    }
    let mut newest = Newest::new();
    for (name, updates) in updates {
        let Some(last) = updates.last() else { continue };
        let moved_on = look(aws, name, &updates, view).await;
        let moved_on = moved_on.map_err(|error| (last.step.id.clone(), in_words(error)))?;
        newest.extend(moved_on.map(|moved_on| (name.to_owned(), moved_on)));
    }
    Ok(newest)
}

fn in_words(error: StepError) -> Failure {
    match error {
        StepError::Call(call) => call.failure(),
        StepError::Failed(failure) => failure,
        StepError::Diverged(lines) => Failure::of(FailureKind::Stuck, "it cannot be taken back there").because(lines),
    }
}

async fn look(aws: &Aws, name: &str, updates: &[&Mutation], view: &RunView) -> Result<Option<MovedOn>, StepError> {
    let (Some(first), Some(last)) = (updates.first(), updates.last()) else { return Ok(None) };
    let cluster = last.step.params["cluster"].as_str().unwrap_or_default();
    let found = aws.service(cluster, name).await?.filter(|service| service["status"] == "ACTIVE");
    let Some(found) = found else {
        let message = format!("service `{name}` is gone: nothing of this run can be taken back there");
        return Err(StepError::Failed(Failure::of(FailureKind::Stuck, message)));
    };
    let (before, after) = (&first.intent["replaced"], &set_of(last));
    let recorded = before["taskDefinition"].as_str().unwrap_or_default();
    let is =
        |wanted: &Value| wanted.as_object().is_some_and(|members| members.iter().all(|(name, value)| same(name, value, &found)));
    let usable = aws.task_definition(recorded).await?.is_some_and(|revision| revision.is_active());
    let restored: Map<String, Value> = members(after).map(|(name, _)| (name.clone(), before[name].clone())).collect();
    // Where nobody else did anything, the recorded state is restored.
    if is(&Value::Object(restored)) || (is(after) && usable) {
        return Ok(None);
    }
    let runs = found["taskDefinition"].as_str().unwrap_or_default();
    let Some(definition) = aws.task_definition(runs).await? else {
        return Err(StepError::Diverged(vec![format!("found: {}, which cannot be read", short_name(runs))]));
    };
    let mut changes = Vec::new();
    let revision = if found["taskDefinition"] == after["taskDefinition"] && usable {
        changes.push(changed("taskDefinition".to_owned(), Some(json!(short_name(runs))), json!(short_name(recorded))));
        Revision::Existing(recorded.to_owned())
    } else {
        take_back(aws, &definition, inverse(updates, view), &mut changes).await?
    };
    let set = lists(updates, &found, &mut changes);
    Ok(Some(MovedOn {
        name: name.to_owned(),
        cluster: json!(cluster),
        digest: definition.content_digest(),
        found,
        revision,
        set,
        changes,
        deadline_s: last.step.params["deadline_s"].as_u64(),
        undoes: updates.iter().map(|update| update.seq).collect(),
    }))
}

fn set_of(update: &Mutation) -> Value {
    update.output.as_ref().map_or(Value::Null, |output| output["set"].clone())
}

fn members(set: &Value) -> impl Iterator<Item = (&String, &Value)> {
    set.as_object().into_iter().flatten()
}

/// A recorded list that was absent is an empty one.
fn same(member: &str, wanted: &Value, service: &Value) -> bool {
    let absent = wanted.is_null() && service[member].as_array().is_some_and(Vec::is_empty);
    absent || same_list(member, wanted, service)
}

/// The inverses of the edits behind the updates, the last first. An edit was made from what its update replaced.
fn inverse(updates: &[&Mutation], view: &RunView) -> Vec<Edit> {
    let mut inverse = Vec::new();
    let mut seen = Vec::new();
    for update in updates.iter().rev().filter(|update| update.intent["mode"] == "update") {
        let Some(of) = update.intent["replaced"]["taskDefinition"].as_str() else { continue };
        let edits = edits_behind(update, view);
        // A stage that was done twice, amended in between, made the same edit twice.
        for edit in edits.iter().rev().filter(|edit| !seen.contains(*edit)) {
            inverse.extend(edit.inverse(of));
        }
        seen.extend(edits);
    }
    inverse
}

/// The edits that made the revision of an update: of the registration that stands; or, where that is undone and the update is not, for a
/// person left it as it is, of the step in the plan.
fn edits_behind(update: &Mutation, view: &RunView) -> Vec<Edit> {
    let made = &set_of(update)["taskDefinition"];
    let registered = |mutation: &&Mutation| {
        mutation.step.action == REGISTER_EDITED && mutation.output.as_ref().is_some_and(|output| output["taskDefinition"] == *made)
    };
    let stands = view.mutations.iter().find(registered).map(|mutation| &mutation.step);
    let planned = || {
        let mut steps = view.forward.steps().filter(|(stage, lane, _)| stage.id == update.stage && lane.target == update.target);
        steps.find(|(_, _, step)| step.action == REGISTER_EDITED && step.params["copyOf"].is_null()).map(|(_, _, step)| step)
    };
    let step = stands.or_else(planned);
    step.and_then(|step| serde_json::from_value(step.params["edits"].clone()).ok()).unwrap_or_default()
}

/// Tries the edits on what is found.
async fn take_back(
    aws: &Aws,
    definition: &TaskDefinition,
    edits: Vec<Edit>,
    changes: &mut Vec<Change>,
) -> Result<Revision, StepError> {
    let before = definition.register_input();
    let mut after = before.clone();
    let originals = read_originals(aws, &edits).await?;
    edit::apply(&edits, &mut after, &originals)
        .map_err(|reason| StepError::Diverged(vec![format!("{}: {reason}", short_name(definition.arn()))]))?;
    if after == before {
        return Ok(Revision::Existing(definition.arn().to_owned()));
    }
    changes.push(changed("taskDefinition".to_owned(), Some(json!(short_name(definition.arn()))), json!("a new revision of it")));
    for edit in &edits {
        match edit {
            Edit::ResetEnv { name, from, to, .. } => {
                for (container, body) in containers(&after) {
                    let had = containers(&before).any(|(known, body)| known == container && env(body, name) == Some(from));
                    // One that was added is taken out again.
                    let to = match env(body, name) {
                        Some(value) if value == to => Some(json!(to)),
                        None => None,
                        Some(_) => continue,
                    };
                    let path = format!("containerDefinitions[{container}].environment[{name}]");
                    changes.extend(had.then(|| Change { path, from: Some(json!(from)), to }));
                }
            }
            Edit::PutBack { container, of } if !containers(&before).any(|(known, _)| known == container) => {
                let to = json!(format!("as in {}", short_name(of)));
                changes.push(changed(format!("containerDefinitions[{container}]"), None, to));
            }
            _ => {}
        }
    }
    Ok(Revision::Edited(edits))
}

fn changed(path: String, from: Option<Value>, to: Value) -> Change {
    Change { path, from, to: Some(to) }
}

fn containers(input: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let list = input["containerDefinitions"].as_array().into_iter().flatten();
    list.filter_map(|container| Some((container["name"].as_str()?, container)))
}

fn env<'a>(container: &'a Value, name: &str) -> Option<&'a str> {
    container["environment"].as_array()?.iter().find(|pair| pair["name"] == name)?["value"].as_str()
}

/// The lists as they are, with the entries that the updates took out; and the grace period, where it is still theirs.
fn lists(updates: &[&Mutation], found: &Value, changes: &mut Vec<Change>) -> Map<String, Value> {
    const GRACE: &str = "healthCheckGracePeriodSeconds";
    let mut set = Map::new();
    for list in ["loadBalancers", "serviceRegistries"] {
        let mut wanted = found[list].as_array().cloned().unwrap_or_default();
        let there = wanted.len();
        for update in updates.iter().filter(|update| set_of(update).get(list).is_some()) {
            let kept = set_of(update)[list].as_array().cloned().unwrap_or_default();
            let had = update.intent["replaced"][list].as_array().into_iter().flatten();
            for entry in had.filter(|entry| !kept.contains(entry)) {
                if !wanted.contains(entry) {
                    wanted.push(entry.clone());
                }
            }
        }
        for entry in &wanted[there..] {
            let of = format!("{list}[{}:{}]", entry["containerName"].as_str().unwrap_or_default(), entry["containerPort"]);
            let arn = entry["targetGroupArn"].as_str().or_else(|| entry["registryArn"].as_str()).unwrap_or_default();
            changes.push(changed(of, None, json!(arn.rsplit(':').next().unwrap_or(arn))));
        }
        if wanted.len() > there {
            set.insert(list.to_owned(), Value::Array(wanted));
        }
    }
    let grace = updates.iter().find(|update| set_of(update).get(GRACE).is_some());
    if let Some(update) = grace.filter(|update| found[GRACE].as_u64().unwrap_or(0) == set_of(update)[GRACE].as_u64().unwrap_or(0)) {
        let before = update.intent["replaced"][GRACE].clone();
        if !before.is_null() && before != found[GRACE] {
            changes.push(changed(GRACE.to_owned(), Some(found[GRACE].clone()), before.clone()));
            set.insert(GRACE.to_owned(), before);
        }
    }
    set
}

impl MovedOn {
    /// What the operator is told beside the plan.
    pub(super) fn finding(&self) -> Finding {
        let runs = short_name(self.found["taskDefinition"].as_str().unwrap_or_default());
        Finding {
            id: MOVED_ON.to_owned(),
            severity: Severity::Note,
            resource: self.name.clone(),
            found: format!("it was changed since this run's last update of it, and runs {runs} now"),
            consequence:
                "only this run's own changes are taken back, on what it runs now; it does not return to the recorded revision"
                    .to_owned(),
            fix: "read the changes below before you agree".to_owned(),
            must_repair: false,
        }
    }

    pub(super) fn resource(&self) -> Resource {
        Resource {
            kind: "service".to_owned(),
            name: self.name.clone(),
            disposition: Disposition::Update,
            changes: self.changes.clone(),
        }
    }

    /// Registers the edited revision where there is one, and brings the service there.
    pub(super) fn steps(&self) -> Vec<UndoStep> {
        let (name, cluster) = (&self.name, &self.cluster);
        let mut set = self.set.clone();
        let mut want = self.set.clone();
        let mut steps = Vec::new();
        let mut inputs = Vec::new();
        let runs = &self.found["taskDefinition"];
        match &self.revision {
            Revision::Existing(arn) => {
                set.insert("taskDefinition".to_owned(), json!(arn));
                want.insert("taskDefinition".to_owned(), json!(arn));
            }
            Revision::Edited(edits) => {
                steps.push(UndoStep {
                    name: "register-inverse",
                    action: REGISTER_EDITED,
                    class: StepClass::Mutation,
                    title: format!(
                        "register {} with this run's changes taken back",
                        short_name(runs.as_str().unwrap_or_default())
                    ),
                    params: json!({ "base": runs, "baseDigest": self.digest, "edits": edits, "cluster": cluster, "usedBy": [name] }),
                    deadline_s: None,
                    inputs: Vec::new(),
                });
                steps.push(UndoStep {
                    name: "verify-inverse",
                    action: "ecs.verify-task-definition",
                    class: StepClass::Verify,
                    title: "check that nothing else changed".to_owned(),
                    params: json!({ "base": runs, "edits": edits }),
                    deadline_s: None,
                    inputs: vec![("/taskDefinition", "register-inverse", "/taskDefinition")],
                });
                inputs.push(("/set/taskDefinition", "register-inverse", "/taskDefinition"));
            }
        }
        let expect = json!({ "taskDefinition": runs, "loadBalancers": self.found["loadBalancers"],
            "serviceRegistries": self.found["serviceRegistries"] });
        steps.push(UndoStep {
            name: "restore-onto-newest",
            action: UPDATE,
            class: StepClass::Mutation,
            title: format!("take this run's changes of {name} back"),
            params: json!({ "cluster": cluster, "service": name, "set": set, "expect": expect, "restore": true }),
            deadline_s: None,
            inputs,
        });
        let mut inputs = vec![("/deployment", "restore-onto-newest", "/deployment")];
        if matches!(self.revision, Revision::Edited(_)) {
            inputs.push(("/want/taskDefinition", "register-inverse", "/taskDefinition"));
        }
        steps.push(UndoStep {
            name: "restored",
            action: "ecs.await-rollout",
            class: StepClass::Wait,
            title: format!("wait until {name} is steady"),
            params: json!({ "cluster": cluster, "service": name, "want": want }),
            deadline_s: self.deadline_s.or(Some(1800)),
            inputs,
        });
        steps
    }
}
