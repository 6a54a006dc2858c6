//! A plan as the operator reads it before agreeing: where it applies, what was noticed, each stage with its resources, changes and
//! steps, what cannot be undone, and a line of counts.
//!
//! Signs: `+` create, `~` update, `a` adopt (somebody else's, kept on rollback), `=` already so, `-` remove, `!` foreign.

use serde_json::Value;

use crate::model::{Change, Direction, Disposition, Finding, Outlook, Plan, Resource, Severity, StagePlan, StepClass, StepPlan};

use super::style::{Style, Tone};
use super::text;

pub use super::plan_json::json;

/// Why `--accept` does not take a finding.
pub(super) const CANNOT_BE_ACCEPTED: &str = "not possible: because of it a part of the plan is missing";

/// The whole plan, without a newline at its end.
pub fn render(plan: &Plan, style: &Style) -> String {
    let mut parts = vec![header(plan, style)];
    if !plan.findings.is_empty() {
        parts.push(findings(&plan.findings, style));
    }
    for number in 1..=plan.stages.len() {
        parts.push(stage(plan, number, style));
    }
    if plan.outlook.seconds > 0 && !plan.is_empty() {
        parts.push(outlook(plan, style));
    }
    parts.push(verdict(plan, style));
    parts.join("\n\n")
}

fn header(plan: &Plan, style: &Style) -> String {
    let what = match plan.direction {
        Direction::Forward => "Plan of run",
        Direction::Back => "Rollback plan of run",
    };
    let mut lines = vec![style.paint(Tone::Strong, &format!("{what} {}: {}", plan.run, plan.runbook)), String::new()];
    lines.push(place(plan, style));
    lines.join("\n")
}

/// Where a plan applies and as whom: the lines every question shows, too.
pub fn place(plan: &Plan, style: &Style) -> String {
    let target = &plan.target;
    let mut rows = vec![
        ("environment", target.environment.clone()),
        ("account", target.account.clone()),
        ("Region", target.region.clone()),
        ("identity", target.identity.clone()),
        ("cluster", target.cluster.clone()),
        ("services", target.services.join(", ")),
    ];
    if let Some(endpoint) = &target.endpoint {
        rows.push(("endpoint", endpoint.clone()));
    }
    // A plan that does nothing touches no service.
    rows.retain(|(_, value)| !value.is_empty());
    let line =
        |(name, value): (&str, String)| text::wrap(&text::clean(&value), style.width, &format!("  {}  ", text::pad(name, 11)), 15);
    rows.into_iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Findings, the worst first.
pub fn findings(all: &[Finding], style: &Style) -> String {
    // The worst first: it is what the operator must act on. The order among equals is the plan's.
    let mut findings: Vec<&Finding> = all.iter().collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let mut lines = vec![style.paint(Tone::Strong, "Findings")];
    for each in findings {
        lines.push(String::new());
        lines.push(finding(each, style));
    }
    lines.join("\n")
}

fn finding(finding: &Finding, style: &Style) -> String {
    let (word, tone) = match finding.severity {
        Severity::Blocker => ("blocker", Tone::Bad),
        Severity::Warning => ("warning", Tone::Warn),
        Severity::Note => ("note", Tone::Faint),
    };
    let head = format!("{} {}:", style.paint(tone, word), finding.id);
    let mut lines = vec![text::wrap(&format!("{head} {}", text::clean(&finding.resource)), style.width, "  ", 4)];
    for (name, value) in [("found", &finding.found), ("consequence", &finding.consequence), ("fix", &finding.fix)] {
        let first = format!("    {}  ", text::pad(name, 11));
        lines.push(text::wrap(&text::clean(value), style.width, &first, 17));
    }
    if finding.must_repair {
        let first = format!("    {}  ", text::pad("--accept", 11));
        lines.push(text::wrap(CANNOT_BE_ACCEPTED, style.width, &first, 17));
    }
    lines.join("\n")
}

fn stage(plan: &Plan, number: usize, style: &Style) -> String {
    let stage = &plan.stages[number - 1];
    let mut head = style.paint(Tone::Strong, &format!("Stage {number}/{} {}", plan.stages.len(), stage.id));
    if !stage.blocked_by.is_empty() {
        head.push_str(&format!("  {}", style.paint(Tone::Bad, &format!("(blocked by {})", stage.blocked_by.join(", ")))));
    } else if stage.waves.is_empty() {
        head.push_str("  (nothing to do)");
    } else if stage.confirm {
        head.push_str("  (asks again before it starts)");
    }
    let mut lines = vec![head];
    lines.extend(changes(stage, style));
    for warning in &stage.warnings {
        let first = format!("  {} ", style.paint(Tone::Warn, "warning:"));
        lines.push(text::wrap(&text::clean(warning), style.width, &first, 4));
    }
    lines.extend(steps(stage, style));
    if !stage.way_back.is_empty() {
        let first = format!("    {}  ", style.paint(Tone::Faint, "undo  "));
        lines.push(text::wrap(&text::clean(&stage.way_back), style.width, &first, 12));
    }
    lines.join("\n")
}

/// What becomes of a stage's resources, member by member: the lines that the question before the stage shows, too.
pub fn changes(stage: &StagePlan, style: &Style) -> Vec<String> {
    stage.resources.iter().map(|each| resource(each, style)).collect()
}

fn resource(resource: &Resource, style: &Style) -> String {
    let (sign, tone, word) = match resource.disposition {
        Disposition::Create => ("+", Tone::Good, ""),
        Disposition::Update => ("~", Tone::Warn, ""),
        Disposition::Adopt => ("a", Tone::Warn, "  (adopted: it was there, and stays on rollback)"),
        Disposition::AlreadySo => ("=", Tone::Faint, "  (already so)"),
        Disposition::Foreign => ("!", Tone::Bad, "  (foreign: it is not what is wanted, and not ours to change)"),
        Disposition::Delete => ("-", Tone::Bad, ""),
    };
    let head = format!("{} {}{word}", resource.kind, text::clean(&resource.name));
    let mut lines = vec![text::wrap(&head, style.width, &format!("  {} ", style.paint(tone, sign)), 6)];
    let hidden = if resource.disposition == Disposition::Create { "set" } else { "changed" };
    lines.extend(resource.changes.iter().map(|each| change(each, hidden, style)));
    lines.join("\n")
}

/// One member; `hidden` is what is said where the values are not to be shown.
fn change(change: &Change, hidden: &str, style: &Style) -> String {
    let path = text::clean(&change.path);
    let to = change.to.as_ref().map_or("(removed)".to_owned(), value);
    let Some(from) = &change.from else {
        // Neither before nor after: the values are not to be shown.
        let to = if change.to.is_some() { to } else { hidden.to_owned() };
        return text::wrap(&format!("{path}: {to}"), style.width, "      ", 8);
    };
    let (from, arrow) = (value(from), style.arrow());
    let one = format!("      {path}: {from} {arrow} {to}");
    if one.chars().count() <= style.width {
        return one;
    }
    let hang = 9 + arrow.chars().count();
    let before = text::wrap(&from, style.width, &format!("        {} ", " ".repeat(arrow.chars().count())), hang);
    let after = text::wrap(&to, style.width, &format!("        {arrow} "), hang);
    format!("      {path}:\n{before}\n{after}")
}

fn value(value: &Value) -> String {
    text::clean(&value.to_string())
}

/// The steps of a stage; lanes and waves are named where there is more than one.
fn steps(stage: &StagePlan, style: &Style) -> Vec<String> {
    let lanes: usize = stage.waves.iter().map(|wave| wave.lanes.len()).sum();
    let mut lines = Vec::new();
    for (number, wave) in stage.waves.iter().enumerate() {
        if stage.waves.len() > 1 {
            lines.push(format!("    wave {} of {}", number + 1, stage.waves.len()));
        }
        for lane in &wave.lanes {
            if lanes > 1 {
                lines.push(format!("    lane {}", text::clean(&lane.target)));
            }
            let indent = if lanes > 1 { 6 } else { 4 };
            lines.extend(lane.steps.iter().map(|each| step(each, indent, style)));
        }
    }
    lines
}

/// `change` marks what changes AWS; the rest only reads.
fn step(step: &StepPlan, indent: usize, style: &Style) -> String {
    let class = match step.class {
        StepClass::Mutation => style.paint(Tone::Warn, "change"),
        StepClass::Wait | StepClass::Verify => style.paint(Tone::Faint, "read  "),
    };
    let limit =
        step.deadline_s.map(|seconds| format!(" {}", text::glue(&format!("(up to {})", text::limit(seconds))))).unwrap_or_default();
    let first = format!("{}{class}  ", " ".repeat(indent));
    text::wrap(&format!("{}{}", text::clean(&step.title), limit), style.width, &first, indent + 8)
}

/// What carrying it out takes.
fn outlook(plan: &Plan, style: &Style) -> String {
    let Outlook { seconds, calls, capacity, .. } = &plan.outlook;
    let takes = format!("about {} min and {calls} AWS calls, where nothing is in the way", seconds.div_ceil(60));
    let mut lines = vec![style.paint(Tone::Strong, "Outlook"), text::wrap(&takes, style.width, "  takes     ", 12)];
    for line in capacity {
        let line = text::clean(line);
        let (word, rest) = line.split_once(": ").unwrap_or(("", &line));
        lines.push(text::wrap(rest, style.width, &format!("  {}", text::pad(word, 10)), 12));
    }
    if let Some(url) = plan.closing.get("ui_url").and_then(Value::as_str) {
        lines.push(text::wrap(&text::clean(url), style.width, "  UI        ", 12));
    }
    lines.join("\n")
}

/// What becomes of how many resources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) create: usize,
    pub(super) change: usize,
    pub(super) remove: usize,
    pub(super) adopt: usize,
    pub(super) already: usize,
    pub(super) foreign: usize,
}

impl Counts {
    pub(super) fn of(plan: &Plan) -> Self {
        let mut counts = Self::default();
        for resource in plan.stages.iter().flat_map(|stage| &stage.resources) {
            *match resource.disposition {
                Disposition::Create => &mut counts.create,
                Disposition::Update => &mut counts.change,
                Disposition::Delete => &mut counts.remove,
                Disposition::Adopt => &mut counts.adopt,
                Disposition::AlreadySo => &mut counts.already,
                Disposition::Foreign => &mut counts.foreign,
            } += 1;
        }
        counts
    }
}

/// The counts, the digest, and whether it can be run.
fn verdict(plan: &Plan, style: &Style) -> String {
    let counts = Counts::of(plan);
    let mut line = format!("Plan: {} to create, {} to change, {} to remove", counts.create, counts.change, counts.remove);
    for (n, word) in [(counts.adopt, "adopted"), (counts.foreign, "foreign")] {
        if n > 0 {
            line.push_str(&format!(", {n} {word}"));
        }
    }
    line.push_str(&format!(", {} already so.", counts.already));
    if plan.is_empty() {
        line = match plan.direction {
            Direction::Forward if plan.findings.iter().any(|finding| finding.must_repair) => {
                format!("Nothing can be done: {} foreign, {} already so.", counts.foreign, counts.already)
            }
            Direction::Forward => format!("Nothing to do: {} already so.", counts.already),
            Direction::Back => "Nothing to undo: the run changed nothing that still stands.".to_owned(),
        };
    }
    let mut lines = vec![style.paint(Tone::Strong, &line)];
    let blockers = plan.blockers(&[]).count();
    if blockers > 0 {
        let what = text::count(blockers, "finding blocks this plan", "findings block this plan");
        lines.push(style.paint(Tone::Bad, &format!("Blocked: {what}.")));
    }
    let digest = plan.digest();
    lines.push(format!("Digest: {}", digest.get(..16).unwrap_or(&digest)));
    lines.join("\n")
}

#[cfg(test)]
mod tests;
