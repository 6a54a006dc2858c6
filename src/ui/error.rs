//! What ended a command, as text:
//!
//! ```text
//! error: what happened                    (paused: …, when a run was asked to pause: that is no error)
//!   Caused by: …
//!
//! state: where the run stands
//! meanwhile: what AWS goes on doing
//! hint: the exact next command
//! ```
//!
//! Lines are not wrapped: hints are there to be copied, and a log is searched by line.

use crate::model::{Error, Finding, Problem};

use super::plan_view::CANNOT_BE_ACCEPTED;
use super::style::{Style, Tone};
use super::{remains_view, text};

/// The whole message, without a newline at its end. `problems` gives the text of one problem with its source lines.
pub fn render(error: &Error, problems: &dyn Fn(&Problem) -> String, style: &Style) -> String {
    let mut lines = vec![headline(error, style)];
    lines.extend(error.causes().iter().map(|cause| format!("  Caused by: {}", text::clean(cause))));
    match error {
        Error::RunbookInvalid { problems: all } => {
            for problem in all {
                lines.push(String::new());
                lines.push(problems(problem).trim_end().to_owned());
            }
        }
        Error::Blocked { findings } => {
            for finding in findings {
                lines.push(String::new());
                lines.extend(blocker(finding));
            }
        }
        Error::Stuck { remains, .. } if !remains.is_empty() => {
            lines.push(String::new());
            lines.push("Left in AWS:".to_owned());
            lines.extend(remains.iter().flat_map(remains_view::lines));
        }
        _ => {}
    }
    let after = advice(error, style);
    if !after.is_empty() {
        lines.push(String::new());
        lines.extend(after);
    }
    lines.join("\n")
}

/// A run that pauses does what it was asked to do.
fn headline(error: &Error, style: &Style) -> String {
    let words = text::clean(&error.to_string());
    match error {
        Error::Paused { .. } => {
            format!("{} {}", style.paint(Tone::Warn, "paused:"), words.strip_prefix("paused: ").unwrap_or(&words))
        }
        _ => format!("{} {words}", style.paint(Tone::Bad, "error:")),
    }
}

fn blocker(finding: &Finding) -> Vec<String> {
    let mut lines = vec![
        format!("  {}: {}", finding.id, text::clean(&finding.resource)),
        format!("    found:       {}", text::clean(&finding.found)),
        format!("    consequence: {}", text::clean(&finding.consequence)),
        format!("    fix:         {}", text::clean(&finding.fix)),
    ];
    if finding.must_repair {
        lines.push(format!("    --accept:    {CANNOT_BE_ACCEPTED}"));
    }
    lines
}

/// Where it stands, what goes on by itself, and what to do.
fn advice(error: &Error, style: &Style) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(at) = error.state() {
        if !at.state.is_empty() {
            lines.push(format!("{} {}", style.paint(Tone::Strong, "state:"), text::clean(&at.state)));
        }
        if let Some(meanwhile) = &at.meanwhile {
            lines.push(format!("{} {}", style.paint(Tone::Strong, "meanwhile:"), text::clean(meanwhile)));
        }
    }
    lines.extend(error.hints().iter().map(|hint| format!("{} {}", style.paint(Tone::Strong, "hint:"), text::clean(hint))));
    lines
}

#[cfg(test)]
mod tests;
