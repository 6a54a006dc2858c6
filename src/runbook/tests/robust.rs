//! No text makes it panic, hang or go wrong silently.

use proptest::prelude::*;

use super::*;
use crate::runbook::built_in;

/// Pieces that HCL is made of: strung together at random they get further than random characters.
const PIECES: &[&str] = &[
    "runbook ",
    "target ",
    "stage ",
    "variable ",
    "locals ",
    "\"a\" ",
    "\"b\" ",
    "{",
    "}",
    "{\n",
    "\n}\n",
    "\n",
    "\r\n",
    "a",
    "type",
    "default",
    " = ",
    "=",
    "var.a",
    "local.a",
    "local.b",
    "\"",
    "\"${",
    "}\"",
    "${",
    "%{ if true }",
    "%{ endif }",
    "%{ for x in [1] }",
    "%{ endfor }",
    "[",
    "]",
    "(",
    ")",
    ",",
    "1",
    "0",
    "-1",
    "1e9",
    "99999999999999999999",
    "null",
    "true",
    "false",
    " + ",
    " - ",
    " * ",
    " / ",
    " % ",
    " && ",
    " == ",
    " ? ",
    " : ",
    "!",
    "-",
    ".",
    "[0]",
    "[*]",
    ".*",
    "[for x in ",
    "{for k, v in ",
    " : ",
    " => ",
    "...",
    " if ",
    "<<EOT\n",
    "<<-EOT\n",
    "\nEOT\n",
    "#",
    "//",
    "/*",
    "*/",
    "\\",
    "\\u00e9",
    "é",
    "迁",
    "\u{feff}",
    "\u{0}",
    "string",
    "list(string)",
    "object({",
    "optional(",
    "upper(",
    "format(",
    "replace(",
    "join(",
    "validation {\n",
    "condition = ",
    "error_message = ",
    "~}",
    "${~ ",
];

fn either_way(text: &str, sources: &VariableSources) {
    match resolved(text, sources) {
        Ok(_) => {}
        Err(problems) => {
            assert!(!problems.is_empty());
            for problem in problems {
                assert!(!render_problem(&problem).is_empty());
                if let Some(span) = problem.span {
                    assert!(span.range.start <= span.range.end && span.range.end <= span.file.text.len(), "{span:?}");
                    assert!(span.file.text.is_char_boundary(span.range.start), "{span:?}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let text = String::from_utf8_lossy(&bytes);
        either_way(&text, &sources(&[("t", &text)], &[("a", &text)], &[("TF_VAR_a", &text)]));
    }

    #[test]
    fn arbitrary_pieces(pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..60)) {
        let text = pieces.concat();
        either_way(&text, &sources(&[("t", &text)], &[], &[]));
        either_way(&with_stage(&text), &VariableSources::default());
    }

    #[test]
    fn arbitrary_expressions(pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..12)) {
        let text = with_stage(&format!("variable \"a\" {{\n  default = [1, {{ b = 2 }}]\n}}\nlocals {{\n  a = {}\n  b = local.a\n}}", pieces.concat()));
        either_way(&text, &VariableSources::default());
    }

    #[test]
    fn the_shipped_runbook_with_a_hole(start in 0_usize..10_000, length in 1_usize..60, with in proptest::sample::select(PIECES)) {
        let file = built_in("jaeger-sidecar-to-shared").expect("it is shipped");
        let chars: Vec<char> = file.text.chars().collect();
        let start = start % chars.len();
        let end = (start + length).min(chars.len());
        let text: String = chars[..start].iter().copied().chain(with.chars()).chain(chars[end..].iter().copied()).collect();
        either_way(&text, &sources(&[("t", include_str!("../../../tests/worlds/nexus-ai-dev.tfvars"))], &[], &[]));
    }
}

#[test]
fn deep_and_long_texts_end() {
    let deep = [
        ("(", ")"),
        ("[", "]"),
        ("{a=", "}"),
        ("!", ""),
        ("-", ""),
        ("\"${", "}\""),
        ("upper(", ")"),
        ("1+", "1"),
        ("true?1:", "1"),
        ("[for x in ", ": x]"),
    ];
    for (open, close) in deep {
        for count in [10, 60, 70, 1000, 20_000] {
            either_way(
                &with_stage(&format!("locals {{\n  a = {}1{}\n}}", open.repeat(count), close.repeat(count))),
                &VariableSources::default(),
            );
        }
    }
    for repeated in
        ["a {\n", "a \"b\" {\n", "/*", "<<A\n", "\"", "${", "${\"", "%{ if true }", "a.b", "[0]", "a = 1\n", ".a", "[*]"]
    {
        either_way(&repeated.repeat(3000), &VariableSources::default());
        either_way(&with_stage(&format!("locals {{\n  a = {}\n}}", repeated.repeat(3000))), &VariableSources::default());
    }
    let chain: String = (0..5000).map(|n| format!("  l{n} = local.l{}\n", n + 1)).collect();
    either_way(&with_stage(&format!("locals {{\n{chain}}}")), &VariableSources::default());
}

#[test]
fn large_files_take_no_longer_than_they_must() {
    let lines = |line: fn(usize) -> String| (0..2000).map(line).collect::<String>();
    let many = [
        lines(|n| format!("b{n} {{\n}}\n")),
        lines(|n| format!("a{n} = {n}\n")),
        lines(|n| format!("variable \"v{n}\" {{\n}}\n")),
        format!("locals {{\n{}}}\n", lines(|n| format!("a{n} = var.zzzz{n}\n"))),
        format!("locals {{\n  a = {{ {} }}\n}}\n", lines(|n| format!("a{n} = {n}, "))),
        format!("stage \"a\" \"b\" {{\n{}}}\n", lines(|n| format!("b \"{n}\" {{\n}}\n"))),
        format!("stage \"a\" \"b\" {{\n{}}}\n", lines(|n| format!("b{n} {{\n}}\n"))),
    ];
    for text in many {
        either_way(&format!("{HEAD}{text}"), &VariableSources::default());
    }
}
