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
    /// Where it stands, as options take it: `rolled-back`.
    pub fn status_code(&self) -> String {
        code(self.word())
    }

    fn word(&self) -> &'static str {
        match (self.status, &self.live) {
            (RunStatus::Open, Some(_)) => "running",
            (status, _) => ended_word(status),
        }
    }
}

/// What kept runs out of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Excluded {
    /// The option, as it was given: `--status stuck`.
    pub by: String,
    /// How many runs it kept out that those before it let through.
    pub runs: usize,
}

/// The words for where a run stands, as a list has them and as options take them.
pub fn statuses() -> Vec<String> {
    use RunStatus as S;
    let others = [S::Open, S::Held, S::Stopped, S::Stuck, S::Done, S::RolledBack, S::Abandoned];
    std::iter::once("running".to_owned()).chain(others.into_iter().map(|status| code(ended_word(status)))).collect()
}

/// A table; where it does not fit the width, two lines per run. `state_dir` is the absolute path that was searched, `excluded` what
/// was kept out of `rows`.
pub fn render(rows: &[RunRow], excluded: &[Excluded], state_dir: &str, style: &Style) -> String {
    let kept_out: usize = excluded.iter().map(|excluded| excluded.runs).sum();
    let by = || {
        let told = excluded.iter().filter(|excluded| excluded.runs > 0);
        told.map(|excluded| format!("{} keeps out {}", text::clean(&excluded.by), excluded.runs)).collect::<Vec<_>>().join(", ")
    };
    match (rows.is_empty(), kept_out) {
        (true, 0) => format!("no runs in {state_dir}"),
        (true, all) => format!("no run of the {all} in {state_dir} fits: {}", by()),
        (false, 0) => table(rows, style),
        (false, _) => format!("{}\n\n{}", table(rows, style), text::wrap(&format!("not shown: {}", by()), style.width, "", 2)),
    }
}

fn table(rows: &[RunRow], style: &Style) -> String {
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

/// The same for programs: `{"format": "sidestep-runs", "version": 1, "runs": […], "excluded": […]}`; members are only ever added.
pub fn json(rows: &[RunRow], excluded: &[Excluded]) -> Value {
    let runs: Vec<Value> = rows
        .iter()
        .map(|row| {
            let mut value = json!(row);
            value["status"] = json!(code(row.word()));
            value["target"] = plan_json::target(&row.target);
            value
        })
        .collect();
    json!({ "format": "sidestep-runs", "version": 1, "runs": runs, "excluded": excluded })
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
        insta::assert_snapshot!(render(&rows(), &[], "/srv/state", &style), @r#"
        RUN   STATUS                   ENVIRONMENT  ACCOUNT       REGION     RUNBOOK                   STARTED
        r7k2  running (alice@bastion)  staging      111122223333  us-west-2  jaeger-sidecar-to-shared  2026-01-02 03:04:05Z
        m4xd  unfinished               staging      111122223333  us-west-2  jaeger-sidecar-to-shared  2026-01-02 03:04:05Z
        a2bc  rolled back              staging      111122223333  us-west-2  jaeger-sidecar-to-shared  2026-01-02 03:04:05Z
        "#);
    }

    #[test]
    fn two_lines_each_when_narrow() {
        let style = Style { width: 60, ..Style::plain() };
        insta::assert_snapshot!(render(&rows(), &[], "/srv/state", &style), @r#"
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
        assert_eq!(render(&[], &[], "/srv/state", &Style::plain()), "no runs in /srv/state");
    }

    #[test]
    fn what_was_kept_out_is_told_with_the_option_that_did() {
        let by = |by: &str, runs| Excluded { by: by.to_owned(), runs };
        let excluded = [by("--status stuck", 2), by("--environment prod", 0), by("--since 7d", 1)];
        insta::assert_snapshot!(render(&[], &excluded, "/srv/state", &Style::plain()), @"no run of the 3 in /srv/state fits: --status stuck keeps out 2, --since 7d keeps out 1");
        let shown = render(&rows()[..1], &[by("--limit 1", 2)], "/srv/state", &Style::plain());
        assert!(shown.ends_with("\n\nnot shown: --limit 1 keeps out 2"), "{shown}");
        assert_eq!(json(&[], &excluded)["excluded"][0], serde_json::json!({ "by": "--status stuck", "runs": 2 }));
    }

    #[test]
    fn json_tells_who_holds_it() {
        let value = json(&rows(), &[]);
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
