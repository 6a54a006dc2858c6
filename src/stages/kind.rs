//! What a stage kind is to planning: it checks its block, says what must be read, and turns facts into steps. All of it pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::facts::{Facts, Wants};
use super::findings::{FindingKind, Seen};
use super::gates::COMMON;
use super::port::NO_PORT;
use super::subject::Subject;
use crate::model::{
    AWAIT_SERVING, Finding, Input, Lane, LaneId, Problem, Resource, RunId, StageDecl, StagePlan, StepClass, StepId, StepPlan, Wave,
};

/// Lanes that run side by side.
pub const LANE_CONCURRENCY: usize = 5;

/// One kind of stage.
pub trait StageKind {
    /// The first label of its blocks: `log_group`.
    fn kind(&self) -> &'static str;

    /// What is wrong with a block of this kind.
    fn check(&self, decl: &StageDecl) -> Vec<Problem>;

    /// Adds what must be read to plan it. The block has passed [`StageKind::check`].
    fn wants(&self, decl: &StageDecl, wants: &mut Wants);

    /// Adds what it does to which services, for the checks. The block has passed [`StageKind::check`].
    fn subject<'a>(&self, decl: &'a StageDecl, facts: &Facts, subject: &mut Subject<'a>);

    /// Adds what it would do if it were switched on, so that a check whose finding it would spare the operator can name it. The block
    /// has passed [`StageKind::check`].
    fn offers<'a>(&self, decl: &'a StageDecl, facts: &Facts, subject: &mut Subject<'a>) {
        let _ = (decl, facts, subject);
    }

    /// How a rollback takes a stage of this kind back, and what it cannot bring back: a clause.
    fn way_back(&self) -> &'static str;

    /// Plans it. Stages are planned in order; what one leaves for the next is in [`Planning::sketch`].
    fn plan(&self, decl: &StageDecl, planning: &mut Planning<'_>) -> StagePlan;
}

/// What planning knows and collects.
pub struct Planning<'a> {
    /// What was read.
    pub facts: &'a Facts,
    /// The run that will execute the plan.
    pub run: &'a RunId,
    /// What the stages so far leave behind.
    pub sketch: Sketch,
    /// Findings so far.
    pub findings: Vec<Finding>,
    /// Findings, by id, that block the stage being planned.
    pub blocking: Vec<String>,
    /// Values for the closing words.
    pub closing: BTreeMap<String, Value>,
}

/// What the stages so far leave behind, for those that follow.
#[derive(Default)]
pub struct Sketch {
    /// The revision of a family that later stages use.
    pub revisions: BTreeMap<String, Known>,
    /// The containers that this runbook defines in a family.
    pub containers: BTreeMap<String, Vec<String>>,
    /// The registry that a service is to be in.
    pub registries: BTreeMap<String, Known>,
    /// The DNS name of a service, under which nobody else answers.
    pub hosts: BTreeMap<String, String>,
    /// Services that this runbook creates, with their settings.
    pub created: BTreeMap<String, Created>,
    /// Services whose revision a stage changes: what the next stage starts from.
    pub changed: BTreeMap<String, Known>,
}

/// A service that the runbook creates or finds created.
#[derive(Clone, Debug)]
pub struct Created {
    /// Tasks wanted.
    pub desired: u64,
    /// The revision it runs.
    pub revision: Known,
    /// The containers of that revision: all of them are to run.
    pub containers: Vec<String>,
    /// Its load balancers.
    pub load_balancers: Value,
    /// Whether it exists already.
    pub exists: bool,
}

/// A value that is known now, or from a step's output later.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    /// Now.
    Now(Value),
    /// Later.
    Later(Input),
}

impl Known {
    /// The value, if it is known now.
    pub fn now(&self) -> Option<&Value> {
        match self {
            Self::Now(value) => Some(value),
            Self::Later(_) => None,
        }
    }
}

/// Builds the steps of a lane.
pub struct LaneBuilder {
    lane: LaneId,
    target: String,
    steps: Vec<StepPlan>,
}

impl LaneBuilder {
    /// A lane of `decl` that works on `target`.
    pub fn new(decl: &StageDecl, target: &str) -> Self {
        Self { lane: LaneId::of(&decl.id, target), target: target.to_owned(), steps: Vec::new() }
    }

    /// Adds a step; `later` names parameters that are known only then, by pointer.
    pub fn step(
        &mut self,
        name: &str,
        action: &str,
        class: StepClass,
        title: String,
        mut params: Value,
        later: Vec<(&str, Known)>,
    ) -> StepId {
        let id = StepId::of(&self.lane, name);
        let mut inputs = BTreeMap::new();
        for (pointer, known) in later {
            match known {
                Known::Now(value) => place(&mut params, pointer, value),
                Known::Later(input) => {
                    place(&mut params, pointer, Value::Null);
                    inputs.insert(pointer.to_owned(), input);
                }
            }
        }
        let params = params.into();
        self.steps.push(StepPlan {
            id: id.clone(),
            action: action.to_owned(),
            class,
            title,
            params,
            inputs,
            expected_s: None,
            deadline_s: None,
        });
        id
    }

    /// Gives the step added last a deadline.
    pub fn deadline(&mut self, seconds: u64) {
        if let Some(step) = self.steps.last_mut() {
            step.deadline_s = Some(seconds);
        }
    }

    /// Waits until a service is seen to serve after its rollout; `containers` must run in each task, essential or not.
    pub fn serves(
        &mut self,
        (cluster, service): (&str, &str),
        containers: &[String],
        want: &Value,
        later: Vec<(&str, Known)>,
        seconds: u64,
    ) {
        let params = json!({ "cluster": cluster, "service": service, "containers": containers, "want": want });
        let title = format!("see that {service} serves");
        self.step("serving", AWAIT_SERVING, StepClass::Wait, title, params, later);
        self.deadline(seconds);
    }

    /// Says how long the step added last usually takes.
    pub fn expect(&mut self, seconds: u64) {
        if let Some(step) = self.steps.last_mut() {
            step.expected_s = Some(seconds);
        }
    }

    /// The lane; `None` when it has no step.
    pub fn build(self) -> Option<Lane> {
        (!self.steps.is_empty()).then_some(Lane { id: self.lane, target: self.target, steps: self.steps })
    }
}

/// Of the inputs of a wait for a rollout, those that say what the service must be.
pub fn wanted<'a>(inputs: &[(&'a str, Known)]) -> Vec<(&'a str, Known)> {
    inputs.iter().filter(|(pointer, _)| pointer.starts_with("/want/")).cloned().collect()
}

/// Puts a value at a JSON pointer, making the objects on the way.
pub fn place(target: &mut Value, pointer: &str, value: Value) {
    let mut at = target;
    for part in pointer.split('/').skip(1) {
        at = match part.parse::<usize>() {
            Ok(index) if at.is_array() => {
                let Some(list) = at.as_array_mut() else { return };
                while list.len() <= index {
                    list.push(Value::Null);
                }
                &mut list[index]
            }
            _ => {
                if !at.is_object() {
                    *at = json!({});
                }
                &mut at[part]
            }
        };
    }
    *at = value;
}

/// A parameter that comes from a step's output.
pub fn later(step: &StepId, pointer: &str) -> Known {
    Known::Later(Input { step: step.clone(), pointer: pointer.to_owned() })
}

/// A stage's plan; lanes are dealt into waves.
pub fn stage_plan(decl: &StageDecl, resources: Vec<Resource>, lanes: Vec<Lane>) -> StagePlan {
    let waves = lanes.chunks(LANE_CONCURRENCY).map(|lanes| Wave { lanes: lanes.to_vec() }).collect();
    StagePlan {
        id: decl.id.clone(),
        kind: decl.kind.clone(),
        resources,
        waves,
        warnings: Vec::new(),
        confirm: false,
        blocked_by: Vec::new(),
        way_back: String::new(),
    }
}

impl Planning<'_> {
    /// Notes a finding; the same one twice counts once. One that must be repaired blocks the stage being planned.
    pub fn raise(&mut self, kind: &FindingKind, seen: Seen) {
        if kind.must_repair {
            self.block(kind.id.to_owned());
        }
        let finding = kind.finding(seen);
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// Whether a check has found that this service cannot be changed as the runbook has it; then that blocks the stage being planned.
    pub fn is_hindered(&mut self, service: &str) -> bool {
        let hindering = self.findings.iter().filter(|finding| finding.must_repair && finding.resource == service);
        let ids: Vec<String> = hindering.map(|finding| finding.id.clone()).collect();
        let any = !ids.is_empty();
        ids.into_iter().for_each(|id| self.block(id));
        any
    }

    fn block(&mut self, id: String) {
        if !self.blocking.contains(&id) {
            self.blocking.push(id);
        }
    }
}

/// Reads a stage's body as its settings.
///
/// # Errors
/// Every problem of the body, each placed at the member that is wrong.
pub fn settings<T: DeserializeOwned>(decl: &StageDecl) -> Result<T, Vec<Problem>> {
    let mut body = decl.body.clone();
    if let Some(members) = body.as_object_mut() {
        for member in COMMON {
            members.remove(member);
        }
    }
    let mut problems = Vec::new();
    let mut mended = BTreeSet::new();
    loop {
        let error = match serde_path_to_error::deserialize::<_, T>(body.clone()) {
            Ok(settings) if problems.is_empty() => return Ok(settings),
            Ok(_) => return Err(problems),
            Err(error) => error,
        };
        let (mut pointer, message) = (pointer_of(error.path()), error.inner().to_string());
        if let Some(field) = quoted_after(&message, "missing field `") {
            pointer = format!("{pointer}/{field}");
        }
        // A member that was mended before is a problem already told.
        if !mended.contains(&pointer) {
            let words = format!("stage `{}`: {}", decl.id, in_words(&pointer, &message));
            problems.push(match message.starts_with("unknown field") {
                true => decl.problem_at_name(&pointer, words, None),
                false => decl.problem_at(&pointer, words, None),
            });
        }
        // Reading stops at the first problem: put something fitting there and read on, to find them all.
        if !mend(&mut body, &pointer, &message) || !mended.insert(format!("{pointer} {message}")) {
            return Err(problems);
        }
        mended.insert(pointer);
    }
}

fn pointer_of(path: &serde_path_to_error::Path) -> String {
    path.iter()
        .map(|segment| match segment {
            serde_path_to_error::Segment::Map { key } => format!("/{key}"),
            serde_path_to_error::Segment::Seq { index } => format!("/{index}"),
            _ => String::new(),
        })
        .collect()
}

fn quoted_after<'a>(message: &'a str, before: &str) -> Option<&'a str> {
    message.strip_prefix(before)?.split('`').next()
}

/// The deserialiser's message as this program speaks; one that it does not know is passed on.
fn in_words(pointer: &str, message: &str) -> String {
    let member = pointer.rsplit('/').next().unwrap_or_default();
    if let Some(field) = quoted_after(message, "missing field `") {
        return format!("`{field}` is missing");
    }
    if let Some((field, known)) = message.strip_prefix("unknown field `").and_then(|rest| rest.split_once("`, expected ")) {
        return format!("`{field}` is not known here; known: {}", known.trim_start_matches("one of "));
    }
    if let Some((variant, known)) = message.strip_prefix("unknown variant `").and_then(|rest| rest.split_once("`, expected ")) {
        return format!("`{member}` wants {known}, not `{variant}`");
    }
    let found = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    let Some((found, expected)) = found.and_then(|rest| rest.rsplit_once(", expected ")) else { return message.to_owned() };
    let wants = match expected {
        "a string" => "a text",
        "a sequence" => "a list",
        "a boolean" => "true or false",
        "u16" => "a whole number from 0 to 65535",
        "u64" => "a whole number from 0",
        "f64" => "a number",
        struct_ if struct_.starts_with("struct ") => "a block",
        other => other,
    };
    // As serde has it: string "x", integer `1`, floating point `1.5`, boolean `true`, null, sequence, map.
    let found = match (found.strip_prefix("string "), found.split_once('`')) {
        (Some(text), _) => text.to_owned(),
        (None, Some((_, quoted))) => quoted.trim_end_matches('`').to_owned(),
        (None, None) => match found {
            "null" | "Option value" | "unit value" => "nothing".to_owned(),
            "sequence" => "a list".to_owned(),
            other => format!("a {other}"),
        },
    };
    format!("`{member}` wants {wants}, not {found}")
}

/// Makes the member at `pointer` one that reads, going by what was wrong with it; `false` when nothing is known to fit.
fn mend(body: &mut Value, pointer: &str, message: &str) -> bool {
    if message.starts_with("unknown field") {
        let Some((parent, field)) = pointer.rsplit_once('/') else { return false };
        let members = body.pointer_mut(parent).and_then(Value::as_object_mut);
        return members.is_some_and(|members| members.remove(field).is_some());
    }
    let expected = message.rsplit("expected ").next().unwrap_or_default();
    let fitting = match expected {
        // What type it has shows when null does not fit.
        _ if message.starts_with("missing field") => Value::Null,
        _ if message.contains("is not a duration") => json!("1m"),
        _ if message.contains(NO_PORT) => json!(1),
        "a string" => json!("x"),
        "a sequence" => json!([]),
        "a map" => json!({}),
        "a boolean" => json!(true),
        "u16" | "u64" => json!(1),
        struct_ if struct_.starts_with("struct ") => json!({}),
        _ => return false,
    };
    place(body, pointer, fitting);
    true
}

/// Reads settings for planning: the block has been checked, so a failure is a mistake of ours and yields the default.
pub fn checked<T: DeserializeOwned + Default>(decl: &StageDecl) -> T {
    settings(decl).unwrap_or_default()
}

/// A duration in a runbook: `"90s"`, `"30m"`, `"2h"`, or a number of seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seconds(pub u64);

/// How long a rollout may take when the runbook does not say.
pub fn usual_rollout() -> Seconds {
    Seconds(30 * 60)
}

impl<'de> serde::Deserialize<'de> for Seconds {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let text = match &value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        seconds(&text)
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom(format!("{value} is not a duration; write for example \"30m\"")))
    }
}

/// `90`, `90s`, `30m`, `2h` as seconds.
fn seconds(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, unit) = match text.char_indices().find(|(_, letter)| !letter.is_ascii_digit()) {
        Some((at, _)) => text.split_at(at),
        None => (text, "s"),
    };
    let number: u64 = number.parse().ok()?;
    let scale = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    number.checked_mul(scale).filter(|seconds| *seconds > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_told_as_the_runbook_writes_it() {
        #[derive(Debug, serde::Deserialize)]
        #[allow(dead_code, reason = "only read by the deserialiser")]
        enum Word {
            #[serde(rename = "one")]
            One,
            #[serde(rename = "two")]
            Two,
        }
        fn said<T: DeserializeOwned + std::fmt::Debug>(value: Value) -> String {
            let shown = serde_json::from_value::<T>(value).expect_err("it does not fit").to_string();
            in_words("/member", &shown)
        }
        assert_eq!(said::<u64>(json!(1.5)), "`member` wants a whole number from 0, not 1.5");
        assert_eq!(said::<u64>(json!(-1)), "`member` wants a whole number from 0, not -1");
        assert_eq!(said::<u64>(json!("a `quoted` week")), "`member` wants a whole number from 0, not \"a `quoted` week\"");
        assert_eq!(said::<u16>(json!(70_000)), "`member` wants a whole number from 0 to 65535, not 70000");
        assert_eq!(said::<u64>(json!(true)), "`member` wants a whole number from 0, not true");
        assert_eq!(said::<u64>(json!(null)), "`member` wants a whole number from 0, not nothing");
        assert_eq!(said::<u64>(json!([1])), "`member` wants a whole number from 0, not a list");
        assert_eq!(said::<f64>(json!("x")), "`member` wants a number, not \"x\"");
        assert_eq!(said::<bool>(json!(2.5)), "`member` wants true or false, not 2.5");
        assert_eq!(said::<String>(json!({})), "`member` wants a text, not a map");
        assert_eq!(said::<String>(json!(0.25)), "`member` wants a text, not 0.25");
        assert_eq!(said::<Vec<String>>(json!("x")), "`member` wants a list, not \"x\"");
        assert_eq!(said::<BTreeMap<String, String>>(json!("x")), "`member` wants a map, not \"x\"");
        assert_eq!(said::<Word>(json!("three")), "`member` wants `one` or `two`, not `three`");
    }

    #[test]
    fn a_block_tells_all_that_is_wrong_with_it_at_once() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        #[allow(dead_code, reason = "only read by the deserialiser")]
        struct Settings {
            name: String,
            days: u64,
            ports: Vec<crate::stages::port::Port>,
            within: Seconds,
        }
        let decl = StageDecl {
            id: crate::model::StageId::new("one"),
            kind: "k".to_owned(),
            span: crate::model::SourceSpan {
                file: std::sync::Arc::new(crate::model::SourceFile { path: "f".to_owned(), text: String::new() }),
                range: 0..0,
            },
            body: json!({ "days": "a week", "ports": [80, -1], "colour": "red", "within": "soon", "confirm": true }),
            spans: BTreeMap::new(),
            name_spans: BTreeMap::new(),
            variables: BTreeMap::new(),
        };
        let problems = settings::<Settings>(&decl).expect_err("much is wrong");
        let mut messages: Vec<_> = problems.iter().map(|problem| problem.message.as_str()).collect();
        messages.sort_unstable();
        assert_eq!(
            messages,
            [
                "stage `one`: \"soon\" is not a duration; write for example \"30m\"",
                "stage `one`: -1 is not a port from 1 to 65535; write for example 4317, or \"2000/udp\"",
                "stage `one`: `colour` is not known here; known: `name`, `days`, `ports`, `within`",
                "stage `one`: `days` wants a whole number from 0, not \"a week\"",
                "stage `one`: `name` is missing",
            ]
        );
    }

    #[test]
    fn durations_read_as_people_write_them() {
        assert_eq!(seconds("30m"), Some(1800));
        assert_eq!(seconds("90"), Some(90));
        assert_eq!(seconds("2h"), Some(7200));
        assert_eq!(seconds("soon"), None);
        assert_eq!(seconds("0s"), None);
        assert_eq!(seconds("99999999999999999999m"), None);
    }

    #[test]
    fn values_are_placed_by_pointer() {
        let mut value = json!({ "set": { "serviceRegistries": [{ "containerName": "x" }] } });
        place(&mut value, "/set/serviceRegistries/0/registryArn", json!("arn"));
        place(&mut value, "/want/taskDefinition", json!("f:1"));
        assert_eq!(
            value,
            json!({ "set": { "serviceRegistries": [{ "containerName": "x", "registryArn": "arn" }] }, "want": { "taskDefinition": "f:1" } })
        );
    }
}
