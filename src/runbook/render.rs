//! A problem as plain text: message, place, the line with carets, hint.

use std::fmt::Write as _;

use crate::model::{Problem, SourceSpan, is_steering, spelled};

/// The longest part of a source line that is shown, in characters.
const WIDEST: usize = 160;

/// The problem as plain text, without colour and without a final line break.
///
/// ```text
/// error: variable `jaeger_cpu` wants a number, not "abc"
///   --> terraform.tfvars:12:14
///    |
/// 12 | jaeger_cpu = "abc"
///    |              ^^^^^
///   hint: write jaeger_cpu = 1024
/// ```
pub fn render_problem(problem: &Problem) -> String {
    let mut text = format!("error: {}", spelled(&problem.message));
    if let Some(span) = &problem.span {
        text.push_str(&place(span));
    }
    if let Some(hint) = &problem.hint {
        let _ = write!(text, "\n  hint: {}", spelled(hint));
    }
    text
}

/// File, line, column, the line itself and carets under the span; a span of several lines is marked to the first one's end.
fn place(span: &SourceSpan) -> String {
    let start = span.start();
    let number = start.line.to_string();
    let gutter = " ".repeat(number.len());
    let excerpt = Excerpt::of(span);
    let (shown, lead, carets) = (excerpt.shown, excerpt.lead, excerpt.carets);
    let mut text = format!("\n{gutter}--> {}:{}:{}\n{gutter} |", spelled(&span.file.path), start.line, start.column);
    let _ = write!(text, "\n{}", format!("{number} | {shown}").trim_end());
    let _ = write!(text, "\n{gutter} | {}{}", " ".repeat(lead), "^".repeat(carets.max(1)));
    text
}

/// The visible part of a line and where the carets go, in terminal columns.
struct Excerpt {
    shown: String,
    lead: usize,
    carets: usize,
}

impl Excerpt {
    fn of(span: &SourceSpan) -> Self {
        let text = &span.file.text;
        let from = boundary(text, span.range.start);
        let to = boundary(text, span.range.end).max(from);
        let line_start = text[..from].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[from..].find('\n').map_or(text.len(), |at| from + at);
        let line_end = line_start + text[line_start..line_end].trim_end_matches('\r').len();
        let before: Vec<char> = text[line_start..from.min(line_end)].chars().map(visible).collect();
        let marked: Vec<char> = text[from.min(line_end)..to.min(line_end)].chars().map(visible).collect();
        let after = text[to.min(line_end)..line_end].chars().map(visible);
        // A line of a generated file may be endless: show the part around the span.
        let cut = before.len().saturating_sub(WIDEST / 2);
        let cut = if before.len() + marked.len() <= WIDEST { 0 } else { cut };
        let lead = if cut > 0 { "…" } else { "" };
        let before: String = lead.chars().chain(before.into_iter().skip(cut)).collect();
        let room = WIDEST.saturating_sub(before.chars().count()).max(1);
        let marked: String = marked.into_iter().take(room).collect();
        let room = room.saturating_sub(marked.chars().count());
        let mut rest: String = after.clone().take(room).collect();
        if after.count() > room {
            rest.push('…');
        }
        Self { lead: columns(&before), carets: columns(&marked), shown: before + &marked + &rest }
    }
}

/// The nearest character boundary at or before `at`.
fn boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Tabs as one space, so that carets line up; nothing that steers the terminal reaches it.
fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        c if is_steering(c) => '\u{fffd}',
        c => c,
    }
}

/// How many terminal columns a text takes: East Asian wide characters and emoji take two.
fn columns(text: &str) -> usize {
    text.chars()
        .map(|c| match u32::from(c) {
            0x0300..=0x036F | 0x200B..=0x200F | 0xFE00..=0xFE0F => 0,
            0x1100..=0x115F
            | 0x2E80..=0xA4CF
            | 0xAC00..=0xD7A3
            | 0xF900..=0xFAFF
            | 0xFE30..=0xFE6F
            | 0xFF00..=0xFF60
            | 0xFFE0..=0xFFE6
            | 0x1F300..=0x1FAFF
            | 0x20000..=0x3FFFD => 2,
            _ => 1,
        })
        .sum()
}
