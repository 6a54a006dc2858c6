//! What the services can go back to. ECS puts no service on a revision that was deregistered, and Terraform, the CDK and several deploy
//! tools deregister the one before as soon as they have registered the next: what runs is then INACTIVE.
//!
//! | the revision that an update replaced | the service goes back to |
//! | --- | --- |
//! | is ACTIVE | it |
//! | is not, and the run has a copy of it | the copy |
//! | is not, and is the run's own, whose base is gone back to as well | what the base gives: nobody needs what lies between |
//! | is INACTIVE | a copy of it, registered on the way back |
//! | was deleted | nothing: the way back is *stuck*, and says so before it changes anything |
//!
//! A copy has the same content, compared whole, under another number; it is made from AWS to AWS, for the content may hold secrets.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::undo::{CREATE, REGISTER_EDITED, UPDATE, going, service};
use crate::aws::Aws;
use crate::aws::task_definition::short_name;
use crate::model::{Extent, Failure, FailureKind, Mutation, RunView, StepClass, StepId};
use crate::stages::step::UndoStep;

/// What was read of the revisions to go back to.
#[derive(Clone, Debug, Default)]
pub struct Returns {
    /// By ARN: where a service goes that is to go back to it. Those that are ACTIVE are not here.
    instead: BTreeMap<String, Instead>,
}

/// See the module's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Instead {
    /// This one, which is there.
    Of(String),
    /// A copy of this one.
    CopyOf(String),
}

impl Returns {
    /// Where a service goes instead of this revision; none: there.
    pub(super) fn instead_of(&self, revision: &str) -> Option<&Instead> {
        self.instead.get(revision)
    }
}

/// What a revision is to who would go back to it.
enum Standing {
    Active,
    Inactive,
    Gone,
}

async fn standing(aws: &Aws, arn: &str) -> Result<Standing, Failure> {
    Ok(match aws.task_definition(arn).await.map_err(|error| error.failure())? {
        Some(found) if found.is_active() => Standing::Active,
        Some(_) => Standing::Inactive,
        None => Standing::Gone,
    })
}

fn replaced(update: &Mutation) -> Option<&str> {
    let sets = update.output.as_ref().is_some_and(|output| output["set"].get("taskDefinition").is_some());
    update.intent["replaced"]["taskDefinition"].as_str().filter(|_| sets)
}

/// Reads what the updates that go have replaced.
///
/// # Errors
/// [`FailureKind::Stuck`] where a service has nothing to go back to, with the update that replaced it; what a failing call gives.
pub async fn read_returns(aws: &Aws, view: &RunView, extent: &Extent) -> Result<Returns, (StepId, Failure)> {
    let mutations = going(view, extent);
    let created: BTreeSet<&str> =
        mutations.iter().filter(|mutation| mutation.step.action == CREATE).filter_map(|mutation| service(mutation)).collect();
    let mut returns = Returns::default();
    // The first update of each service that goes: what it replaced was there before the run, or before what stays.
    let mut first: BTreeMap<&str, &str> = BTreeMap::new();
    for update in mutations.iter().filter(|mutation| mutation.step.action == UPDATE) {
        let (Some(name), Some(before)) = (service(update).filter(|name| !created.contains(name)), replaced(update)) else {
            continue;
        };
        let base = *first.entry(name).or_insert(before);
        if returns.instead.contains_key(before) {
            continue;
        }
        let stuck = |failure| (update.step.id.clone(), failure);
        let instead = match standing(aws, before).await.map_err(stuck)? {
            Standing::Active => continue,
            // What lies between is not needed; of the base it is known by now where that leads.
            _ if base != before => returns.instead.get(base).cloned().unwrap_or_else(|| Instead::Of(base.to_owned())),
            other => match (copy_of(aws, view, before).await.map_err(stuck)?, other) {
                (Some(copy), _) => Instead::Of(copy),
                (None, Standing::Gone) => {
                    let message = format!("{}, which {name} ran before, is gone from AWS for good", short_name(before));
                    let why = "its content is kept nowhere else: nothing was changed".to_owned();
                    return Err(stuck(Failure::of(FailureKind::Stuck, message).because([why])));
                }
                (None, _) => Instead::CopyOf(before.to_owned()),
            },
        };
        returns.instead.insert(before.to_owned(), instead);
    }
    Ok(returns)
}

/// The run's own copy of a revision, if it is ACTIVE.
async fn copy_of(aws: &Aws, view: &RunView, of: &str) -> Result<Option<String>, Failure> {
    for made in view.mutations.iter().rev().filter(|mutation| mutation.step.action == REGISTER_EDITED) {
        let Some(copy) = made.output.as_ref().and_then(|output| output["taskDefinition"].as_str()) else { continue };
        if made.step.params["copyOf"] == of && matches!(standing(aws, copy).await?, Standing::Active) {
            return Ok(Some(copy.to_owned()));
        }
    }
    Ok(None)
}

/// The steps that make a copy: registered, and compared whole.
pub(super) fn copy(of: &str, cluster: &Value, service: &str) -> Vec<UndoStep> {
    let none = json!([]);
    vec![
        UndoStep {
            name: "copy",
            action: REGISTER_EDITED,
            class: StepClass::Mutation,
            title: format!("register a copy of {}, which is INACTIVE", short_name(of)),
            params: json!({ "base": of, "copyOf": of, "edits": none, "cluster": cluster, "usedBy": [service] }),
            deadline_s: None,
            inputs: Vec::new(),
        },
        UndoStep {
            name: "verify-copy",
            action: "ecs.verify-task-definition",
            class: StepClass::Verify,
            title: "check that the copy is the same".to_owned(),
            params: json!({ "base": of, "edits": none }),
            deadline_s: None,
            inputs: vec![("/taskDefinition", "copy", "/taskDefinition")],
        },
    ]
}
