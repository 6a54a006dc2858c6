//! Pure values that every other module speaks in: identifiers, the runbook as resolved, the plan, journal records,
//! the transition table, the fold from records to a view of the run, errors and exit codes.
//!
//! Nothing here touches tokio, SQLite, AWS, files or clocks. Times are values handed in by the caller.

mod api_call;
mod claim;
mod diagnosis;
mod digest;
mod error;
mod event;
mod exit;
mod id;
mod lanes;
mod names;
mod noted;
mod plan;
mod record;
mod remainder;
mod runbook;
mod transition;
mod view;

#[cfg(test)]
mod tests;

pub use api_call::{ApiCall, ApiWatch};
pub use claim::{Claim, ClaimChange, ClaimView};
pub use diagnosis::{Condition, Diagnosis, Examination, Unseen};
pub use digest::{canonical, digest};
pub use error::{AwsRefusal, Error, Where};
pub use event::{Event, Progress};
pub use exit::Exit;
pub use id::{LaneId, RunId, StageId, StepId};
pub use names::{is_account_id, is_region_name, is_steering, spelled};
pub use noted::Noted;
pub use plan::{
    AWAIT_ARRIVAL, AWAIT_LINES, AWAIT_SERVING, Change, Direction, Disposition, Finding, GATE_APPROVE, GATE_BAKE, Input, Lane,
    Outlook, Plan, Resource, Severity, StagePlan, StepClass, StepPlan, Target, Wave,
};
pub use record::{Actor, Adoption, CallNote, Extent, Failure, FailureKind, Holder, Outcome, Record, RecordBody, Verdict};
pub use remainder::Remainder;
pub use runbook::{Closing, DeclaredFinding, Origin, Problem, Runbook, SourceFile, SourceSpan, StageDecl, Variable};
pub use transition::{IllegalTransition, StepEvent, StepState, next_state};
pub use view::{FoldError, Mutation, RunStatus, RunView, StepView};
