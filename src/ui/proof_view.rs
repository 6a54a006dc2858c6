//! What a dry run found: how long each stage would take, and whether a crash or the way back makes a difference.

use jiff::SignedDuration;

use super::style::{Sign, Style, Tone};
use super::text::{self, Column};

/// Something that was tried, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it ended as it must.
    pub good: bool,
    /// In words.
    pub words: String,
    /// What is wrong, one line each.
    pub lines: Vec<String>,
}

/// Of many differences, so many are shown: the rest says no more.
const MOST_LINES: usize = 8;

/// The stages with the time that each would take, and their sum with what lies between them.
pub fn timeline(stages: &[(String, SignedDuration)], total: SignedDuration, style: &Style) -> String {
    let mut rows: Vec<Vec<String>> = stages.iter().map(|(name, took)| vec![text::clean(name), text::duration(*took)]).collect();
    rows.push(vec!["in all".to_owned(), text::duration(total)]);
    let table = text::table(&rows, &[Column::Left, Column::Right], 2);
    format!("{}\n{table}", style.paint(Tone::Strong, "Predicted timeline"))
}

/// The verdicts, one below the other.
pub fn verdicts(verdicts: &[Verdict], style: &Style) -> String {
    let mut lines = Vec::new();
    for verdict in verdicts {
        let sign = style.sign(if verdict.good { Sign::Done } else { Sign::Failed });
        lines.push(text::wrap(&verdict.words, style.width, &format!("{sign} "), 2));
        lines.extend(verdict.lines.iter().take(MOST_LINES).map(|line| text::wrap(&text::clean(line), style.width, "    ", 6)));
        if verdict.lines.len() > MOST_LINES {
            lines.push(format!("    and {} more", verdict.lines.len() - MOST_LINES));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_and_verdicts_stand_one_below_the_other() {
        let stages =
            [("create-service".to_owned(), SignedDuration::from_secs(100)), ("strip".to_owned(), SignedDuration::from_secs(3))];
        assert_eq!(
            timeline(&stages, SignedDuration::from_secs(105), &Style::plain()),
            "Predicted timeline\n  create-service  1m 40s\n  strip               3s\n  in all          1m 45s"
        );
        let all = [
            Verdict { good: true, words: "killed and taken up again".to_owned(), lines: Vec::new() },
            Verdict { good: false, words: "taken back".to_owned(), lines: (0..10).map(|n| format!("difference {n}")).collect() },
        ];
        let shown = verdicts(&all, &Style::plain());
        assert!(shown.starts_with("✓ killed and taken up again\n✗ taken back\n    difference 0\n"), "{shown}");
        assert!(shown.ends_with("    difference 7\n    and 2 more"), "{shown}");
    }
}
