//! A second look at text that does not parse: what was opened and never closed, and which slip it probably is.

use std::ops::Range;

/// An opening quote or bracket without its end.
pub(super) struct Unclosed {
    pub(super) message: String,
    pub(super) hint: String,
    pub(super) range: Range<usize>,
}

/// What is open at some point of the text.
enum Open {
    /// A bracket and where it stands; `${` counts as one.
    Bracket(char, usize),
    /// A quoted string and where it starts.
    Text(usize),
}

/// Finds the first string that its line does not close, else the innermost bracket that is never closed.
pub(super) fn unclosed(text: &str) -> Option<Unclosed> {
    let bytes = text.as_bytes();
    let mut open: Vec<Open> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let two = bytes.get(at..at + 2).unwrap_or_default();
        if let Some(Open::Text(start)) = open.last() {
            match bytes[at] {
                b'\\' => at += 1,
                b'"' => drop(open.pop()),
                b'\n' => return Some(unclosed_text(text, *start)),
                b'$' | b'%' if two == b"${" || two == b"%{" => {
                    // `$${` is a literal `${`.
                    if at == 0 || bytes[at - 1] != bytes[at] {
                        open.push(Open::Bracket('{', at + 1));
                    }
                    at += 1;
                }
                _ => {}
            }
        } else {
            match bytes[at] {
                b'"' => open.push(Open::Text(at)),
                b'#' => at = line_end(bytes, at),
                b'/' if two == b"//" => at = line_end(bytes, at),
                b'/' if two == b"/*" => at = text[at + 2..].find("*/").map_or(bytes.len(), |end| at + 3 + end),
                b'<' if two == b"<<" => at = heredoc_end(text, at),
                bracket @ (b'{' | b'[' | b'(') => open.push(Open::Bracket(char::from(bracket), at)),
                b'}' | b']' | b')' => {
                    // One that closes nothing is the parser's to report.
                    let Some(Open::Bracket(opened, start)) = open.pop() else { return None };
                    if closing(opened) != char::from(bytes[at]) {
                        return Some(crossed(text, (opened, start), at));
                    }
                }
                _ => {}
            }
        }
        at += 1;
    }
    match open.pop()? {
        Open::Text(start) => Some(unclosed_text(text, start)),
        Open::Bracket(bracket, start) => Some(Unclosed {
            message: format!("`{bracket}` is never closed"),
            hint: format!("put the missing `{}` where its content ends", closing(bracket)),
            range: start..start + 1,
        }),
    }
}

fn unclosed_text(text: &str, start: usize) -> Unclosed {
    let end = line_end(text.as_bytes(), start);
    let end = start + text[start..end].trim_end().len();
    Unclosed {
        message: "this string is not closed on its line".to_owned(),
        hint: "end it with `\"`; text of several lines goes between <<EOT and EOT".to_owned(),
        range: start..end,
    }
}

/// A bracket that meets another's end.
fn crossed(text: &str, (opened, start): (char, usize), at: usize) -> Unclosed {
    let line = text[..start].matches('\n').count() + 1;
    Unclosed {
        message: format!("the `{opened}` of line {line} is not closed before this `{}`", &text[at..=at]),
        hint: format!("put the missing `{}` where its content ends", closing(opened)),
        range: at..at + 1,
    }
}

fn closing(bracket: char) -> char {
    match bracket {
        '{' => '}',
        '[' => ']',
        _ => ')',
    }
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| at + end)
}

/// Past a heredoc's closing delimiter, or past `<<` where none starts here.
fn heredoc_end(text: &str, at: usize) -> usize {
    let rest = &text[at + 2..];
    let rest = rest.strip_prefix('-').unwrap_or(rest);
    let Some((head, content)) = rest.split_once('\n') else { return at + 1 };
    let delimiter = head.trim_end();
    if delimiter.is_empty() || !delimiter.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-')) {
        return at + 1;
    }
    let mut position = text.len() - content.len();
    for line in content.split_inclusive('\n') {
        position += line.len();
        if line.trim() == delimiter {
            return position - 1;
        }
    }
    text.len()
}

/// What is probably meant where the parser stumbled.
pub(super) fn hint_at(text: &str, offset: usize) -> Option<String> {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let line_start = text[..offset].rfind('\n').map_or(0, |at| at + 1);
    let line = text[line_start..].lines().next().unwrap_or("").trim();
    let here = text[offset..].chars().next();
    if here == Some('\'') || line.contains(" '") {
        return Some("strings are written in double quotes: \"…\"".to_owned());
    }
    let (name, value) = line.split_once(':')?;
    let is_name = name.trim().chars().all(|c| c.is_alphanumeric() || c == '_');
    (is_name && !value.is_empty()).then(|| format!("write {} = …", name.trim()))
}
