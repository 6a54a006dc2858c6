//! Text to syntax tree.

use std::ops::Range;
use std::sync::Arc;

use hcl::edit::expr::Expression;
use hcl::edit::structure::Body;

use super::lexical;
use crate::model::{Problem, SourceFile, SourceSpan};

/// Larger files are not something that a person wrote.
const LARGEST: usize = 1 << 18;

/// Takes off the byte order mark that some editors put first.
pub(super) fn without_bom(file: SourceFile) -> Arc<SourceFile> {
    match file.text.strip_prefix('\u{feff}') {
        Some(text) => Arc::new(SourceFile { text: text.to_owned(), path: file.path }),
        None => Arc::new(file),
    }
}

/// Refuses a file that is too long.
pub(super) fn of_fitting_length(file: &Arc<SourceFile>) -> Result<(), Problem> {
    if file.text.len() <= LARGEST {
        return Ok(());
    }
    Err(Problem {
        message: format!("the file has {} bytes: that is no runbook or variable file", file.text.len()),
        span: Some(SourceSpan { file: file.clone(), range: 0..0 }),
        hint: Some(format!("at most {LARGEST} bytes are read")),
    })
}

/// The syntax tree of a whole file.
pub(super) fn body(file: &Arc<SourceFile>) -> Result<Body, Problem> {
    of_fitting_length(file)?;
    hcl::edit::parser::parse_body(&file.text).map_err(|error| syntax_problem(file, &error))
}

/// A single expression, as given to `--var`.
pub(super) fn expression(text: &str) -> Result<Expression, String> {
    if text.len() > LARGEST {
        return Err("it is too long".to_owned());
    }
    hcl::edit::parser::parse_expr(text).map_err(|error| error.message().to_owned())
}

/// The parser stops at its first error, and for what is never closed that is far from the cause (often line 1): then the
/// opening quote or bracket is pointed at instead.
fn syntax_problem(file: &Arc<SourceFile>, error: &hcl::edit::parser::Error) -> Problem {
    let offset = error.location().offset();
    // Unless the parser stumbled earlier and knows over what: a stray quote there may be why the rest looks unclosed.
    let knows = ["invalid expression", "invalid structure"].iter().any(|start| error.message().starts_with(start));
    let earlier = |open: &lexical::Unclosed| knows && offset < open.range.start;
    if let Some(unclosed) = lexical::unclosed(&file.text).filter(|open| !earlier(open)) {
        return Problem {
            message: unclosed.message,
            span: Some(SourceSpan { file: file.clone(), range: unclosed.range }),
            hint: Some(unclosed.hint),
        };
    }
    let range = one_character(&file.text, offset);
    let (message, hint) = in_words(error.message(), &file.text, &range);
    Problem { message, span: Some(SourceSpan { file: file.clone(), range }), hint }
}

/// What the parser means, for somebody who does not know its grammar.
fn in_words(message: &str, text: &str, range: &Range<usize>) -> (String, Option<String>) {
    let hint = lexical::hint_at(text, range.start);
    let here = &text[range.clone()];
    if message.contains("redefined attribute") {
        let name: String = text[range.start..].chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-')).collect();
        return (format!("`{name}` is set a second time in the same block"), None);
    }
    if message.starts_with("invalid expression") {
        return ("a value is expected here".to_owned(), hint);
    }
    if message.starts_with("invalid structure") {
        let hint = hint.or_else(|| Some("write name = value, or name { … }".to_owned()));
        return ("neither an attribute nor a block".to_owned(), hint);
    }
    if message.contains("newline or eof") {
        let hint = hint.or_else(|| Some("each attribute and each block has a line of its own".to_owned()));
        return ("a line break is expected here".to_owned(), hint);
    }
    if message.starts_with("invalid block body") {
        let hint = "put each attribute, and the closing `}`, on a line of its own".to_owned();
        return ("a block on one line holds one attribute at most".to_owned(), Some(hint));
    }
    if message == "unexpected token" && matches!(here, "}" | "]" | ")") {
        return (format!("this `{here}` closes nothing"), hint);
    }
    (format!("syntax error: {}", message.split_whitespace().collect::<Vec<_>>().join(" ")), hint)
}

/// The range of the character at `offset`, moved onto a character boundary.
fn one_character(text: &str, offset: usize) -> Range<usize> {
    let mut start = offset.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let end = start + text[start..].chars().next().map_or(0, char::len_utf8);
    start..end
}
