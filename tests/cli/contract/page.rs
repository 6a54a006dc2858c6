//! The tables of docs/contract.md, read as they stand, and JSON held against them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::cli_support::file;

/// A table: member, type, whether it may be absent.
type Table = BTreeMap<String, (String, bool)>;

/// The page.
pub struct Page {
    tables: BTreeMap<String, Table>,
    exits: Vec<(u8, String)>,
}

impl Page {
    pub fn read() -> Self {
        let text = std::fs::read_to_string(file("docs/contract.md")).expect("docs/contract.md");
        let (mut tables, mut exits, mut heading) = (BTreeMap::<String, Table>::new(), Vec::new(), String::new());
        for line in text.lines() {
            if let Some(named) = line.strip_prefix("##") {
                heading = named.trim_start_matches('#').trim().to_owned();
                continue;
            }
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            match cells[..] {
                [code, meaning, _] if heading == "Exit codes" => {
                    exits.extend(code.parse().ok().map(|code| (code, meaning.to_owned())))
                }
                [member, kind, _] if member.starts_with('`') => {
                    let member = member.trim_matches('`');
                    let (name, may_lack) = member.strip_suffix('?').map_or((member, false), |name| (name, true));
                    let known = tables.entry(heading.clone()).or_default().insert(name.to_owned(), (kind.to_owned(), may_lack));
                    assert!(known.is_none(), "{heading} has `{name}` twice");
                }
                _ => {}
            }
        }
        Self { tables, exits }
    }

    pub fn exit_codes(&self) -> Vec<(u8, String)> {
        self.exits.clone()
    }
}

/// Holds values to the page, and remembers which members it has seen.
pub struct Checker<'p> {
    page: &'p Page,
    seen: BTreeSet<(String, String)>,
    problems: BTreeSet<String>,
}

impl<'p> Checker<'p> {
    pub fn new(page: &'p Page) -> Self {
        Self { page, seen: BTreeSet::new(), problems: BTreeSet::new() }
    }

    /// A document is the object of its table.
    pub fn document(&mut self, name: &str, value: &Value) {
        assert_eq!((&value["format"], &value["version"]), (&format!("sidestep-{name}").into(), &1.into()), "{value}");
        self.object(&[name], value, name);
    }

    /// A line has the members of all lines, of a record where it is one, and of its own table.
    pub fn event(&mut self, line: &Value) {
        let event = line["event"].as_str().unwrap_or_else(|| panic!("every line says what happened: {line}"));
        let own = if event == "claim" { "claim changed" } else { event };
        let tables = match event {
            "progress" => vec!["Event lines", own, "what is seen"],
            _ if line.get("seq").is_some() => vec!["Event lines", "record", own],
            _ => vec!["Event lines", own],
        };
        self.object(&tables, line, event);
    }

    /// Every problem, and every member that is documented and was never seen.
    pub fn finish(mut self, exempt: &[&str]) {
        for (table, members) in self.page.tables.iter().filter(|(table, _)| !exempt.contains(&table.as_str())) {
            for member in members.keys() {
                if !self.seen.contains(&(table.clone(), member.clone())) {
                    self.problems.insert(format!("{table}: `{member}` is documented, and nothing printed has it"));
                }
            }
        }
        let problems: Vec<String> = self.problems.into_iter().collect();
        assert!(problems.is_empty(), "docs/contract.md and the program differ:\n{}", problems.join("\n"));
    }

    fn object(&mut self, tables: &[&str], value: &Value, at: &str) -> bool {
        let Some(object) = value.as_object() else { return false };
        let page = self.page;
        let mut documented = BTreeMap::new();
        for name in tables {
            let Some(table) = page.tables.get(*name) else {
                self.problems.insert(format!("{at}: there is no table `{name}`"));
                continue;
            };
            documented.extend(table.iter().map(|(member, kind)| (member, (*name, kind))));
        }
        self.lacks(&documented, object, at);
        for (member, value) in object {
            let Some((table, (kind, _))) = documented.get(member) else {
                self.problems.insert(format!("{at}: `{member}` is printed and not documented"));
                continue;
            };
            self.seen.insert(((*table).to_owned(), member.clone()));
            if !self.fits(kind, value, &format!("{at}.{member}")) {
                let shown: String = value.to_string().chars().take(80).collect();
                self.problems.insert(format!("{table}: `{member}` is documented as {kind}, and is {shown}"));
            }
        }
        true
    }

    fn lacks(&mut self, documented: &BTreeMap<&String, (&str, &(String, bool))>, object: &Map<String, Value>, at: &str) {
        for (member, (table, (_, may_lack))) in documented {
            if !may_lack && !object.contains_key(*member) {
                self.problems.insert(format!("{table}: `{member}` is documented as always there, and lacks in {at}"));
            }
        }
    }

    fn fits(&mut self, kind: &str, value: &Value, at: &str) -> bool {
        if kind.contains(" or ") {
            return kind.split(" or ").any(|kind| self.fits(kind, value, at));
        }
        if let Some(kind) = kind.strip_prefix("list of ") {
            return value.as_array().is_some_and(|items| items.iter().all(|item| self.fits(kind, item, at)));
        }
        if let Some(kind) = kind.strip_prefix("map of ") {
            return value.as_object().is_some_and(|map| map.values().all(|item| self.fits(kind, item, at)));
        }
        match kind {
            "any" => true,
            "null" => value.is_null(),
            "flag" => value.is_boolean(),
            "number" => value.is_number(),
            "text" => value.is_string(),
            "time" => value.as_str().is_some_and(|time| time.ends_with('Z') && time.parse::<jiff::Timestamp>().is_ok()),
            quoted if quoted.starts_with('"') => value.as_str() == Some(quoted.trim_matches('"')),
            table => self.object(&[table], value, at),
        }
    }
}

#[test]
fn every_difference_is_seen() {
    let table = |members: &[(&str, &str, bool)]| -> Table {
        members.iter().map(|(name, kind, may_lack)| ((*name).to_owned(), ((*kind).to_owned(), *may_lack))).collect()
    };
    let tables = BTreeMap::from([
        ("a".to_owned(), table(&[("code", "\"x\" or \"y\"", false), ("when", "time", false), ("more", "list of b", true)])),
        ("b".to_owned(), table(&[("n", "number or null", false), ("never", "text", true)])),
    ]);
    let page = Page { tables, exits: Vec::new() };
    let mut checker = Checker::new(&page);
    checker.object(&["a"], &serde_json::json!({ "code": "z", "more": [{ "n": null }, { "n": "1" }], "extra": 1 }), "a");
    for member in page.tables["b"].keys() {
        assert_eq!(checker.seen.contains(&("b".to_owned(), member.clone())), member == "n");
    }
    let told: Vec<String> = checker.problems.into_iter().collect();
    assert_eq!(
        told,
        [
            "a: `code` is documented as \"x\" or \"y\", and is \"z\"",
            "a: `extra` is printed and not documented",
            "a: `when` is documented as always there, and lacks in a",
            "b: `n` is documented as number or null, and is \"1\"",
        ]
    );
}
