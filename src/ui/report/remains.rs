//! What stands in AWS of what a run did, how it can be taken back, and what nothing brings back.

use std::collections::BTreeSet;

use crate::model::{ClaimChange, Direction, Holder, Remainder, RunView, StagePlan};
use crate::ui::status_view;
use crate::ui::text;

use super::changes::short;
use super::value::{Remains, WayBack};

/// See the module's text. `standing` is what stands.
pub(super) fn rows(view: &RunView, live: Option<&Holder>, standing: &[Remainder]) -> Remains {
    let stands =
        |stage: &&StagePlan| view.mutations.iter().any(|made| made.direction == Direction::Forward && made.stage == stage.id);
    let way_back = view.forward.stages.iter().filter(stands).filter(|stage| !stage.way_back.is_empty());
    Remains {
        standing: standing.to_vec(),
        way_back: way_back.map(|stage| WayBack { stage: stage.id.clone(), how: stage.way_back.clone() }).collect(),
        for_good: for_good(view),
        claims: view.claims.iter().map(|(service, claim)| claimed(service, &claim.last)).collect(),
        next: status_view::next_commands(view, live),
    }
}

fn for_good(view: &RunView) -> Vec<String> {
    let mut lines = Vec::new();
    let registered = |operation: &str| operation.starts_with("ecs.register-");
    let revisions: BTreeSet<&str> = view
        .took_effect()
        .filter(|made| registered(&made.step.action))
        .filter_map(|made| made.output.as_ref()?["taskDefinition"].as_str())
        .map(short)
        .collect();
    if !revisions.is_empty() {
        let revisions: Vec<&str> = revisions.into_iter().collect();
        let what = text::count(revisions.len(), "revision number is", "revision numbers are");
        lines.push(format!("{what} used up, also where the revision is deregistered: {}", revisions.join(", ")));
    }
    for made in view.took_effect().filter(|made| made.step.action == "logs.delete-log-group") {
        lines.push(format!("log group {} was deleted, with all that was logged in it", made.target));
    }
    // A stage warns before it begins of what goes with it.
    let changed =
        |stage: &&StagePlan| view.took_effect().any(|made| made.stage == stage.id && made.direction == Direction::Forward);
    for stage in view.forward.stages.iter().filter(changed) {
        lines.extend(stage.warnings.iter().map(|warning| format!("{}: {warning}", stage.id)));
    }
    lines
}

fn claimed(service: &str, last: &ClaimChange) -> String {
    match last {
        ClaimChange::Writing { .. } => format!("{service}: a claim was being written"),
        ClaimChange::Held => format!("{service}: claimed"),
        ClaimChange::Removing | ClaimChange::Removed => format!("{service}: the claim was being removed"),
        ClaimChange::Refused { why } => format!("{service}: no claim, AWS refused it: {why}"),
        ClaimChange::Left { why, remove } => format!("{service}: the claim could not be removed ({why}); remove it with {remove}"),
    }
}
