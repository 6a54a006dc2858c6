//! What a waiting step sees, as a few words.

use crate::model::Progress;

use super::text;

/// What is said of it, a line each. A container's own lines are said only where they may be, on a terminal; elsewhere, how they
/// are read.
pub fn said(progress: &Progress, on_terminal: bool) -> Vec<String> {
    match progress {
        Progress::Log { group, container, lines, .. } if on_terminal => {
            lines.iter().map(|line| format!("log {group} {container}: {}", text::clean(line))).collect()
        }
        other => vec![words(other)],
    }
}

/// In a few words, without the step's name.
pub(super) fn words(progress: &Progress) -> String {
    match progress {
        Progress::Rollout { desired, pending, running, failed, old, .. } => rollout(*desired, *pending, *running, *failed, *old),
        Progress::Countdown { left_s, seen } => {
            let seen = if seen.is_empty() { String::new() } else { format!(", {}", text::clean(seen)) };
            format!("{} to go{seen}", text::limit(*left_s))
        }
        Progress::ServiceEvent { message } => format!("AWS: {}", without_arns(&text::clean(message))),
        Progress::Targets { healthy, total, draining } => {
            let drain = if *draining > 0 { format!(", {draining} draining") } else { String::new() };
            format!("{healthy} of {} healthy{drain}", text::count(*total, "target", "targets"))
        }
        Progress::Serving { serving, desired } => format!("{serving} of {} serving", text::count(*desired, "task", "tasks")),
        Progress::Instances { healthy, total } => {
            format!("{healthy} of {} healthy", text::count(*total, "instance", "instances"))
        }
        Progress::Retry { operation, why, after_s } => {
            format!("{operation} is tried again in {}: {}", text::limit(*after_s), text::clean(why))
        }
        Progress::Log { group, stream, container, lines } => format!(
            "container {container} logged {}, shown only on a terminal: aws logs get-log-events --log-group-name {} --log-stream-name {}",
            text::count(lines.len(), "line", "lines"),
            text::shell_word(group),
            text::shell_word(stream)
        ),
        Progress::Note { message } => text::clean(message),
    }
}

/// A service event with each target group by its name: its ARN alone is longer than a line.
fn without_arns(message: &str) -> String {
    const GROUP: &str = ":targetgroup/";
    let word = |word: &str| {
        let (start, end) = (word.find("arn:")?, word.find(GROUP)?);
        let (name, rest) = word.get(end + GROUP.len()..)?.split_once('/')?;
        let after = rest.trim_start_matches(|c: char| c.is_ascii_hexdigit());
        Some(format!("{}{name}{after}", &word[..start]))
    };
    message.split(' ').map(|each| word(each).unwrap_or_else(|| each.to_owned())).collect::<Vec<_>>().join(" ")
}

fn rollout(desired: i64, pending: i64, running: i64, failed: i64, old: i64) -> String {
    let mut words = format!("{running} of {desired} tasks running");
    for (number, what) in [(pending, "pending"), (failed, "failed"), (old, "old still running")] {
        if number > 0 {
            words.push_str(&format!(", {number} {what}"));
        }
    }
    words
}

/// Whether it is a message of its own, to be shown once, rather than a number that moves.
pub(super) fn is_message(progress: &Progress) -> bool {
    matches!(progress, Progress::ServiceEvent { .. } | Progress::Retry { .. } | Progress::Log { .. } | Progress::Note { .. })
}

/// Whether `new` tells of a failure that `old` did not: such news does not wait.
pub(super) fn is_worse(old: Option<&Progress>, new: &Progress) -> bool {
    let failed = |progress: &Progress| match progress {
        Progress::Rollout { failed, .. } => *failed,
        _ => 0,
    };
    failed(new) > old.map_or(0, failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_words() {
        let said = |progress| words(&progress);
        let rollout = |running, pending, failed, old| Progress::Rollout {
            desired: 2,
            pending,
            running,
            failed,
            old,
            revision: String::new(),
            replaces: String::new(),
        };
        assert_eq!(said(rollout(0, 0, 0, 0)), "0 of 2 tasks running");
        assert_eq!(said(rollout(1, 1, 3, 2)), "1 of 2 tasks running, 1 pending, 3 failed, 2 old still running");
        assert_eq!(
            said(Progress::ServiceEvent { message: "(service a) has started 1 tasks:\n (task b).".to_owned() }),
            "AWS: (service a) has started 1 tasks: (task b)."
        );
        assert_eq!(said(Progress::Targets { healthy: 0, total: 1, draining: 0 }), "0 of 1 target healthy");
        assert_eq!(said(Progress::Targets { healthy: 1, total: 2, draining: 3 }), "1 of 2 targets healthy, 3 draining");
        assert_eq!(said(Progress::Instances { healthy: 1, total: 1 }), "1 of 1 instance healthy");
        assert_eq!(
            said(Progress::Retry { operation: "DescribeServices".to_owned(), why: "ThrottlingException".to_owned(), after_s: 4 }),
            "DescribeServices is tried again in 4s: ThrottlingException"
        );
        assert_eq!(said(Progress::Note { message: "looking".to_owned() }), "looking");
    }

    #[test]
    fn lines_of_a_container_are_for_a_terminal_only() {
        let lines = vec!["password=x".to_owned(), "bye\u{7}".to_owned()];
        let log = Progress::Log { group: "/ecs/a".to_owned(), stream: "a/a/1".to_owned(), container: "a".to_owned(), lines };
        assert_eq!(super::said(&log, true), ["log /ecs/a a: password=x", "log /ecs/a a: bye"]);
        assert_eq!(
            super::said(&log, false),
            [
                "container a logged 2 lines, shown only on a terminal: aws logs get-log-events --log-group-name /ecs/a --log-stream-name a/a/1"
            ]
        );
        let json = serde_json::to_string(&log).expect("JSON");
        assert_eq!(json, r#"{"kind":"log","group":"/ecs/a","stream":"a/a/1","container":"a"}"#);
    }

    #[test]
    fn target_groups_are_called_by_their_names() {
        let arn = "arn:aws:elasticloadbalancing:us-west-2:111122223333:targetgroup/nexus-ai-api-tg/73e2d6bc24d8a067";
        assert_eq!(
            without_arns(&format!("(service a) registered 1 targets in (target-group {arn}).")),
            "(service a) registered 1 targets in (target-group nexus-ai-api-tg)."
        );
        assert_eq!(without_arns("a:targetgroup/b arn:aws:ecs:x:y:task/z"), "a:targetgroup/b arn:aws:ecs:x:y:task/z");
    }

    #[test]
    fn only_more_failures_are_worse() {
        let at = |failed| Progress::Rollout {
            desired: 2,
            pending: 0,
            running: 1,
            failed,
            old: 0,
            revision: String::new(),
            replaces: String::new(),
        };
        assert!(is_worse(None, &at(1)));
        assert!(is_worse(Some(&at(1)), &at(2)));
        assert!(!is_worse(Some(&at(2)), &at(2)));
        assert!(!is_worse(None, &at(0)));
    }
}
