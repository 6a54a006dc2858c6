//! Stage kind `log_group`: a CloudWatch log group with a retention.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::facts::{Facts, Wants};
use super::kind::{LaneBuilder, Planning, StageKind, checked, settings, stage_plan};
use super::permits;
use super::subject::Subject;
use crate::model::{Change, Disposition, Problem, Resource, StageDecl, StagePlan, StepClass};

/// See the module's text.
pub struct LogGroup;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    name: String,
    #[serde(default = "a_week")]
    retention_in_days: u64,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

fn a_week() -> u64 {
    7
}

/// What PutRetentionPolicy takes.
const RETENTIONS: &[u64] =
    &[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

impl StageKind for LogGroup {
    fn kind(&self) -> &'static str {
        "log_group"
    }

    fn check(&self, decl: &StageDecl) -> Vec<Problem> {
        let settings: Settings = match settings(decl) {
            Ok(settings) => settings,
            Err(problems) => return problems,
        };
        let mut problems = Vec::new();
        if !RETENTIONS.contains(&settings.retention_in_days) {
            let nearest = RETENTIONS.iter().min_by_key(|days| days.abs_diff(settings.retention_in_days)).copied().unwrap_or(7);
            let message = format!("CloudWatch Logs does not keep logs for {} days", settings.retention_in_days);
            problems.push(decl.problem_at("/retention_in_days", message, Some(format!("the nearest it knows is {nearest}"))));
        }
        let valid = |letter: char| letter.is_ascii_alphanumeric() || ".-_/#".contains(letter);
        if settings.name.is_empty()
            || settings.name.len() > 512
            || !settings.name.chars().all(valid)
            || settings.name.starts_with("aws/")
        {
            let message = format!("`{}` cannot be a log group's name", settings.name);
            problems.push(decl.problem_at("/name", message, Some("letters, digits and . - _ / # only, 512 at most".to_owned())));
        }
        problems
    }

    fn wants(&self, decl: &StageDecl, wants: &mut Wants) {
        let name = checked::<Settings>(decl).name;
        permits::makes_log_group(wants, &name);
        wants.log_groups.insert(name);
    }

    fn subject<'a>(&self, _decl: &'a StageDecl, _facts: &Facts, _subject: &mut Subject<'a>) {}

    fn way_back(&self) -> &'static str {
        "deletes the log group if the run created it, with the log lines in it; else gives it its retention back"
    }

    fn plan(&self, decl: &StageDecl, planning: &mut Planning<'_>) -> StagePlan {
        let Settings { name, retention_in_days, tags } = checked(decl);
        planning.closing.insert("log_group".to_owned(), json!(name));
        let found = planning.facts.log_groups.get(&name);
        let mut lane = LaneBuilder::new(decl, &name);
        if found.is_none() {
            let title = format!("create log group {name}");
            lane.step(
                "create",
                "logs.create-log-group",
                StepClass::Mutation,
                title,
                json!({ "name": name, "tags": tags }),
                Vec::new(),
            );
        }
        let retention = found.map_or(&Value::Null, |group| &group["retentionInDays"]);
        if *retention != json!(retention_in_days) {
            let params = json!({ "name": name, "days": retention_in_days, "created": found.is_none() });
            lane.step(
                "retention",
                "logs.put-retention",
                StepClass::Mutation,
                format!("keep its logs {retention_in_days} days"),
                params,
                Vec::new(),
            );
        }
        let disposition = match found {
            None => Disposition::Create,
            Some(_) if *retention == json!(retention_in_days) => Disposition::AlreadySo,
            Some(_) => Disposition::Adopt,
        };
        let mut changes = Vec::new();
        if disposition != Disposition::AlreadySo {
            let from = (!retention.is_null()).then(|| retention.clone());
            changes.push(Change { path: "retentionInDays".to_owned(), from, to: Some(json!(retention_in_days)) });
        }
        let resource = Resource { kind: "log group".to_owned(), name, disposition, changes };
        stage_plan(decl, vec![resource], lane.build().into_iter().collect())
    }
}
