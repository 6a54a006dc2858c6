//! A report as Markdown (GitHub's, for its tables).
//!
//! Nothing in the text of a journal can make a heading, a link, a table's cell or HTML: words have their marks escaped; what is to be
//! copied stands in code spans, which are longer fenced than any run of backticks in them.

use super::MARK;
use super::document::{Block, Cell, Document, Line, Piece, Row, Section, Table};
use super::plain::plain;
use crate::ui::text;

/// The whole document, without a newline at its end.
pub(super) fn render(document: &Document) -> String {
    let mut parts = vec![format!("# {}", escape(&document.title))];
    parts.push(format!("**{}**: {}", escape(&document.badge.word), escape(&document.outcome)));
    let mut facts = vec!["| | |".to_owned(), "| --- | --- |".to_owned()];
    facts.extend(document.facts.iter().map(|(name, lines)| format!("| {} | {} |", escape(name), in_cell(lines))));
    parts.push(facts.join("\n"));
    parts.extend(document.sections.iter().map(section));
    parts.push(format!("---\n\n{}\n\n<!-- {MARK} -->", line(&document.foot, false)));
    parts.join("\n\n")
}

fn section(section: &Section) -> String {
    let head = format!("## {}", escape(section.heading));
    std::iter::once(head).chain(section.blocks.iter().map(block)).collect::<Vec<_>>().join("\n\n")
}

fn block(block: &Block) -> String {
    match block {
        Block::Para(pieces) => guarded(line(pieces, false)),
        Block::List(head, items) => {
            let items = items.iter().map(|item| format!("- {}", guarded(line(item, false))));
            format!("{}\n\n{}", escape(head), items.collect::<Vec<_>>().join("\n"))
        }
        Block::Table(table) => self::table(table),
    }
}

fn table(table: &Table) -> String {
    // A column that only draws has nothing to say here.
    let drawn = |at: usize| {
        let cell = |row: &Row| matches!(row, Row::Cells(cells) if cells.get(at).is_some_and(|cell| cell.bars.is_some()));
        table.rows.iter().any(cell)
    };
    let shown: Vec<usize> = (0..table.columns.len()).filter(|at| !drawn(*at)).collect();
    let row = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
    let mut lines = vec![format!("{}:", escape(&table.caption)), String::new()];
    lines.push(row(shown.iter().map(|at| escape(table.columns[*at].head)).collect()));
    lines.push(row(shown.iter().map(|at| if table.columns[*at].number { "---:" } else { "---" }.to_owned()).collect()));
    for each in &table.rows {
        let cells = match each {
            Row::Group(head) => {
                let mut cells = vec![String::new(); shown.len()];
                cells[0] = format!("**{}**", line(head, true));
                cells
            }
            Row::Cells(cells) => shown.iter().map(|at| cells.get(*at).map(cell).unwrap_or_default()).collect(),
        };
        lines.push(row(cells));
    }
    lines.join("\n")
}

fn cell(cell: &Cell) -> String {
    in_cell(&cell.lines)
}

fn in_cell(lines: &[Line]) -> String {
    lines.iter().map(|each| line(each, true)).collect::<Vec<_>>().join("<br>")
}

fn line(pieces: &Line, in_table: bool) -> String {
    pieces.iter().map(|each| piece(each, in_table)).collect()
}

fn piece(piece: &Piece, in_table: bool) -> String {
    match piece {
        // White space between pieces stays, for they stand next to one another.
        Piece::Text(words) => {
            let edge = |at_end: bool| {
                let letter = if at_end { words.chars().next_back() } else { words.chars().next() };
                if letter.is_some_and(char::is_whitespace) { " " } else { "" }
            };
            let inner = escape(words);
            if inner.is_empty() { edge(true).to_owned() } else { format!("{}{inner}{}", edge(false), edge(true)) }
        }
        Piece::Code(text) => span(&plain(text), in_table),
        Piece::Time(at) => text::time(*at),
        Piece::Tag(tag) => escape(&tag.word),
    }
}

/// Words that are nothing but words.
fn escape(foreign: &str) -> String {
    let text = plain(foreign);
    let letters: Vec<char> = text.chars().collect();
    let mut escaped = String::with_capacity(text.len());
    for (at, letter) in letters.iter().enumerate() {
        let (before, after) = (at.checked_sub(1).and_then(|at| letters.get(at)), letters.get(at + 1));
        let within_a_word = before.is_some_and(|c| c.is_alphanumeric()) && after.is_some_and(|c| c.is_alphanumeric());
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\\' | '`' | '*' | '[' | ']' | '|' | '~' | '$' => escaped.extend(['\\', *letter]),
            '_' if !within_a_word => escaped.push_str("\\_"),
            // An address in words is no link: only what stands in a code span is meant to be used.
            ':' if after == Some(&'/') => escaped.push_str("\\:"),
            '.' if at >= 3 && letters[at - 3..at].iter().all(|c| c.eq_ignore_ascii_case(&'w')) => escaped.push_str("\\."),
            _ => escaped.push(*letter),
        }
    }
    escaped
}

/// A line that begins a block: what would make it another sort of block is escaped.
fn guarded(line: String) -> String {
    let digits = line.chars().take_while(char::is_ascii_digit).count();
    match line[digits..].chars().next() {
        Some('#' | '-' | '+' | '=') if digits == 0 => format!("\\{line}"),
        Some('.' | ')') if digits > 0 => format!("{}\\{}", &line[..digits], &line[digits..]),
        _ => line,
    }
}

/// A code span: its fence is longer than any run of backticks in it.
fn span(text: &str, in_table: bool) -> String {
    if text.is_empty() {
        return String::new();
    }
    let (mut longest, mut run) = (0, 0);
    for letter in text.chars() {
        run = if letter == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest + 1);
    let space = if text.starts_with('`') || text.ends_with('`') || text.trim().is_empty() { " " } else { "" };
    let text = if in_table { without_pipes(text) } else { text.to_owned() };
    format!("{fence}{space}{text}{space}{fence}")
}

/// In a table a pipe ends the cell, in a code span too, unless an odd number of backslashes stands before it.
fn without_pipes(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut backslashes = 0;
    for letter in text.chars() {
        if letter == '|' {
            escaped.extend(std::iter::repeat_n('\\', backslashes + 1));
        }
        backslashes = if letter == '\\' { backslashes + 1 } else { 0 };
        escaped.push(letter);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_nothing_but_words() {
        assert_eq!(
            escape("a *b* _c_ d_e <img src=x> [x](http://e.example) | `id`"),
            "a \\*b\\* \\_c\\_ d_e &lt;img src=x&gt; \\[x\\](http\\://e.example) \\| \\`id\\`"
        );
        assert_eq!(escape("&lt; www.example.com \u{202e}x\ny"), "&amp;lt; www\\.example.com x y");
        assert_eq!(guarded(escape("# no heading")), "\\# no heading");
        assert_eq!(guarded(escape("12. no list")), "12\\. no list");
        assert_eq!(guarded(escape("- no list")), "\\- no list");
    }

    #[test]
    fn a_code_span_cannot_be_left() {
        assert_eq!(span("plain", false), "`plain`");
        assert_eq!(span("a`b``c|d", true), "```a`b``c\\|d```");
        assert_eq!(span("`x`", false), "`` `x` ``");
        assert_eq!(span(r"a\|b", true), r"`a\\\|b`", "the pipe is behind an odd number");
    }
}
