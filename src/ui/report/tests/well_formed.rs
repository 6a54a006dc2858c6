//! Looks over a page as a browser, a screen reader and a suspicious operator would: is it XML, does it load anything, is it in order.

use std::collections::BTreeSet;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// What is wrong with a page, one line each.
pub(super) fn problems(page: &str) -> Vec<String> {
    let mut look = Look::default();
    let mut reader = Reader::from_str(page);
    reader.config_mut().check_end_names = true;
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag)) => look.start(&tag, false),
            Ok(Event::Empty(tag)) => look.start(&tag, true),
            Ok(Event::End(tag)) => look.end(tag.name().as_ref()),
            Ok(Event::Text(text)) => look.text(&text),
            Ok(Event::Eof) => break,
            Ok(Event::Comment(_) | Event::CData(_) | Event::PI(_)) => look.wrong("a comment, CDATA or an instruction".to_owned()),
            Ok(_) => {}
            Err(error) => {
                look.wrong(format!("no XML at byte {}: {error}", reader.buffer_position()));
                return look.problems;
            }
        }
    }
    look.over();
    look.problems
}

const ALLOWED: &[&str] = &[
    "a", "bdi", "body", "br", "caption", "code", "dd", "div", "dl", "dt", "footer", "h1", "h2", "head", "header", "html", "li",
    "main", "meta", "nav", "p", "section", "span", "style", "table", "tbody", "td", "th", "thead", "time", "title", "tr", "ul",
    "wbr",
];

#[derive(Default)]
struct Look {
    problems: Vec<String>,
    open: Vec<String>,
    ids: BTreeSet<String>,
    wanted: BTreeSet<String>,
    seen: Vec<String>,
    level: u32,
    /// The columns of the present table, and the cells of its present row.
    columns: usize,
    cells: usize,
    captions: usize,
}

impl Look {
    fn wrong(&mut self, problem: String) {
        self.problems.push(problem);
    }

    fn start(&mut self, tag: &BytesStart<'_>, empty: bool) {
        let name = tag.name().as_ref().to_owned();
        let mut attributes = Vec::new();
        for attribute in tag.attributes() {
            match attribute {
                Ok(known) => attributes.push((known.key.as_ref().to_owned(), known.value.clone().into_owned())),
                Err(error) => self.wrong(format!("an attribute of {name}: {error}")),
            }
        }
        let get = |wanted: &str| attributes.iter().find(|(key, _)| key == wanted).map(|(_, value)| value.as_str());
        if !ALLOWED.contains(&name.as_str()) {
            self.wrong(format!("the element {name}"));
        }
        for (key, value) in &attributes {
            if key.starts_with("on") || ["src", "srcset", "data", "action", "ping"].contains(&key.as_str()) {
                self.wrong(format!("{name} has {key}"));
            }
            if key == "href" && !value.starts_with('#') || (key != "content" && value.contains("://")) && key != "data-column" {
                self.wrong(format!("{name} leads to {value}"));
            }
            if key == "href" {
                self.wanted.insert(value.trim_start_matches('#').to_owned());
            }
            if key == "aria-labelledby" {
                self.wanted.insert(value.clone());
            }
            if key == "id" && !self.ids.insert(value.clone()) {
                self.wrong(format!("the id {value} twice"));
            }
        }
        if let Some(level) = name.strip_prefix('h').and_then(|level| level.parse::<u32>().ok()) {
            if level > self.level + 1 {
                self.wrong(format!("{name} follows h{}", self.level));
            }
            self.level = level;
        }
        match name.as_str() {
            "html" if get("lang").is_none() => self.wrong("html has no lang".to_owned()),
            "table" => (self.columns, self.captions) = (0, 0),
            "caption" => self.captions += 1,
            "tr" => self.cells = 0,
            "th" | "td" => {
                if name == "th" && get("scope").is_none() {
                    self.wrong("a th has no scope".to_owned());
                }
                if self.open.iter().any(|open| open == "thead") {
                    self.columns += 1;
                }
                self.cells += get("colspan").and_then(|span| span.parse().ok()).unwrap_or(1);
            }
            _ => {}
        }
        self.seen.push(name.clone());
        if !empty {
            self.open.push(name);
        }
    }

    fn end(&mut self, name: &str) {
        self.open.pop();
        if name == "tr" && self.cells != self.columns {
            self.wrong(format!("a row of {} in a table of {}", self.cells, self.columns));
        }
        if name == "table" && self.captions != 1 {
            self.wrong(format!("a table has {} captions", self.captions));
        }
    }

    fn text(&mut self, text: &str) {
        let style = self.open.last().is_some_and(|open| open == "style");
        if style && ["url(", "@import", "http"].iter().any(|load| text.contains(load)) {
            self.wrong("the style sheet loads something".to_owned());
        }
        if text.chars().any(|c| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c)) {
            self.wrong(format!("{text:?} steers"));
        }
    }

    fn over(&mut self) {
        for landmark in ["header", "nav", "main", "footer", "h1", "title"] {
            let times = self.seen.iter().filter(|seen| *seen == landmark).count();
            if times != 1 {
                self.wrong(format!("{landmark} is there {times} times"));
            }
        }
        let lost: Vec<String> = self.wanted.difference(&self.ids).cloned().collect();
        if !lost.is_empty() {
            self.wrong(format!("nothing is called {lost:?}"));
        }
    }
}

#[test]
fn the_look_sees_what_is_wrong() {
    let page = |body: &str| {
        format!(
            "<html lang=\"en\"><head><title>t</title></head><body><header><h1>h</h1></header><nav></nav><main>{body}</main><footer/></body></html>"
        )
    };
    let seen = |body: &str| problems(&page(body)).join("; ");
    assert_eq!(seen("<p>fine</p>"), "");
    assert!(seen("<p>").starts_with("no XML"), "{}", seen("<p>"));
    assert_eq!(seen("<img src=\"x\"/>"), "the element img; img has src");
    assert_eq!(seen("<p onclick=\"x\">a</p>"), "p has onclick");
    assert_eq!(
        seen("<a href=\"https://e.example\">a</a>"),
        "a leads to https://e.example; nothing is called [\"https://e.example\"]"
    );
    assert_eq!(seen("<p id=\"a\"/><p id=\"a\"/>"), "the id a twice");
    assert_eq!(seen("<h3>a</h3>"), "the element h3; h3 follows h1");
    assert_eq!(seen("<table><tr><th>a</th></tr></table>"), "a th has no scope; a row of 1 in a table of 0; a table has 0 captions");
    assert_eq!(seen("<style>a { background: url(x) }</style>"), "the style sheet loads something");
    assert_eq!(seen("<p>\u{202e}</p>"), "\"\\u{202e}\" steers");
}
