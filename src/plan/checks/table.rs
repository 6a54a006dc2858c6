//! The table of all findings, for the documentation.

use super::THEMES;
use crate::model::Severity;
use crate::stages::findings::{self, FindingKind};

/// Every sort of finding under its theme, in order.
pub fn catalogue() -> Vec<(&'static str, Vec<&'static FindingKind>)> {
    let mut all: Vec<(&'static str, Vec<&'static FindingKind>)> =
        THEMES.iter().map(|theme| (theme.name, theme.checks.iter().map(|check| &check.kind).collect())).collect();
    all.push(("While the stages are planned", findings::ALL.to_vec()));
    all
}

/// The same in Markdown.
pub fn table() -> String {
    let mut lines = Vec::new();
    for (theme, kinds) in catalogue() {
        lines.extend([
            format!("## {theme}"),
            String::new(),
            "| id | severity | appears when |".to_owned(),
            "| --- | --- | --- |".to_owned(),
        ]);
        for kind in kinds {
            let severity = match (kind.severity, kind.must_repair) {
                (Severity::Blocker, true) => "blocker, to be repaired",
                (Severity::Blocker, false) => "blocker",
                (Severity::Warning, _) => "warning",
                (Severity::Note, _) => "note",
            };
            lines.push(format!("| `{}` | {severity} | {} |", kind.id, kind.about));
        }
        lines.push(String::new());
    }
    lines.join("\n")
}
