//! Writes HTML that is XML too. Text and the values of attributes go through here alone, so nothing reaches a page unescaped.

use super::plain::plain;

/// A page as it is written.
#[derive(Default)]
pub(super) struct Page {
    out: String,
    open: Vec<&'static str>,
}

impl Page {
    /// Begins a document.
    pub(super) fn new() -> Self {
        Self { out: "<!DOCTYPE html>\n".to_owned(), open: Vec::new() }
    }

    /// Opens an element.
    pub(super) fn open(&mut self, name: &'static str, attributes: &[(&str, &str)]) {
        self.head(name, attributes, ">");
        self.open.push(name);
    }

    /// Closes the element that was opened last.
    pub(super) fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            self.out.push_str(&format!("</{name}>"));
            if BLOCKS.contains(&name) {
                self.out.push('\n');
            }
        }
    }

    /// An element around text.
    pub(super) fn leaf(&mut self, name: &'static str, attributes: &[(&str, &str)], foreign: &str) {
        self.open(name, attributes);
        self.text(foreign);
        self.close();
    }

    /// An element that holds nothing.
    pub(super) fn void(&mut self, name: &'static str, attributes: &[(&str, &str)]) {
        self.head(name, attributes, "/>");
    }

    /// Text: one line, escaped. White space at its ends stays, for pieces stand next to one another.
    pub(super) fn text(&mut self, foreign: &str) {
        if foreign.starts_with(char::is_whitespace) {
            self.out.push(' ');
        }
        let inner = escape(foreign);
        self.out.push_str(&inner);
        if !inner.is_empty() && foreign.ends_with(char::is_whitespace) {
            self.out.push(' ');
        }
    }

    /// The same for names and commands: a long one may go on in the next line where it has a joint.
    pub(super) fn breakable(&mut self, foreign: &str) {
        let mut since = 0;
        for letter in plain(foreign).chars() {
            push_escaped(&mut self.out, letter);
            since += 1;
            if since > 6 && "./:,[=".contains(letter) {
                self.void("wbr", &[]);
                since = 0;
            }
        }
    }

    /// The style sheet, which is our own and goes in as it is.
    pub(super) fn style(&mut self, sheet: &str) {
        self.open("style", &[]);
        self.out.push_str(sheet);
        self.close();
    }

    /// The text of the page.
    pub(super) fn end(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.out.trim_end().to_owned()
    }

    fn head(&mut self, name: &str, attributes: &[(&str, &str)], end: &str) {
        self.out.push_str(&format!("<{name}"));
        for (name, value) in attributes {
            self.out.push_str(&format!(" {name}=\"{}\"", escape(value)));
        }
        self.out.push_str(end);
    }
}

/// Elements after which the text goes on in a new line, for whoever reads it.
const BLOCKS: &[&str] = &[
    "body", "caption", "dd", "div", "footer", "h1", "h2", "head", "header", "li", "main", "nav", "ol", "p", "section", "style",
    "table", "tbody", "thead", "title", "tr", "ul",
];

fn escape(foreign: &str) -> String {
    let mut escaped = String::with_capacity(foreign.len());
    for letter in plain(foreign).chars() {
        push_escaped(&mut escaped, letter);
    }
    escaped
}

fn push_escaped(out: &mut String, letter: char) {
    match letter {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        '\'' => out.push_str("&#39;"),
        _ => out.push(letter),
    }
}
