//! Variable files in JSON, as Terraform has them (`*.tfvars.json`, any file whose name ends in `.json`): one object of names and
//! values. A text is taken as it is: nothing in it is evaluated. A member called `//` is a comment.
//!
//! Read here and not by `serde_json`, for a problem with a value points at it.

use std::ops::Range;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::{parse, values};
use crate::model::{Problem, SourceFile, SourceSpan};

/// Deeper than any value that a person wrote.
const DEEPEST: usize = 64;
/// The name of a comment.
const COMMENT: &str = "//";

/// A value, and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) range: Range<usize>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Null, true, false, a number or a text.
    Plain(Value),
    List(Vec<Node>),
    /// Names once each.
    Map(Vec<(String, Node)>),
}

/// Whether a file of this name is JSON.
pub(super) fn is_json(path: &str) -> bool {
    path.to_ascii_lowercase().ends_with(".json")
}

/// The object that a file is.
///
/// # Errors
/// The first problem of its syntax, or that it is no object.
pub(super) fn object(file: &Arc<SourceFile>) -> Result<Node, Problem> {
    parse::of_fitting_length(file)?;
    let mut reader = Reader { text: &file.text, at: 0 };
    let read = reader.value(0).and_then(|node| {
        reader.blanks();
        match (&node.kind, reader.rest().is_empty()) {
            (Kind::Map(_), true) => Ok(node),
            (Kind::Map(_), false) => Err(reader.wrong("nothing may follow the object")),
            _ => Err((node.range, "a variable file in JSON is one object".to_owned())),
        }
    });
    read.map_err(|(range, message)| Problem {
        message,
        span: Some(SourceSpan { file: file.clone(), range }),
        hint: Some("a file whose name ends in .json is written { \"NAME\": VALUE, … }".to_owned()),
    })
}

impl Node {
    /// The member of this name, if this is an object with one.
    pub(super) fn member(&self, name: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Map(members) if name != COMMENT => members.iter().find(|(known, _)| known == name).map(|(_, node)| node),
            _ => None,
        }
    }

    /// Without the places.
    pub(super) fn value(&self) -> Value {
        match &self.kind {
            Kind::Plain(value) => value.clone(),
            Kind::List(items) => items.iter().map(Self::value).collect(),
            Kind::Map(members) => {
                Value::Object(members.iter().map(|(name, node)| (name.clone(), node.value())).collect::<Map<_, _>>())
            }
        }
    }

    /// Where the part stands that a JSON pointer names, as far down as there is one.
    pub(super) fn locate(&self, pointer: &str) -> Range<usize> {
        let mut at = self;
        for segment in pointer.split('/').skip(1) {
            let segment = segment.replace("~1", "/").replace("~0", "~");
            let inner = match &at.kind {
                Kind::List(items) => segment.parse().ok().and_then(|index: usize| items.get(index)),
                Kind::Map(members) => members.iter().find(|(name, _)| *name == segment).map(|(_, node)| node),
                Kind::Plain(_) => None,
            };
            match inner {
                Some(inner) => at = inner,
                None => break,
            }
        }
        at.range.clone()
    }
}

/// What is wrong, and where.
type Wrong = (Range<usize>, String);

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn takes(&mut self, wanted: char) -> bool {
        self.blanks();
        let found = self.rest().starts_with(wanted);
        self.at += if found { wanted.len_utf8() } else { 0 };
        found
    }

    /// What is wrong here: at the next character.
    fn wrong(&self, message: &str) -> Wrong {
        let end = self.at + self.rest().chars().next().map_or(0, char::len_utf8);
        (self.at..end, message.to_owned())
    }

    fn value(&mut self, depth: usize) -> Result<Node, Wrong> {
        self.blanks();
        let from = self.at;
        if depth > DEEPEST {
            return Err(self.wrong("the values stand too deep in one another"));
        }
        let kind = match self.rest().chars().next() {
            Some('{') => self.map(depth)?,
            Some('[') => self.list(depth)?,
            Some('"') => Kind::Plain(Value::String(self.string()?)),
            _ => Kind::Plain(self.word()?),
        };
        Ok(Node { range: from..self.at, kind })
    }

    fn map(&mut self, depth: usize) -> Result<Kind, Wrong> {
        self.at += 1;
        let mut members: Vec<(String, Node)> = Vec::new();
        let mut known = std::collections::BTreeSet::new();
        if self.takes('}') {
            return Ok(Kind::Map(members));
        }
        loop {
            self.blanks();
            let from = self.at;
            if !self.rest().starts_with('"') {
                return Err(self.wrong("a name in quotes is expected here"));
            }
            let name = self.string()?;
            if name != COMMENT && !known.insert(name.clone()) {
                return Err((from..self.at, format!("`{name}` is set a second time in the same object")));
            }
            if !self.takes(':') {
                return Err(self.wrong("a `:` is expected here"));
            }
            members.push((name, self.value(depth + 1)?));
            if self.takes('}') {
                return Ok(Kind::Map(members));
            }
            if !self.takes(',') {
                return Err(self.wrong("a `,` or `}` is expected here"));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Kind, Wrong> {
        self.at += 1;
        let mut items = Vec::new();
        if self.takes(']') {
            return Ok(Kind::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.takes(']') {
                return Ok(Kind::List(items));
            }
            if !self.takes(',') {
                return Err(self.wrong("a `,` or `]` is expected here"));
            }
        }
    }

    /// A text in quotes, which begins here.
    fn string(&mut self) -> Result<String, Wrong> {
        let from = self.at;
        let mut escaped = true;
        for (at, c) in self.rest().char_indices() {
            match c {
                _ if std::mem::take(&mut escaped) => {}
                '\\' => escaped = true,
                '\n' => break,
                '"' => {
                    self.at = from + at + 1;
                    let read = serde_json::from_str(&self.text[from..self.at]);
                    return read
                        .map_err(|_| (from..self.at, "this text has an escape or a character that JSON does not know".to_owned()));
                }
                _ => {}
            }
        }
        Err((from..from + 1, "this text is never closed".to_owned()))
    }

    /// `null`, `true`, `false` or a number.
    fn word(&mut self) -> Result<Value, Wrong> {
        let length = self.rest().find(|c: char| !(c.is_alphanumeric() || "+-._".contains(c))).unwrap_or(self.rest().len());
        let word = &self.rest()[..length];
        let value = match word {
            "null" => Some(Value::Null),
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            // By JSON's grammar, and as this program keeps numbers.
            number => serde_json::from_str::<serde_json::Number>(number).ok().and_then(|_| values::parse_number(number)),
        };
        match value {
            Some(value) => {
                self.at += length;
                Ok(value)
            }
            None if word.is_empty() => Err(self.wrong("a value is expected here")),
            None => Err((self.at..self.at + length, format!("`{word}` is no value: a text stands in quotes"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn read(text: &str) -> Result<Value, Problem> {
        object(&Arc::new(SourceFile { path: "v.tfvars.json".to_owned(), text: text.to_owned() })).map(|node| node.value())
    }

    #[test]
    fn deep_and_long_ones_are_refused() {
        for text in [format!("{{\"a\":{}", "[".repeat(100_000)), format!("{{\"a\": \"{}\"}}", "x".repeat(1 << 18))] {
            assert!(read(&text).is_err());
        }
    }

    const PIECES: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"b\\u00e9\"",
        "\"\\x\"",
        "\"",
        "1",
        "-0.5e3",
        "01",
        "null",
        "true",
        "nul",
        " ",
        "\n",
        "é",
        "//",
    ];

    proptest! {
        #[test]
        fn what_is_read_is_json_and_the_same(pieces in proptest::collection::vec(select(PIECES), 0..14)) {
            let text = format!("{{\"v\": {}}}", pieces.concat());
            match (read(&text), serde_json::from_str::<Value>(&text)) {
                // A number with a fraction of nothing is kept as an integer here.
                (Ok(found), Ok(json)) => prop_assert_eq!(found.to_string(), json.to_string().replace("-500.0", "-500")),
                (Ok(_), Err(why)) => prop_assert!(false, "{text}: {why}"),
                // Nothing that is right is refused, but for a name that stands twice.
                (Err(_), Ok(_)) => prop_assert!(text.matches("\"a\"").count() > 1 || text.matches("u00e9").count() > 1, "{}", text),
                (Err(_), Err(_)) => {}
            }
        }
    }
}
