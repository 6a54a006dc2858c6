//! What people decided, and what they were told when they did.

use crate::model::{Actor, Adoption, Record, RecordBody};
use crate::ui::text;

use super::value::{Accepted, Decision, FindingRow};

/// The decisions, in order.
pub(super) fn rows(records: &[Record]) -> Vec<Decision> {
    records.iter().filter_map(decision).collect()
}

fn decision(record: &Record) -> Option<Decision> {
    let (by, what, comment): (&Actor, String, &str) = match &record.body {
        RecordBody::PlanAdopted { plan, why, by } => {
            let digest = plan.digest();
            let what = match why {
                Adoption::Start => "agreed to the plan and started the run",
                Adoption::Amendment { .. } => "agreed to an amended plan",
                Adoption::Rollback(_) => "asked to roll back",
                Adoption::Forward => "asked to go forward again",
            };
            (by, format!("{what} (digest {})", digest.get(..16).unwrap_or(&digest)), "")
        }
        RecordBody::TakenOver { from, by, reason } => {
            (&by.actor, format!("took the run over from {} (pid {})", who(&from.actor), from.pid), reason)
        }
        RecordBody::StepApproved { step, by, comment } => (by, format!("approved {step}"), comment),
        RecordBody::StepSkipped { step, reason, by: Some(by) } => (by, format!("passed over {step}"), reason),
        RecordBody::FindingAccepted { finding, by } => (by, format!("accepted finding {finding}"), ""),
        RecordBody::HoldSet { stage, by } => (by, format!("asked the run to stop before {stage}"), ""),
        RecordBody::HoldCleared { stage, by } => (by, format!("lifted the hold before {stage}"), ""),
        RecordBody::LanesNamed { lanes, by } => {
            let lanes: Vec<&str> = lanes.iter().map(String::as_str).collect();
            (by, format!("let only the lanes of {} run", lanes.join(", ")), "")
        }
        RecordBody::Answered { question, answer, by } => (by, format!("answered {question}: {answer}"), ""),
        RecordBody::RequestRefused { request, by, why } => (by, format!("asked for `{request}`, which did not apply: {why}"), ""),
        RecordBody::PauseAsked { by, how } => (by, format!("asked the run to pause ({how})"), ""),
        _ => return None,
    };
    Some(Decision { at: record.at, by: by.clone(), what, comment: comment.to_owned() })
}

/// A person and a machine: `alice@bastion`.
pub(super) fn who(actor: &Actor) -> String {
    text::clean(&format!("{}@{}", actor.user, actor.host))
}

/// What was noticed while planning, by any of the plans, the worst first; with who accepted it.
pub(super) fn findings(records: &[Record]) -> Vec<FindingRow> {
    let mut rows: Vec<FindingRow> = Vec::new();
    for record in records {
        let RecordBody::PlanAdopted { plan, .. } = &record.body else { continue };
        for finding in &plan.findings {
            if !rows.iter().any(|row| row.finding == *finding) {
                rows.push(FindingRow { finding: finding.clone(), accepted: None });
            }
        }
    }
    // An amendment's findings are accepted before it is adopted: the order of the records does not matter.
    for record in records {
        let RecordBody::FindingAccepted { finding, by } = &record.body else { continue };
        for row in rows.iter_mut().filter(|row| row.finding.id == *finding && row.accepted.is_none()) {
            row.accepted = Some(Accepted { by: by.clone(), at: record.at });
        }
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.finding.severity));
    rows
}
