//! The event stream as JSON lines, for other programs. The form is a contract: members are only ever added.
//!
//! Every line is one object; docs/contract.md has the members of each, and tests hold it to what is printed. A `plan` in a line has
//! the form of `plan --output json`. The last lines of a container's log are never in one.

use serde_json::{Map, Value, json};

use crate::model::{Event, Progress, Record, RecordBody, StepId};

use super::plan_json;

/// What the first line that a process prints is marked with.
pub const FORMAT: &str = "sidestep-events";
/// The version of the form. Members may be added to it; what is there keeps its name, type and meaning.
pub const VERSION: u32 = 1;

/// The object of one line.
pub fn event(event: &Event) -> Value {
    Value::Object(match event {
        Event::Record(record) => record_object(record),
        Event::Progress { step, at, progress } => progress_object(step, *at, progress),
    })
}

/// The same line as the first that a process prints.
pub fn first(mut line: Value) -> Value {
    line["format"] = json!(FORMAT);
    line["version"] = json!(VERSION);
    line
}

fn record_object(record: &Record) -> Map<String, Value> {
    let mut object = members(&record.body);
    let kind = object.remove("type").unwrap_or(Value::Null);
    object.insert("event".to_owned(), kind);
    object.insert("seq".to_owned(), json!(record.seq));
    object.insert("at".to_owned(), json!(record.at));
    if let RecordBody::PlanAdopted { plan, .. } = &record.body {
        object.insert("plan".to_owned(), plan_json::json(plan));
    }
    object
}

fn progress_object(step: &StepId, at: jiff::Timestamp, progress: &Progress) -> Map<String, Value> {
    let mut object = members(progress);
    object.insert("event".to_owned(), json!("progress"));
    object.insert("step".to_owned(), json!(step));
    object.insert("at".to_owned(), json!(at));
    object
}

/// The members of a value that serializes as an object.
fn members(value: &impl serde::Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(object)) => object,
        // These types are plain data with text keys; should one ever fail, the line still says what it can.
        Ok(other) => Map::from_iter([("value".to_owned(), other)]),
        Err(error) => Map::from_iter([("unreadable".to_owned(), json!(error.to_string()))]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Verdict;
    use crate::ui::fixtures;

    fn line(told: &Event) -> String {
        event(told).to_string()
    }

    #[test]
    fn the_first_line_says_which_form_the_lines_have() {
        assert_eq!(first(json!({ "event": "world" })), json!({ "event": "world", "format": "sidestep-events", "version": 1 }));
    }

    #[test]
    fn a_record_is_flat_with_its_number_and_time() {
        let mut story = fixtures::Story::of(fixtures::plan());
        let step = fixtures::id(&fixtures::plan(), 1, 0, "create");
        let event_line = line(&story.then(2, fixtures::started(&step, 1)));
        insta::assert_snapshot!(event_line, @r#"{"at":"2026-01-02T03:04:07Z","attempt":1,"event":"step-started","intent":{"token":"t-1"},"seq":3,"step":"create-log-group//ecs/nexus-ai-jaeger-staging/create"}"#);
        let failed = RecordBody::StepFailed { step: step.clone(), failure: fixtures::rollout_failure() };
        insta::assert_snapshot!(line(&story.then(1, failed)), @r#"{"at":"2026-01-02T03:04:08Z","event":"step-failed","failure":{"causes":["deployment ecs-svc/0412 was rolled back by the circuit breaker","3 tasks stopped: CannotPullContainerError"],"kind":"rollout","message":"the rollout of `nexus-ai-api-staging` failed"},"seq":4,"step":"create-log-group//ecs/nexus-ai-jaeger-staging/create"}"#);
        let gone = Verdict::TakenBack { why: "it is gone".to_owned() };
        insta::assert_snapshot!(line(&story.then(1, fixtures::observed(&step, gone))), @r#"{"at":"2026-01-02T03:04:09Z","event":"step-observed","seq":5,"step":"create-log-group//ecs/nexus-ai-jaeger-staging/create","verdict":{"found":"taken-back","why":"it is gone"}}"#);
    }

    #[test]
    fn progress_has_no_number() {
        let mut story = fixtures::Story::of(fixtures::plan());
        let step = fixtures::id(&fixtures::plan(), 3, 0, "rollout");
        let seen = Progress::Rollout {
            desired: 1,
            pending: 1,
            running: 0,
            failed: 0,
            old: 0,
            revision: String::new(),
            replaces: String::new(),
        };
        insta::assert_snapshot!(line(&story.sees(4, &step, seen)), @r#"{"at":"2026-01-02T03:04:09Z","desired":1,"event":"progress","failed":0,"kind":"rollout","old":0,"pending":1,"replaces":"","revision":"","running":0,"step":"create-service/nexus-ai-jaeger-staging/rollout"}"#);
    }

    #[test]
    fn an_adopted_plan_has_the_public_form_and_no_parameters() {
        let mut plan = fixtures::plan();
        plan.stages[0].waves[0].lanes[0].steps[0].params = json!({ "inner": "matter" }).into();
        let story = fixtures::Story::of(plan.clone());
        let line = line(&story.told()[0].1);
        let value: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(value["event"], "plan-adopted");
        assert_eq!(value["plan"], plan_json::json(&plan));
        assert!(!line.contains("matter"));
        assert!(!line.contains('\n'));
    }
}
