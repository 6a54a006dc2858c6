//! Small tools for text: wrapping, tables, durations, times, and keeping foreign text from steering the terminal.

use dialoguer::console::measure_text_width;
use jiff::{SignedDuration, Timestamp};

use super::Style;
use crate::model::is_steering;

/// Text from outside (AWS's messages, names) as one harmless line: white space becomes single spaces, control characters go.
/// Without this a message could move the cursor or repaint what was said before.
pub fn clean(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        let before = line.len();
        line.extend(word.chars().filter(|c| !is_steering(*c)));
        if before > 0 && line.len() > before {
            line.insert(before, ' ');
        }
    }
    line
}

/// A message from outside with its own lines and blanks: control characters go, and each further line is set off by two blanks, so that
/// none can pass for a message of its own.
pub fn clean_lines(text: &str) -> String {
    let blank = |c: char| if c == '\t' { ' ' } else { c };
    let lines = text.trim_end().lines().map(|line| line.chars().map(blank).filter(|c| !is_steering(*c)).collect::<String>());
    lines.collect::<Vec<_>>().join("\n  ")
}

/// Wraps `text` to `width` columns; the first line starts with `first`, the others with as many blanks as `hang` says. Words are
/// never cut: an ARN or a command stays whole, so that it can be copied. White space within the text becomes single spaces; words
/// joined by [`glue`] stay together.
pub fn wrap(text: &str, width: usize, first: &str, hang: usize) -> String {
    let indent = " ".repeat(hang);
    let mut lines = Vec::new();
    let mut line = first.to_owned();
    let mut used = measure_text_width(first);
    let mut empty = true;
    for word in text.split_ascii_whitespace() {
        let size = measure_text_width(word);
        if !empty && used + 1 + size > width {
            lines.push(std::mem::replace(&mut line, indent.clone()));
            used = hang;
            empty = true;
        }
        if !empty {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += size;
        empty = false;
    }
    lines.push(line);
    unglued(&lines.join("\n"))
}

/// Text that [`wrap`] keeps on one line, such as a duration. Foreign text cannot hold such joints: [`clean`] takes them away.
pub fn glue(text: &str) -> String {
    text.replace(' ', "\u{a0}")
}

fn unglued(text: &str) -> String {
    text.replace('\u{a0}', " ")
}

/// As [`wrap`], but text that fits on one line keeps its white space, such as the two blanks before a duration.
pub fn wrap_keeping(text: &str, width: usize, first: &str, hang: usize) -> String {
    if measure_text_width(first) + measure_text_width(text) <= width {
        return unglued(&format!("{first}{text}"));
    }
    wrap(text, width, first, hang)
}

/// Cuts `text` to `width` columns, with an ellipsis where something is missing.
pub fn shorten(text: &str, width: usize, style: &Style) -> String {
    dialoguer::console::truncate_str(text, width, style.ellipsis()).into_owned()
}

/// `text` with blanks up to `width` columns.
pub fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(measure_text_width(text));
    format!("{text}{}", " ".repeat(missing))
}

/// A duration as people say it: `0.4s`, `12s`, `1m 22s`, `2h 05m`. Negative ones (a clock was set back) are none.
pub fn duration(span: SignedDuration) -> String {
    let millis = span.as_millis().max(0);
    let seconds = millis / 1000;
    match seconds {
        0 if millis < 50 => "0s".to_owned(),
        0 => format!("{}.{}s", millis / 1000, (millis % 1000) / 100),
        1..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// A whole number of seconds as [`duration`], without parts that are nothing: `30m`, `1m 30s`, `2h`.
pub fn limit(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, 0) => format!("{m}m"),
        (0, m, s) => format!("{m}m {s:02}s"),
        (h, 0, _) => format!("{h}h"),
        (h, m, _) => format!("{h}h {m:02}m"),
    }
}

/// The time between two moments, as [`duration`].
pub fn between(from: Timestamp, to: Timestamp) -> String {
    duration(to.duration_since(from))
}

/// A moment in UTC, to the second: `2026-01-02 03:04:05Z`.
pub fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// `1 step`, `2 steps`.
pub fn count(n: usize, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

/// Which way a column of a table leans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// Rows in columns two blanks apart, `indent` blanks in; no blanks at the ends of lines.
pub fn table(rows: &[Vec<String>], columns: &[Column], indent: usize) -> String {
    let widths: Vec<usize> = (0..columns.len())
        .map(|at| rows.iter().filter_map(|row| row.get(at)).map(|cell| measure_text_width(cell)).max().unwrap_or(0))
        .collect();
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(columns.iter().zip(&widths))
            .map(|(cell, (column, width))| match column {
                Column::Left => pad(cell, *width),
                Column::Right => format!("{}{cell}", " ".repeat(width.saturating_sub(measure_text_width(cell)))),
            })
            .collect();
        lines.push(format!("{}{}", " ".repeat(indent), cells.join("  ")).trim_end().to_owned());
    }
    lines.join("\n")
}

/// One word of a shell command, quoted where a POSIX shell would read it otherwise.
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./_-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_like_speech() {
        let said = |millis| duration(SignedDuration::from_millis(millis));
        assert_eq!(said(0), "0s");
        assert_eq!(said(420), "0.4s");
        assert_eq!(said(12_900), "12s");
        assert_eq!(said(82_000), "1m 22s");
        assert_eq!(said(3_605_000), "1h 00m");
        assert_eq!(said(-5_000), "0s");
        assert_eq!(limit(1800), "30m");
        assert_eq!(limit(90), "1m 30s");
        assert_eq!(limit(7200), "2h");
        assert_eq!(limit(45), "45s");
    }

    #[test]
    fn times_are_utc() {
        let at: Timestamp = "2026-01-02T04:04:05.7+01:00".parse().expect("a time");
        assert_eq!(time(at), "2026-01-02 03:04:05Z");
    }

    #[test]
    fn wrapping_keeps_words_whole_and_hangs() {
        let text = "one two three arn:aws:ecs:us-west-2:111122223333:service/a/b four";
        assert_eq!(wrap(text, 16, "- ", 4), "- one two three\n    arn:aws:ecs:us-west-2:111122223333:service/a/b\n    four");
        assert_eq!(wrap("", 10, "- ", 2), "- ");
        assert_eq!(wrap(&format!("one two {}", glue("(1m 22s)")), 14, "", 2), "one two\n  (1m 22s)");
        assert_eq!(wrap_keeping(&format!("one  {}", glue("a b")), 14, "- ", 2), "- one  a b");
    }

    #[test]
    fn foreign_text_cannot_steer_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\r\n  c\u{202e}d\u{7}"), "a[2Jb cd");
    }

    #[test]
    fn wide_characters_count_as_wide() {
        assert_eq!(shorten("任务定义任务定义", 9, &Style::plain()), "任务定义…");
        assert_eq!(pad("任务", 6), "任务  ");
        let rows = vec![vec!["任务".to_owned(), "1".to_owned()], vec!["abc".to_owned(), "20".to_owned()]];
        assert_eq!(table(&rows, &[Column::Left, Column::Right], 2), "  任务   1\n  abc   20");
    }

    #[test]
    fn shell_words_are_safe_to_paste() {
        assert_eq!(shell_word("nexus-ai-cluster-dev"), "nexus-ai-cluster-dev");
        assert_eq!(shell_word("/ecs/a"), "/ecs/a");
        assert_eq!(shell_word("a b"), "'a b'");
        assert_eq!(shell_word("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(shell_word(""), "''");
    }

    proptest::proptest! {
        #[test]
        fn wrapping_loses_no_word_and_keeps_the_width(text in "[a-z任务 ]{0,80}", width in 10_usize..60) {
            let wrapped = wrap(&text, width, "- ", 4);
            let body = wrapped.strip_prefix("- ").unwrap_or(&wrapped);
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            proptest::prop_assert_eq!(words(body), words(&text));
            for line in wrapped.lines() {
                let alone = line.trim_start_matches("- ").split_whitespace().count() <= 1;
                proptest::prop_assert!(alone || measure_text_width(line) <= width, "{:?}", line);
            }
        }

        #[test]
        fn clean_text_is_one_line_without_control(text in "\\PC*|[\\x00-\\x20a-z\u{1b}\u{202e}\u{9b}]{0,40}") {
            let cleaned = clean(&text);
            proptest::prop_assert!(!cleaned.chars().any(is_steering));
            proptest::prop_assert_eq!(clean(&cleaned), cleaned.clone());
        }
    }
}
