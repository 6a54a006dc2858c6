//! Text from a journal is anybody's: nothing of it may become markup, in any form.

use crate::model::{Actor, Adoption, Outcome, RecordBody};
use crate::ui::fixtures::{self, Story, id};

use super::stories::told;
use super::well_formed::problems;

/// What would do harm in Markdown, in HTML, or to a reader's eyes.
const HOSTILE: &str = "</td></table><script>alert(1)</script> \"><img src=x onerror='x'> | `a` ``b | ** [c](https://e.example/x) \
                       www.e.example &lt;b&gt; \u{202e}gnp\u{200b} \u{1b}[2J\u{7}\n# heading\n- item\n| a | b |\n\u{ffff}";

fn hostile() -> Story {
    let mut plan = fixtures::plan();
    let text = || HOSTILE.to_owned();
    plan.runbook = text();
    plan.target.environment = text();
    plan.target.cluster = text();
    plan.target.identity = text();
    plan.target.services = vec![text()];
    plan.outlook.capacity = vec![text()];
    plan.findings = fixtures::findings();
    for finding in &mut plan.findings {
        (finding.resource, finding.found, finding.consequence, finding.fix) = (text(), text(), text(), text());
    }
    for stage in &mut plan.stages {
        (stage.warnings, stage.way_back) = (vec![text()], text());
        for resource in &mut stage.resources {
            (resource.name, resource.kind) = (text(), text());
            for change in &mut resource.changes {
                (change.path, change.from, change.to) = (text(), Some(text().into()), Some(serde_json::json!([text()])));
            }
        }
    }
    let mallory = Actor { user: text(), host: text(), identity: Some(text()) };
    let held = id(&plan, 5, 0, "spans");
    plan.stages[4].waves[0].lanes[0].steps[3].title = text();
    let mut story = Story::of(plan.clone());
    story.then(0, RecordBody::FindingAccepted { finding: "span-port-closed".to_owned(), by: mallory.clone() });
    story.then(0, RecordBody::PauseAsked { by: mallory.clone(), how: text() });
    story.through(4);
    for name in ["register", "update", "rollout"] {
        story.does(1, &id(&plan, 5, 0, name));
    }
    story.then(0, fixtures::started(&held, 1));
    story.then(1, RecordBody::StepHeld { step: held.clone(), result: text(), why: text() });
    story.then(1, RecordBody::StepApproved { step: held, by: mallory.clone(), comment: text() });
    let failed = id(&plan, 6, 0, "register");
    story.then(0, fixtures::started(&failed, 1));
    let mut failure = fixtures::rollout_failure();
    (failure.message, failure.causes, failure.request_id) = (text(), vec![text()], Some(text()));
    story.then(1, RecordBody::StepFailed { step: failed, failure });
    story
        .then(1, RecordBody::PlanAdopted { plan: Box::new(plan), why: Adoption::Amendment { changes: vec![text()] }, by: mallory });
    story.then(1, fixtures::ended(Outcome::Abandoned, HOSTILE));
    story.then(0, fixtures::left(HOSTILE));
    story
}

#[test]
fn a_page_holds_it_as_text() {
    let page = super::super::html(&told(&hostile()));
    assert_eq!(problems(&page), Vec::<String>::new());
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "it is shown");
    for harm in ["<script", "<img", "onerror='", "\u{202e}", "\u{200b}", "\u{1b}", "\u{ffff}"] {
        assert!(!page.contains(harm), "{harm:?} is in the page");
    }
}

#[test]
fn markdown_holds_it_as_text() {
    let text = super::super::markdown(&told(&hostile()));
    let mut in_table = 0;
    for line in text.lines() {
        // Only what the form itself writes begins a block.
        let starts = ["# Run", "## ", "| ", "- ", "**", "---", "<!-- sidestep-report -->"];
        let block = line.starts_with(['#', '-', '+', '=', '<', '|']);
        assert!(!block || starts.iter().any(|start| line.starts_with(start)), "{line:?}");
        let cells = cells(line);
        if line.starts_with("| ") {
            assert!(in_table == 0 || cells == in_table, "{cells} cells where there are {in_table}: {line:?}");
            in_table = cells;
        } else {
            in_table = 0;
        }
    }
    // Outside of code spans nothing is HTML, a link or an address that becomes one.
    let bare = without_code(&text).replace("<br>", "").replace("<!-- sidestep-report -->", "");
    for harm in ["<", "](https://", "https://", " www.", "\u{202e}", "\u{1b}"] {
        assert!(!bare.contains(harm), "{harm:?} is in {bare}");
    }
    assert!(!text.contains('\u{202e}') && !text.contains('\u{1b}'));
}

/// How many cells a row has: pipes that no backslash escapes.
fn cells(line: &str) -> usize {
    let mut escaped = false;
    line.chars()
        .filter(|c| {
            let counts = *c == '|' && !escaped;
            escaped = *c == '\\' && !escaped;
            counts
        })
        .count()
}

/// The text without its code spans: as Markdown reads them, from a run of backticks to the next run as long.
fn without_code(text: &str) -> String {
    let mut bare = String::new();
    for line in text.lines() {
        let mut rest = line;
        while let Some(start) = unescaped_backtick(rest) {
            let fence: String = rest[start..].chars().take_while(|c| *c == '`').collect();
            let inner = &rest[start + fence.len()..];
            let mut at = 0;
            let end = loop {
                let Some(next) = inner[at..].find('`') else { break None };
                let run = inner[at + next..].chars().take_while(|c| *c == '`').count();
                if run == fence.len() {
                    break Some(at + next);
                }
                at += next + run;
            };
            bare.push_str(&rest[..start]);
            match end {
                Some(end) => rest = &inner[end + fence.len()..],
                None => panic!("a code span is not closed: {line}"),
            }
        }
        bare.push_str(rest);
        bare.push('\n');
    }
    bare
}

fn unescaped_backtick(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if c == '`' && !escaped {
            return Some(at);
        }
        escaped = c == '\\' && !escaped;
    }
    None
}

#[test]
fn json_holds_it_as_it_is() {
    let report = super::super::json(&told(&hostile()));
    assert_eq!(report["runbook"], HOSTILE, "a program gets what the journal says");
    assert!(!report.to_string().contains('\u{1b}'), "control characters are escaped");
}
