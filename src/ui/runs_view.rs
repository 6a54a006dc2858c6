//! The list of runs, newest first as given.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::model::{Holder, RunId, RunStatus, Target};

use super::lines::who;
use super::plan_json;
use super::status_view::{code, ended_word};
use super::style::Style;
use super::text::{self, Column};

/// A run in the list.
#[derive(Clone, Debug, Serialize)]
pub struct RunRow {
    /// Its id.
    pub id: RunId,
    /// Its runbook's name.
    pub runbook: String,
    /// What it is bound to.
    pub target: Target,
    /// Where it stands.
    #[serde(skip)]
    pub status: RunStatus,
    /// When it began.
    pub started: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// The process that holds it right now.
    #[serde(rename = "heldBy", skip_serializing_if = "Option::is_none")]
    pub live: Option<Holder>,
}

impl RunRow {
    fn word(&self) -> &'static str {
        match (self.status, &self.live) {
            (RunStatus::Open, Some(_)) => "running",
            (status, _) => ended_word(status),
        }
    }
}

/// A table; where it does not fit the width, two lines per run. `state_dir` is the absolute path that was searched.
pub fn render(rows: &[RunRow], state_dir: &str, style: &Style) -> String {
    if rows.is_empty() {
        return format!("no runs in {state_dir}");
    }
    let mut table = vec![["RUN", "STATUS", "ENVIRONMENT", "ACCOUNT", "REGION", "RUNBOOK", "STARTED"].map(str::to_owned).to_vec()];
    table.extend(rows.iter().map(cells));
    let whole = text::table(&table, &[Column::Left; 7], 0);
    if whole.lines().all(|line| line.chars().count() <= style.width) {
        return whole;
    }
    rows.iter().map(narrow).collect::<Vec<_>>().join("\n")
}

fn cells(row: &RunRow) -> Vec<String> {
    let held = row.live.as_ref().map(|holder| format!(" ({})", who(&holder.actor))).unwrap_or_default();
    vec![
        row.id.to_string(),
        format!("{}{held}", row.word()),
        text::clean(&row.target.environment),
        row.target.account.clone(),
        row.target.region.clone(),
        text::clean(&row.runbook),
        text::time(row.started),
    ]
}

fn narrow(row: &RunRow) -> String {
    let [id, status, environment, account, region, runbook, started] = cells(row).try_into().unwrap_or_default();
    format!("{id}  {status}  {started}\n      {environment}, {account}, {region}: {runbook}")
}

/// The same for programs: `{"format": "sidestep-runs", "version": 1, "runs": […]}`; members are only ever added.
pub fn json(rows: &[RunRow]) -> Value {
    let runs: Vec<Value> = rows
        .iter()
        .map(|row| {
            let mut value = json!(row);
            value["status"] = json!(code(row.word()));
            value["target"] = plan_json::target(&row.target);
            value
        })
        .collect();
    json!({ "format": "sidestep-runs", "version": 1, "runs": runs })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::fixtures;

    fn rows() -> Vec<RunRow> {
        let row = |id: &str, status, live| RunRow {
            id: RunId::new(id),
            runbook: "jaeger-sidecar-to-shared".to_owned(),
            target: fixtures::target(),
            status,
            started: fixtures::start(),
            updated: fixtures::start(),
            live,
        };
        vec![
            row("r7k2", RunStatus::Open, Some(fixtures::holder(1))),
            row("m4xd", RunStatus::Open, None),
            row("a2bc", RunStatus::RolledBack, None),
        ]
    }

    #[test]
    fn a_table_when_it_fits() {
        let style = Style { width: 132, ..Style::plain() };
        insta::assert_snapshot!(render(&rows(), "/srv/state", &style), @r#"
        RUN   STATUS                   ENVIRONMENT  ACCOUNT       REGION     RUNBOOK                   STARTED
        r7k2  running (alice@bastion)  staging      111122223333  us-west-2  jaeger-sidecar-to-shared  2026-01-02 03:04:05Z
        m4xd  unfinished               staging      111122223333  us-west-2  jaeger-sidecar-to-shared  2026-01-02 03:04:05Z
        a2bc  rolled back              staging      111122223333  us-west-2  jaeger-sidecar-to-shared  2026-01-02 03:04:05Z
        "#);
    }

    #[test]
    fn two_lines_each_when_narrow() {
        let style = Style { width: 60, ..Style::plain() };
        insta::assert_snapshot!(render(&rows(), "/srv/state", &style), @r#"
        r7k2  running (alice@bastion)  2026-01-02 03:04:05Z
              staging, 111122223333, us-west-2: jaeger-sidecar-to-shared
        m4xd  unfinished  2026-01-02 03:04:05Z
              staging, 111122223333, us-west-2: jaeger-sidecar-to-shared
        a2bc  rolled back  2026-01-02 03:04:05Z
              staging, 111122223333, us-west-2: jaeger-sidecar-to-shared
        "#);
    }

    #[test]
    fn none_names_the_place() {
        assert_eq!(render(&[], "/srv/state", &Style::plain()), "no runs in /srv/state");
    }

    #[test]
    fn json_tells_who_holds_it() {
        let value = json(&rows());
        insta::assert_snapshot!(serde_json::to_string_pretty(&value["runs"][0]).expect("JSON"), @r#"
        {
          "heldBy": {
            "actor": {
              "host": "bastion",
              "user": "alice"
            },
            "fence": 1,
            "pid": 4711
          },
          "id": "r7k2",
          "runbook": "jaeger-sidecar-to-shared",
          "started": "2026-01-02T03:04:05Z",
          "status": "running",
          "target": {
            "account": "111122223333",
            "cluster": "nexus-ai-cluster-staging",
            "environment": "staging",
            "identity": "arn:aws:sts::111122223333:assumed-role/deployer/alice",
            "region": "us-west-2",
            "services": [
              "nexus-ai-api-staging"
            ]
          },
          "updated": "2026-01-02T03:04:05Z"
        }
        "#);
        assert_eq!(value["format"], "sidestep-runs");
        assert_eq!(value["version"], 1);
        assert_eq!(value["runs"][1]["status"], "unfinished");
        assert!(value["runs"][1].get("heldBy").is_none());
    }
}
