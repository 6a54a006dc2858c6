//! Holds the crate to the map at the head of `src/lib.rs`: who may import whom, and what a file may look like.
//!
//! The sources are read as text. Comments and the insides of string literals are blanked first, line by line, so that neither
//! can hide or feign a path, and so that a snapshot in a test counts as one line.
//!
//! | rule | holds for |
//! | --- | --- |
//! | a module imports what its row of the map names, and itself | code that ships |
//! | AWS's SDK crates are named under `src/aws` only | code that ships |
//! | nothing prints but `ui` and `cli` | code that ships |
//! | no sidecar is named: a runbook says which, in words too | code that ships, but the simulator and the API clients that runbooks choose |
//! | a file begins with its module doc | everything but unit tests, which the module beside them describes |
//! | a file has at most 700 lines, a function at most 90 lines of code | everything |
//!
//! "Code that ships" leaves out what stands behind `#[cfg(test)]`, files declared so included: a test may tie parts together.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::path::Path;

const MOST_FILE_LINES: usize = 700;
const MOST_FUNCTION_LINES: usize = 90;
const PRINTERS: &[&str] = &["println!", "eprintln!", "print!", "eprint!", "dbg!"];
/// What a runbook moves is for the runbook to say.
const SIDECARS: &[&str] = &["jaeger", "otel-collector", "x-ray", "xray-daemon"];
/// Where it is named all the same: the table of shipped runbooks and its default, and the query API that a runbook may choose.
const NAMES_A_SIDECAR: &[&str] = &[
    "src/sim/",
    "src/runbook/built_in.rs",
    "src/cli/runbooks.rs",
    "src/stages/span_api/jaeger_query.rs",
    // Where the adapter is named as a module.
    "src/stages/span_api.rs",
];
/// The binary parses, calls and exits; all else is behind `cli`.
const MAIN_IMPORTS: &[&str] = &["cli", "model"];

// ---- The tests ------------------------------------------------------------------------------------------------------

#[test]
fn the_crate_keeps_to_its_map() {
    let tree = Tree::read();
    assert!(tree.files.len() > 50, "only {} files were found: is this still the crate's root?", tree.files.len());
    let violations = tree.violations();
    assert!(violations.is_empty(), "\n{}", report(&violations));
}

#[test]
fn the_map_names_every_module_and_no_other() {
    let tree = Tree::read();
    let declared: BTreeSet<_> = tree.files["src/lib.rs"]
        .code
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub mod ")?.strip_suffix(';').map(str::to_owned))
        .collect();
    let mapped: BTreeSet<_> = tree.map.keys().cloned().collect();
    assert_eq!(declared, mapped);
}

#[test]
fn every_rule_sees_its_violation() {
    let seen = |path: &str, text: &str| report(&fake(&[(path, text)]).violations());
    assert_eq!(
        seen("src/model/fake.rs", "//! Doc.\nuse std::fmt;\nuse crate::ui::Style;\n"),
        "src/model/fake.rs:3: `model` must not import `ui`: its row of the map in src/lib.rs says what it may\n"
    );
    assert_eq!(
        seen("src/ui/fake.rs", "//! Doc.\nuse crate::{model::{Plan, engine}, journal::{self, Store}, engine};\n"),
        "src/ui/fake.rs:2: `ui` must not import `engine`: its row of the map in src/lib.rs says what it may\n\
         src/ui/fake.rs:2: `ui` must not import `journal`: its row of the map in src/lib.rs says what it may\n"
    );
    assert!(
        seen("src/sim/deep/fake.rs", "//! Doc.\nfn f() {\n    super::super::super::model::f();\n}\n").contains("fake.rs:3: `sim`")
    );
    assert!(seen("src/sim/fake.rs", "//! Doc.\nmod inner {\n    use super::super::super::aws::X;\n}\n").contains("import `aws`"));
    assert!(seen("src/sim/fake.rs", "//! Doc.\nuse crate::*;\n").contains("import `*`"));
    assert!(
        seen("src/main.rs", "//! Doc.\nfn main() {\n    sidestep::engine::go();\n}\n").contains("`main` must not import `engine`")
    );
    assert!(seen("src/plan/fake.rs", "//! Doc.\nuse aws_sdk_ecs::Client;\n").contains("fake.rs:2: AWS's SDK crates"));
    assert!(seen("src/journal/fake.rs", "//! Doc.\nfn f() {\n    eprintln!(\"x\");\n}\n").contains("fake.rs:3: `eprintln!`"));
    assert!(seen("src/ui/fake.rs", "use std::fmt;\n").contains("fake.rs:1: no module doc"));
    let long_file = format!("//! Doc.\n{}", "//\n".repeat(MOST_FILE_LINES));
    assert!(seen("src/ui/fake.rs", &long_file).contains("fake.rs:701: 701 lines"));
    let long_function = format!("//! Doc.\nfn long() {{\n{}}}\n", "    f();\n".repeat(MOST_FUNCTION_LINES));
    assert!(seen("tests/fake.rs", &long_function).contains("fake.rs:2: `long` has 92 lines of code"));
    assert_eq!(
        seen("src/stages/fake.rs", "//! Doc of Jaeger.\nfn fix() -> &'static str {\n    \"set `jaeger_image`\"\n}\n"),
        "src/stages/fake.rs:3: `jaeger` is named: let the runbook say it\n"
    );
}

#[test]
fn what_a_rule_allows_passes() {
    let quiet = |files: &[(&str, &str)]| assert_eq!(report(&fake(files).violations()), "");
    quiet(&[("src/ui/fake.rs", "//! Doc: not crate::engine.\nuse crate::model::Plan;\nuse super::style;\nuse crate::ui::Out;\n")]);
    quiet(&[(
        "src/ui/fake.rs",
        "//! Doc.\nconst A: &str = \"use crate::engine; println!\"; // crate::sim\nconst B: char = '\"';\n",
    )]);
    quiet(&[("src/ui/fake.rs", "//! Doc.\nfn f<'a>(x: &'a str) -> &'a str {\n    /* crate::sim /* still */ crate::aws */ x\n}\n")]);
    quiet(&[("src/ui/fake.rs", "//! Doc.\nconst A: &str = r#\"say \"crate::engine\" \"#;\nfn f() {\n    println!();\n}\n")]);
    quiet(&[
        ("src/cli/fake.rs", "//! Doc.\nuse crate::{engine, sim, ui};\n"),
        ("src/aws/fake.rs", "//! Doc.\nuse aws_sdk_ecs::Client;\n"),
    ]);
    quiet(&[("src/plan/fake.rs", "//! Doc.\n#[cfg(test)]\nmod tests {\n    use crate::sim;\n    use aws_sdk_ecs::Client;\n}\n")]);
    quiet(&[
        ("src/sim/mod.rs", "//! Doc.\n#[cfg(test)]\nmod proof;\n"),
        ("src/sim/proof.rs", "//! Doc.\nuse aws_sdk_ecs::Client;\n"),
    ]);
    let snapshot = format!("//! Doc.\nfn f() {{\n    let s = r\"\n{}\";\n}}\n", "line\n".repeat(200));
    quiet(&[("src/ui/fake.rs", &snapshot)]);
}

fn fake(files: &[(&str, &str)]) -> Tree {
    let map = std::fs::read_to_string(root().join("src/lib.rs")).expect("the map");
    let lib = [("src/lib.rs", map.as_str())];
    Tree::new(lib.iter().chain(files).map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
}

fn report(violations: &[Violation]) -> String {
    violations.iter().map(|violation| format!("{violation}\n")).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

// ---- The rules ------------------------------------------------------------------------------------------------------

struct Violation {
    file: String,
    line: usize,
    rule: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.rule)
    }
}

/// The sources, and what the map says.
struct Tree {
    files: BTreeMap<String, Source>,
    /// Module → what it may import; `None`: everything.
    map: BTreeMap<String, Option<BTreeSet<String>>>,
}

impl Tree {
    fn read() -> Self {
        let mut texts = BTreeMap::new();
        for folder in ["src", "tests", "benches"] {
            collect(&root().join(folder), folder, &mut texts);
        }
        Self::new(texts)
    }

    fn new(texts: BTreeMap<String, String>) -> Self {
        let map = map(&texts["src/lib.rs"]);
        let mut files: BTreeMap<_, _> = texts.into_iter().map(|(path, text)| (path, Source::new(text))).collect();
        let declared: Vec<String> = files.iter().flat_map(|(path, source)| source.test_modules(path)).collect();
        for (path, source) in &mut files {
            let below = |module: &String| *path == format!("{module}.rs") || path.starts_with(&format!("{module}/"));
            source.is_test = !path.starts_with("src/") || declared.iter().any(below);
        }
        Self { files, map }
    }

    fn violations(&self) -> Vec<Violation> {
        let mut all = Vec::new();
        for (path, source) in &self.files {
            let mut found = source.shape(path.starts_with("src/"));
            if !source.is_test {
                found.extend(self.imports(path, source));
                found.extend(words(path, source));
            }
            let at = |(line, rule)| Violation { file: path.clone(), line, rule };
            all.extend(found.into_iter().map(at));
        }
        all
    }

    /// Imports that the map does not grant.
    fn imports(&self, path: &str, source: &Source) -> Vec<(usize, String)> {
        let from = module_path(path);
        let Some(part) = from.first().copied().or((path == "src/main.rs").then_some("main")) else { return Vec::new() };
        let granted: Option<BTreeSet<String>> = match part {
            "main" => Some(MAIN_IMPORTS.iter().map(|&name| name.to_owned()).collect()),
            part => self.map.get(part).cloned().unwrap_or_default(),
        };
        let Some(granted) = granted else { return Vec::new() };
        source
            .imported(from.len(), part == "main")
            .into_iter()
            .filter(|(at, name)| !source.in_test(*at) && name != part && !granted.contains(name))
            .map(|(at, name)| {
                let rule = format!("`{part}` must not import `{name}`: its row of the map in src/lib.rs says what it may");
                (source.line(at), rule)
            })
            .collect()
    }
}

/// Names that only some parts may use.
fn words(path: &str, source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    if !path.starts_with("src/aws/") {
        let rule = "AWS's SDK crates are named under src/aws only: give `aws` a function for it";
        found.extend(source.tokens("aws_sdk_").map(|at| (at, rule.to_owned())));
    }
    if !["src/ui/", "src/cli/", "src/main.rs"].iter().any(|allowed| path.starts_with(allowed)) {
        for name in PRINTERS {
            let rule = format!("`{name}` stands outside ui and cli: return what is to be said");
            found.extend(source.tokens(name).map(|at| (at, rule.clone())));
        }
    }
    if path.starts_with("src/") && !NAMES_A_SIDECAR.iter().any(|allowed| path.starts_with(allowed)) {
        let mut at = 0;
        for line in source.text.split_inclusive('\n') {
            let named = SIDECARS.iter().find(|sidecar| line.to_lowercase().contains(**sidecar));
            if let Some(sidecar) = named.filter(|_| !line.trim_start().starts_with("//")) {
                found.push((at, format!("`{sidecar}` is named: let the runbook say it")));
            }
            at += line.len();
        }
    }
    found.retain(|(at, _)| !source.in_test(*at));
    found.into_iter().map(|(at, rule)| (source.line(at), rule)).collect()
}

/// The rows of the map: ``| [`name`] | what it holds | `may`, `import` |``.
fn map(lib: &str) -> BTreeMap<String, Option<BTreeSet<String>>> {
    let row = |line: &str| {
        let mut cells = line.strip_prefix("//! | [`")?.split('|').map(str::trim);
        let name = cells.next()?.strip_suffix("`]")?.to_owned();
        let imports = cells.nth(1)?;
        // Every second piece between backticks is a name.
        let names = imports.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        Some((name, (imports != "everything").then_some(names)))
    };
    lib.lines().filter_map(row).collect()
}

/// `src/ui/lines/tests.rs` is `["ui", "lines", "tests"]`, `src/ui/mod.rs` is `["ui"]`, `src/lib.rs` is `[]`.
fn module_path(path: &str) -> Vec<&str> {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    inner.split('/').filter(|name| !["lib", "main"].contains(name)).collect()
}

fn collect(folder: &Path, shown: &str, into: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the crate") {
        let entry = entry.expect("an entry");
        let path = format!("{shown}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            collect(&entry.path(), &path, into);
        } else if path.ends_with(".rs") {
            into.insert(path, std::fs::read_to_string(entry.path()).expect("a source file"));
        }
    }
}

// ---- Reading a source file ------------------------------------------------------------------------------------------

struct Source {
    text: String,
    /// The text with comments and the insides of literals blanked; same length in bytes, same lines.
    code: String,
    /// Byte ranges of items behind `#[cfg(test)]`.
    tests: Vec<Range<usize>>,
    is_test: bool,
}

impl Source {
    fn new(text: String) -> Self {
        let code = blank(&text);
        let tests = find(&code, "#[cfg(test)]").map(|at| at..item_end(&code, at)).collect();
        Self { text, code, tests, is_test: false }
    }

    fn line(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }

    fn in_test(&self, at: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&at))
    }

    /// Where `token` begins, not as the end of a longer name.
    fn tokens<'a>(&'a self, token: &'a str) -> impl Iterator<Item = usize> + 'a {
        find(&self.code, token).filter(|&at| !self.code[..at].ends_with(in_name))
    }

    /// Files (without `.rs`) and folders of the modules that `path` declares behind `#[cfg(test)]`.
    fn test_modules(&self, path: &str) -> Vec<String> {
        let own = path.trim_end_matches(".rs");
        let folder = ["/mod", "/lib", "/main"].iter().find_map(|end| own.strip_suffix(end)).unwrap_or(own);
        let name = |range: &Range<usize>| {
            let item = self.code[range.clone()].trim().strip_suffix(';')?;
            let (_, name) = item.rsplit_once("mod ")?;
            Some(format!("{folder}/{}", name.trim()))
        };
        self.tests.iter().filter_map(name).collect()
    }

    /// Length, module doc, functions' lengths.
    fn shape(&self, in_src: bool) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        let is_unit_test = self.is_test && in_src;
        if !is_unit_test && !self.text.starts_with("//!") {
            found.push((1, "no module doc: begin with `//!` and what this file is".to_owned()));
        }
        let lines = self.text.lines().count();
        if lines > MOST_FILE_LINES {
            found.push((lines, format!("{lines} lines: at most {MOST_FILE_LINES}, a file holds one concept")));
        }
        for at in self.tokens("fn ") {
            let end = item_end(&self.code, at);
            let lines = self.code[at..end].lines().filter(|line| !line.trim().is_empty()).count();
            if lines > MOST_FUNCTION_LINES {
                let name: String = self.code[at + 3..].chars().take_while(|&c| in_name(c)).collect();
                let rule =
                    format!("`{name}` has {lines} lines of code: at most {MOST_FUNCTION_LINES}, a function fits on a screen");
                found.push((self.line(at), rule));
            }
        }
        found
    }

    /// The crate's modules that this file names, with the place. `depth` is how far below the root the file's module lies.
    fn imported(&self, depth: usize, from_outside: bool) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        let mut path = |at: usize, rest: usize| found.extend(heads(&self.code[rest..]).into_iter().map(|name| (at, name)));
        for at in self.tokens("crate::") {
            path(at, at + "crate::".len());
        }
        for at in self.tokens("sidestep::").filter(|_| from_outside) {
            path(at, at + "sidestep::".len());
        }
        let modules: Vec<_> = self.tokens("mod ").map(|at| at..item_end(&self.code, at)).collect();
        for at in self.tokens("super::").filter(|&at| !self.code[..at].ends_with("::")) {
            let supers = self.code[at..].split("::").take_while(|name| *name == "super").count();
            let inline = modules.iter().filter(|range| range.contains(&at)).count();
            if supers == depth + inline {
                path(at, at + supers * "super::".len());
            }
        }
        found.sort();
        found
    }
}

fn in_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn find<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word).map(|(at, _)| at)
}

/// First names of a path or group of paths: of `{a::b, c::{d, e}}` they are `a` and `c`.
fn heads(rest: &str) -> Vec<String> {
    let head = |text: &str| match text.trim_start() {
        glob if glob.starts_with('*') => "*".to_owned(),
        name => name.chars().take_while(|&c| in_name(c)).collect(),
    };
    let Some(group) = rest.strip_prefix('{') else { return vec![head(rest)] };
    let (mut names, mut depth, mut begin) = (Vec::new(), 0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            ',' if depth == 0 => {
                names.push(head(&group[begin..at]));
                begin = at + 1;
            }
            '}' if depth == 0 => {
                names.push(head(&group[begin..at]));
                break;
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// Where the item that begins at `at` ends: behind its `;`, or behind the brace that closes its body. Attributes before it and
/// brackets in its signature are passed over.
fn item_end(code: &str, at: usize) -> usize {
    let (mut brackets, mut braces) = (0_i32, 0_i32);
    for (offset, c) in code[at..].char_indices() {
        match c {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            '{' => braces += 1,
            '}' => braces -= 1,
            _ => {}
        }
        if (c == ';' && brackets == 0 && braces == 0) || (c == '}' && braces <= 0 && brackets <= 0) {
            return at + offset + 1;
        }
    }
    code.len()
}

/// Blanks comments and the insides of literals.
fn blank(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after_name = code.ends_with(in_name);
        let length = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => quoted(rest),
            'r' | 'b' | 'c' if !after_name => literal_with_prefix(rest),
            '\'' => character(rest),
            _ => 0,
        };
        if length == 0 {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            code.extend(rest[..length].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
            rest = &rest[length..];
        }
    }
    code
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let (step, change) = match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (2, 1),
            [b'*', b'/', ..] => (2, -1),
            _ => (1, 0),
        };
        at += step;
        depth += change;
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// The length of a literal that begins with `"`.
fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    rest.len()
}

/// The length of `r"…"`, `r#"…"#`, `b"…"`, `br"…"`, `c"…"`; 0 where it is only a name that begins so.
fn literal_with_prefix(rest: &str) -> usize {
    let prefix = rest.find(|c| !"rbc".contains(c)).unwrap_or(rest.len());
    let hashes = rest[prefix..].find(|c| c != '#').unwrap_or(0);
    if prefix > 2 || !rest[prefix + hashes..].starts_with('"') {
        return 0;
    }
    if !rest[..prefix].contains('r') {
        return prefix + quoted(&rest[prefix..]);
    }
    let begin = prefix + hashes + 1;
    let close = format!("\"{}", "#".repeat(hashes));
    rest[begin..].find(&close).map_or(rest.len(), |end| begin + end + close.len())
}

/// The length of a character literal; 0 for a lifetime.
fn character(rest: &str) -> usize {
    let mut characters = rest.char_indices().skip(1);
    match characters.next() {
        Some((_, '\\')) => rest[2..].char_indices().skip(1).find(|(_, c)| *c == '\'').map_or(0, |(end, _)| 2 + end + 1),
        Some(_) => characters.next().filter(|(_, c)| *c == '\'').map_or(0, |(end, _)| end + 1),
        None => 0,
    }
}
