//! What an examination found: how the services are, the likely cause first, and what could not be seen.

use serde_json::{Value, json};

use super::style::{Style, Tone};
use super::text::{self, Column};
use crate::model::{Diagnosis, Examination};

/// The name of the JSON form; docs/contract.md has its members.
pub const FORMAT: &str = "sidestep-doctor";
/// Its version.
pub const VERSION: u32 = 1;

/// What was examined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The runbook's name.
    pub runbook: String,
    /// Twelve digits.
    pub account: String,
    /// The Region.
    pub region: String,
    /// The cluster.
    pub cluster: String,
    /// The unfinished run that was looked into, and the stage that it stands in.
    pub run: Option<(String, String)>,
}

/// As one JSON object. Lines of container logs are never in it.
pub fn json(place: &Place, found: &Examination) -> Value {
    let services: Vec<Value> = found
        .services
        .iter()
        .map(|condition| json!({ "service": condition.service, "well": condition.well, "state": condition.words }))
        .collect();
    let cause = |cause: &Diagnosis| json!({ "id": cause.id, "about": cause.about, "cause": cause.cause, "evidence": cause.evidence, "next": cause.next });
    let unseen: Vec<Value> = found
        .unseen
        .iter()
        .map(|unseen| json!({ "action": unseen.action, "resource": unseen.resource, "why": unseen.why }))
        .collect();
    let mut value = json!({ "format": FORMAT, "version": VERSION, "runbook": place.runbook, "account": place.account,
        "region": place.region, "cluster": place.cluster, "healthy": found.causes.is_empty(), "services": services,
        "causes": found.causes.iter().map(cause).collect::<Vec<_>>(), "unseen": unseen });
    if let Some((run, stage)) = &place.run {
        value["run"] = json!(run);
        value["stage"] = json!(stage);
    }
    value
}

/// As text, without a newline at its end.
pub fn render(place: &Place, found: &Examination, style: &Style) -> String {
    let mut head = format!("Account {}, Region {}, cluster {}", place.account, place.region, text::clean(&place.cluster));
    if let Some((run, stage)) = &place.run {
        head.push_str(&format!("; run {run} stands in stage {stage}"));
    }
    let rows: Vec<Vec<String>> = found
        .services
        .iter()
        .map(|condition| vec![text::clean(&condition.service), mark(condition.well).to_owned(), text::clean(&condition.words)])
        .collect();
    let mut parts = vec![head, text::table(&rows, &[Column::Left; 3], 2)];
    match found.causes.split_first() {
        None => parts.push(style.paint(Tone::Good, "Nothing is wrong that can be seen.")),
        Some((first, others)) => {
            parts.push(diagnosis("Most likely", Tone::Bad, first, style));
            parts.extend(others.iter().map(|other| diagnosis("Found as well", Tone::Warn, other, style)));
        }
    }
    if !found.unseen.is_empty() {
        let mut lines = vec![style.paint(Tone::Strong, "Not seen, for want of a permission:")];
        for unseen in &found.unseen {
            let words = format!("{} for {}: {}", unseen.action, text::clean(&unseen.resource), text::clean(&unseen.why));
            lines.push(text::wrap(&words, style.width, "  ", 4));
        }
        parts.push(lines.join("\n"));
    }
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n")
}

/// In a word: nothing depends on colour.
fn mark(well: bool) -> &'static str {
    if well { "well" } else { "not well" }
}

fn diagnosis(head: &str, tone: Tone, cause: &Diagnosis, style: &Style) -> String {
    let head = format!("{} {} ({})", style.paint(tone, &format!("{head}:")), text::clean(&cause.cause), cause.id);
    let mut lines = vec![text::wrap(&head, style.width, "", 2)];
    let mut put = |name: &str, value: &str| {
        lines.push(text::wrap(&text::clean(value), style.width, &format!("  {}  ", text::pad(name, 8)), 12));
    };
    put("about", &cause.about);
    for evidence in &cause.evidence {
        put("evidence", evidence);
    }
    for next in &cause.next {
        put("next", next);
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Condition, Unseen};

    #[test]
    fn the_likely_cause_stands_first_with_its_evidence_and_the_next_command() {
        let place = Place {
            runbook: "moves".to_owned(),
            account: "111122223333".to_owned(),
            region: "us-west-2".to_owned(),
            cluster: "c".to_owned(),
            run: Some(("r7k2".to_owned(), "create-service".to_owned())),
        };
        let cause = |id: &str| Diagnosis {
            id: id.to_owned(),
            about: "shared".to_owned(),
            cause: "the image does not exist".to_owned(),
            evidence: vec!["task 1: not\u{1b}[2J found".to_owned()],
            next: vec!["run `sidestep resume r7k2`".to_owned()],
        };
        let found = Examination {
            services: vec![Condition { service: "shared".to_owned(), well: false, words: "0 of 1 tasks run".to_owned() }],
            causes: vec![cause("image-missing"), cause("other")],
            unseen: vec![Unseen {
                action: "ec2:DescribeSecurityGroups".to_owned(),
                resource: "sg-1".to_owned(),
                why: "UnauthorizedOperation: no".to_owned(),
            }],
        };
        insta::assert_snapshot!(render(&place, &found, &Style::plain()), @r"
        Account 111122223333, Region us-west-2, cluster c; run r7k2 stands in stage create-service

          shared  not well  0 of 1 tasks run

        Most likely: the image does not exist (image-missing)
          about     shared
          evidence  task 1: not[2J found
          next      run `sidestep resume r7k2`

        Found as well: the image does not exist (other)
          about     shared
          evidence  task 1: not[2J found
          next      run `sidestep resume r7k2`

        Not seen, for want of a permission:
          ec2:DescribeSecurityGroups for sg-1: UnauthorizedOperation: no
        ");
        let well = Examination::default();
        assert!(render(&place, &well, &Style::plain()).ends_with("\n\nNothing is wrong that can be seen."));
        assert_eq!((&json(&place, &well)["healthy"], &json(&place, &found)["healthy"]), (&json!(true), &json!(false)));
    }
}
