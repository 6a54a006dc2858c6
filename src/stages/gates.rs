//! What every kind's block may say beside its own members: who is asked, and where a run waits.
//!
//! ```text
//!   confirm = true        asked once more before the stage, at a terminal only; `--yes` answers it
//!   approve = "…"         a person must approve the stage before it begins; `--yes` does not
//!   … the stage's waves …
//!   bake    = "10m"       the stage's services must stay well for so long before the next stage
//!   warning = "…"         shown with the plan and the question
//! ```
//!
//! The two gates are steps of the plan, in waves of their own: so they are journaled, can be paused and taken up again, and stand
//! in the record like any other step.

use serde_json::{Value, json};

use super::kind::{LaneBuilder, Seconds};
use crate::model::{GATE_APPROVE, GATE_BAKE, Problem, StageDecl, StagePlan, StepClass, Wave};

/// The members that [`common`] reads, whatever the kind.
pub const COMMON: [&str; 4] = ["confirm", "warning", "approve", "bake"];

/// Puts what a block says of questions and gates into the stage's plan. A stage that has nothing to do waits for nobody.
pub fn common(decl: &StageDecl, cluster: &str, plan: &mut StagePlan) {
    plan.confirm = decl.body["confirm"] == true;
    if plan.steps().next().is_none() {
        return;
    }
    if let Some(warning) = text(decl, "warning") {
        plan.warnings.push(warning.to_owned());
    }
    let bake = bake(decl, cluster, plan);
    if let Some(message) = text(decl, "approve") {
        let mut lane = LaneBuilder::new(decl, "approval");
        let title = format!("approval of {}", decl.id);
        lane.step("approve", GATE_APPROVE, StepClass::Verify, title, json!({ "message": message }), Vec::new());
        plan.waves.insert(0, Wave { lanes: lane.build().into_iter().collect() });
    }
    plan.waves.extend(bake);
}

/// The wave that watches the stage's services for a while.
fn bake(decl: &StageDecl, cluster: &str, plan: &StagePlan) -> Option<Wave> {
    let Seconds(seconds) = serde_json::from_value(decl.body.get("bake").filter(|bake| !bake.is_null())?.clone()).ok()?;
    let mut services: Vec<&str> = plan.steps().filter_map(|step| step.params["service"].as_str()).collect();
    services.sort_unstable();
    services.dedup();
    let params = json!({ "cluster": cluster, "services": services, "forS": seconds });
    let mut lane = LaneBuilder::new(decl, "bake");
    lane.step("bake", GATE_BAKE, StepClass::Wait, format!("watch that {} stays well", decl.id), params, Vec::new());
    // It ends by itself; the deadline only has to be later.
    lane.deadline(seconds.saturating_mul(2).saturating_add(600));
    lane.expect(seconds);
    Some(Wave { lanes: lane.build().into_iter().collect() })
}

fn text<'a>(decl: &'a StageDecl, member: &str) -> Option<&'a str> {
    decl.body[member].as_str().filter(|text| !text.is_empty())
}

/// Problems of what [`common`] reads.
pub fn check_common(decl: &StageDecl) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut expect = |member: &str, fits: fn(&Value) -> bool, words: &str, hint: Option<&str>| {
        let value = &decl.body[member];
        if !(value.is_null() || fits(value)) {
            problems.push(decl.problem_at(&format!("/{member}"), words, hint.map(str::to_owned)));
        }
    };
    expect("confirm", Value::is_boolean, "confirm is true or false", None);
    expect("warning", Value::is_string, "warning is a text", None);
    let hint = Some("write what the person is to look at: approve = \"Has the team been told?\"");
    expect("approve", Value::is_string, "approve is a text, shown to who is to approve", hint);
    let duration = |value: &Value| serde_json::from_value::<Seconds>(value.clone()).is_ok();
    expect("bake", duration, "bake is a duration", Some("write for example bake = \"10m\""));
    problems
}
