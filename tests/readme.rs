//! README.md shows what is really printed. `UPDATE_README=1 cargo test --test readme` writes it anew.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use sidestep::runbook::{VariableSources, built_in, resolve};

const BEGIN: &str = "<!-- rehearse -->\n```text\n";
const END: &str = "```\n<!-- /rehearse -->";

#[test]
fn the_readme_shows_the_rehearsals_real_output() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(&path).expect("README.md can be read");
    let from = readme.find(BEGIN).expect("the block begins") + BEGIN.len();
    let to = from + readme[from..].find(END).expect("the block ends");

    let output = Command::new(env!("CARGO_BIN_EXE_sidestep")).arg("rehearse").env_clear().output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // What is said comes on stderr while it happens, the results on stdout at the end: as on a terminal.
    let shown = format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));

    if std::env::var_os("UPDATE_README").is_some() {
        let updated = format!("{}{shown}{}", &readme[..from], &readme[to..]);
        std::fs::write(&path, updated).expect("README.md can be written");
    } else {
        assert_eq!(&readme[from..to], shown, "run `UPDATE_README=1 cargo test --test readme`");
    }
}

/// The page of findings is made from the checks and from the shipped runbooks.
#[test]
fn every_finding_is_documented() {
    const BEGIN: &str = "<!-- findings -->\n";
    const END: &str = "<!-- /findings -->";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/findings.md");
    let page = std::fs::read_to_string(&path).expect("the page can be read");
    let from = page.find(BEGIN).expect("the tables begin") + BEGIN.len();
    let to = from + page[from..].find(END).expect("the tables end");
    let mut made = sidestep::plan::checks::table();
    for (name, variables) in SHIPPED {
        let sources = VariableSources { command_line: pairs(variables), ..VariableSources::default() };
        let runbook = resolve(built_in(name).expect("it is shipped"), &sources).expect("it resolves");
        made.push_str(&format!("\n## Declared by `{name}`\n\n| id | severity | appears when |\n| --- | --- | --- |\n"));
        for declared in &runbook.findings {
            let severity = format!("{:?}", declared.finding.severity).to_lowercase();
            made.push_str(&format!("| `{}` | {severity} | {} |\n", declared.finding.id, declared.about));
        }
    }
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(&path, format!("{}{made}{}", &page[..from], &page[to..])).expect("the page can be written");
    } else {
        assert_eq!(&page[from..to], made, "run `UPDATE_README=1 cargo test --test readme`");
    }
}

/// The shipped runbooks, with what they need to be resolved.
const SHIPPED: &[(&str, &[(&str, &str)])] = &[
    ("jaeger-sidecar-to-shared", NEEDED),
    ("otel-collector-sidecar-to-shared", NEEDED),
    ("xray-daemon-sidecar-to-shared", NEEDED),
];
const NEEDED: &[(&str, &str)] = &[("project_name", "nexus-ai"), ("environment", "staging"), ("aws_region", "us-west-2")];

fn pairs(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The page of guarantees names every invariant that is checked, in the code's own words, and no other.
#[test]
fn the_invariants_are_those_of_the_code() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/guarantees.md")).expect("the page");
    let table = page.split("## What carries them").next().expect("a first part");
    let told: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
    let known: Vec<String> =
        sidestep::drill::invariants::INVARIANTS.iter().map(|known| format!("| `{}` | {} |", known.name, known.says)).collect();
    assert_eq!(told, known);
}

/// The page of guarantees tells the sums of all swarms in docs/swarm.tsv, by what they ran on.
#[test]
fn the_runs_of_all_swarms_are_told() {
    let root = env!("CARGO_MANIFEST_DIR");
    let table = std::fs::read_to_string(format!("{root}/docs/swarm.tsv")).expect("the table");
    let page = std::fs::read_to_string(format!("{root}/docs/guarantees.md")).expect("the page");
    let mut grounds: BTreeMap<&str, [u64; 3]> = BTreeMap::new();
    for line in table.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        let number = |cell: &str| cell.parse::<u64>().unwrap_or_else(|_| panic!("`{cell}` is not a number"));
        let sums = grounds.entry(cells[2]).or_default();
        for (sum, cell) in sums.iter_mut().zip(&cells[4..]) {
            *sum += number(cell);
        }
    }
    let all = |place: usize| grounds.values().map(|sums| sums[place]).sum::<u64>();
    let (runs, broken, seconds) = (all(0), all(1), all(2));
    let mut told: Vec<String> =
        grounds.iter().map(|(ground, [runs, broken, _])| format!("| `{ground}` | {runs} | {broken} |")).collect();
    told.push(format!("**{runs} runs, {broken} broken, {:.1} a second**", runs as f64 / seconds as f64));
    for words in told {
        assert!(page.contains(&words), "docs/guarantees.md does not tell {words}");
    }
}
