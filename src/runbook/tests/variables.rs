//! Where values come from, and what is said of bad ones.

use serde_json::json;

use super::*;
use crate::model::Origin;

const CPU: &str = "variable \"cpu\" {\n  type    = number\n  default = 1024\n}";

fn value(declaration: &str, sources: &VariableSources, name: &str) -> (Value, Origin) {
    match resolved(&with_stage(declaration), sources) {
        Ok(runbook) => (runbook.variables[name].value.clone(), runbook.variables[name].origin.clone()),
        Err(problems) => panic!("{}", rendered(&problems)),
    }
}

fn bad(declaration: &str, sources: &VariableSources) -> String {
    problems(&with_stage(declaration), sources)
}

#[test]
fn a_later_source_wins() {
    let files: &[(&str, &str)] = &[("a.tfvars", "cpu = 3"), ("b.tfvars", "cpu = 4")];
    let env: &[(&str, &str)] = &[("SIDESTEP_VAR_cpu", "2"), ("TF_VAR_cpu", "1")];
    let line: &[(&str, &str)] = &[("cpu", "5"), ("cpu", "6")];
    let cpu = |files: &[(&str, &str)], line: &[(&str, &str)], env: &[(&str, &str)]| value(CPU, &sources(files, line, env), "cpu");
    assert_eq!(cpu(&[], &[], &[]).0, 1024);
    assert!(matches!(cpu(&[], &[], &[]).1, Origin::Default(span) if &span.file.text[span.range.clone()] == "1024"));
    assert_eq!(cpu(&[], &[], &env[1..]), (json!(1), Origin::Environment("TF_VAR_cpu".into())));
    assert_eq!(cpu(&[], &[], env), (json!(2), Origin::Environment("SIDESTEP_VAR_cpu".into())));
    assert_eq!(cpu(&files[..1], &[], env).0, 3);
    assert_eq!(cpu(files, &[], env).0, 4);
    assert!(matches!(cpu(files, &[], env).1, Origin::VarFile(span) if span.file.path == "b.tfvars" && span.range == (6..7)));
    assert_eq!(cpu(files, &line[..1], env), (json!(5), Origin::CommandLine));
    assert_eq!(cpu(files, line, env).0, 6);
}

#[test]
fn a_variable_file_in_json_is_read_as_terraform_reads_it() {
    let declared = format!("{CPU}\nvariable \"more\" {{\n  type = any\n  default = 0\n}}");
    let text =
        r#"{ "//": "a comment", "cpu": "4", "more": { "a": ["${x}", 1.5, -3, null, true], "b\u00e9": {} }, "undeclared": [] }"#;
    let given = sources(&[("a.tfvars", "cpu = 3"), ("b.tfvars.json", text)], &[], &[]);
    assert_eq!(value(&declared, &given, "cpu").0, 4, "a later file wins, and a text converts");
    // As a text it stands: nothing in it is evaluated.
    assert_eq!(value(&declared, &given, "more").0, json!({ "a": ["${x}", 1.5, -3, null, true], "bé": {} }));
    let given = sources(&[("b.tfvars.json", r#"{ "cpu": 5 }"#), ("a.tfvars", "cpu = 6")], &[], &[]);
    assert_eq!(value(CPU, &given, "cpu").0, 6);
    assert_eq!(value(CPU, &sources(&[("terraform.tfvars.json", "\u{feff}{\n}\n")], &[], &[]), "cpu").0, 1024);
}

#[test]
fn what_is_wrong_in_json_is_told_with_its_place() {
    let declared = "variable \"names\" {\n  type = list(string)\n}";
    let said = |text: &str| bad(declared, &sources(&[("v.tfvars.json", text), ("w.tfvars", "names = []")], &[], &[]));
    insta::assert_snapshot!(
        bad(declared, &sources(&[("v.tfvars.json", "{\n  \"names\": [\"a\",\n    {\"b\": 1}]\n}")], &[], &[])),
        @r#"
    error: variable `names[1]` wants a string, not a map
     --> v.tfvars.json:3:5
      |
    3 |     {"b": 1}]
      |     ^^^^^^^^
      hint: write "names": ["…"]
    "#
    );
    insta::assert_snapshot!(bad(CPU, &sources(&[("v.tfvars.json", "{ \"cpu\": \"much\" }")], &[], &[])), @r#"
    error: variable `cpu` wants a number, not "much"
     --> v.tfvars.json:1:10
      |
    1 | { "cpu": "much" }
      |          ^^^^^^
      hint: write "cpu": 1024
    "#);
    for (text, place, words) in [
        ("", "1:1", "a value is expected here"),
        ("[1]", "1:1", "a variable file in JSON is one object"),
        ("names = []", "1:1", "`names` is no value: a text stands in quotes"),
        ("{\n  names: []\n}", "2:3", "a name in quotes is expected here"),
        ("{\"names\" = []}", "1:10", "a `:` is expected here"),
        ("{\"names\": []\n\"b\": 1}", "2:1", "a `,` or `}` is expected here"),
        ("{\"names\": [\"a\" \"b\"]}", "1:16", "a `,` or `]` is expected here"),
        ("{\"names\": [],}", "1:14", "a name in quotes is expected here"),
        ("{\"names\": [], \"names\": []}", "1:15", "`names` is set a second time in the same object"),
        ("{\"names\": 'a'}", "1:11", "a value is expected here"),
        ("{\"names\": \"a\n\"}", "1:11", "this text is never closed"),
        ("{\"names\": \"\\q\"}", "1:11", "this text has an escape or a character that JSON does not know"),
        ("{\"names\": 01}", "1:11", "`01` is no value: a text stands in quotes"),
        ("{} {}", "1:4", "nothing may follow the object"),
    ] {
        let said = said(text);
        assert!(
            said.contains(&format!("error: {words}\n")) && said.contains(&format!("--> v.tfvars.json:{place}\n")),
            "{text}: {said}"
        );
    }
}

#[test]
fn null_means_not_set_unless_it_may_be_a_value() {
    let nulls = sources(&[("a.tfvars", "cpu = 3"), ("b.tfvars", "cpu = null")], &[("cpu", "null")], &[]);
    assert_eq!(value(CPU, &nulls, "cpu").0, 3);
    let nullable = "variable \"cpu\" {\n  type     = number\n  default  = 1024\n  nullable = true\n}";
    assert_eq!(value(nullable, &nulls, "cpu").0, Value::Null);
    insta::assert_snapshot!(bad("variable \"cpu\" {\n  type = number\n}", &nulls_only()), @r#"
    error: variable `cpu` has no value
      --> my.hcl:10:1
       |
    10 | variable "cpu" {
       | ^^^^^^^^^^^^^^
      hint: set it with --var cpu=… or in a --var-file
    "#);
}

fn nulls_only() -> VariableSources {
    sources(&[("a.tfvars", "cpu = null")], &[], &[])
}

#[test]
fn primitives_convert_as_in_terraform() {
    let declare = |wanted: &str| format!("variable \"x\" {{\n  type = {wanted}\n}}");
    let cases = [
        ("string", "1024", json!("1024")),
        ("string", "true", json!("true")),
        ("number", "\"1024\"", json!(1024)),
        ("number", "\"1.50\"", json!(1.5)),
        ("bool", "\"true\"", json!(true)),
        ("list(string)", "[1, true]", json!(["1", "true"])),
        ("list", "[1, \"a\"]", json!([1, "a"])),
        ("set(string)", "[\"b\", \"a\", \"b\"]", json!(["a", "b"])),
        ("map(number)", "{ a = \"1\" }", json!({ "a": 1 })),
        ("tuple([string, number])", "[1, \"2\"]", json!(["1", 2])),
        (
            "object({ a = number, b = optional(bool, true), c = optional(string) })",
            "{ a = \"5\", other = 1 }",
            json!({ "a": 5, "b": true, "c": null }),
        ),
        ("any", "{ a = [1] }", json!({ "a": [1] })),
    ];
    for (wanted, given, expected) in cases {
        let text = format!("x = {given}");
        assert_eq!(value(&declare(wanted), &sources(&[("t", &text)], &[], &[]), "x").0, expected, "{wanted} {given}");
    }
}

#[test]
fn bare_text_is_text_for_primitives_and_an_expression_else() {
    let declare = |wanted: &str| format!("variable \"x\" {{\n  type = {wanted}\n}}");
    let cases = [
        ("string", "[1]", json!("[1]")),
        ("string", "", json!("")),
        ("string", "\"q\"", json!("\"q\"")),
        ("number", "7", json!(7)),
        ("bool", "false", json!(false)),
        ("list(string)", "[\"a\", \"b\"]", json!(["a", "b"])),
        ("map(string)", "{ a = 1 }", json!({ "a": "1" })),
        ("any", "plain", json!("plain")),
        ("any", "[1]", json!([1])),
    ];
    for (wanted, given, expected) in cases {
        assert_eq!(value(&declare(wanted), &sources(&[], &[("x", given)], &[]), "x").0, expected, "{wanted} {given}");
        let env = sources(&[], &[], &[("TF_VAR_x", given)]);
        assert_eq!(value(&declare(wanted), &env, "x").0, expected, "{wanted} {given}");
    }
}

#[test]
fn a_missing_value() {
    insta::assert_snapshot!(bad("variable \"project_name\" {\n  type = string\n}", &VariableSources::default()), @r#"
    error: variable `project_name` has no value
      --> my.hcl:10:1
       |
    10 | variable "project_name" {
       | ^^^^^^^^^^^^^^^^^^^^^^^
      hint: set it with --var project_name=… or in a --var-file
    "#);
}

#[test]
fn wrong_types_in_a_variable_file() {
    let declared = format!(
        "{CPU}\nvariable \"names\" {{\n  type = list(string)\n}}\nvariable \"on\" {{\n  type = bool\n}}\nvariable \"tags\" {{\n  type = map(string)\n}}\nvariable \"pair\" {{\n  type = object({{ a = number }})\n}}"
    );
    let file = "cpu   = \"abc\"\nnames = [\"a\", { b = 1 }]\non    = 7\ntags  = { Team = [] }\npair  = { b = 1 }\n";
    insta::assert_snapshot!(bad(&declared, &sources(&[("terraform.tfvars", file)], &[], &[])), @r#"
    error: variable `cpu` wants a number, not "abc"
     --> terraform.tfvars:1:9
      |
    1 | cpu   = "abc"
      |         ^^^^^
      hint: write cpu = 1024
    error: variable `names[1]` wants a string, not a map
     --> terraform.tfvars:2:15
      |
    2 | names = ["a", { b = 1 }]
      |               ^^^^^^^^^
      hint: write names = ["…"]
    error: variable `on` wants true or false, not 7
     --> terraform.tfvars:3:9
      |
    3 | on    = 7
      |         ^
      hint: write on = true
    error: variable `tags.Team` wants a string, not a list
     --> terraform.tfvars:4:18
      |
    4 | tags  = { Team = [] }
      |                  ^^
      hint: write tags = { name = "…" }
    error: variable `pair` wants a member `a`: a number
     --> terraform.tfvars:5:9
      |
    5 | pair  = { b = 1 }
      |         ^^^^^^^^^
      hint: write pair = { a = 1 }
    "#);
}

#[test]
fn wrong_types_elsewhere() {
    let declared = format!(
        "{CPU}\nvariable \"on\" {{\n  type = bool\n}}\nvariable \"names\" {{\n  type = list(string)\n}}\nvariable \"other\" {{\n  type = list(string)\n}}"
    );
    let sources = sources(&[], &[("cpu", "abc"), ("names", "[a"), ("other", "a")], &[("TF_VAR_on", "maybe")]);
    insta::assert_snapshot!(bad(&declared, &sources), @r#"
    error: variable `cpu` wants a number, not "abc" (from --var)
      hint: write --var cpu=1024
    error: variable `on` wants true or false, not "maybe" (from TF_VAR_on in the environment)
      hint: set TF_VAR_on=true
    error: variable `names` (from --var): it is no HCL value: expected `]`
      hint: write --var names='["…"]'
    error: variable `other` (from --var): this value cannot refer to `a`
      hint: write a constant; a text stands in quotes: "a"
    "#);
}

#[test]
fn an_unknown_variable_on_the_command_line_is_a_problem_in_a_file_it_is_not() {
    let text = with_stage(CPU);
    insta::assert_snapshot!(problems(&text, &sources(&[], &[("cpus", "1"), ("qqqqqqqq", "1")], &[])), @r#"
    error: --var cpus: the runbook has no variable `cpus`
      hint: did you mean `cpu`?
    error: --var qqqqqqqq: the runbook has no variable `qqqqqqqq`
      hint: variables: cpu
    "#);
    assert!(resolved(&text, &sources(&[("t", "cpus = 1")], &[], &[("TF_VAR_cpus", "1")])).is_ok());
}

#[test]
fn a_variable_file_holds_constants_only() {
    let file = "cpu = var.other\nb {\n}\nnames = upper(\"x\")\n";
    let declared = format!("{CPU}\nvariable \"names\" {{\n  default = 1\n}}");
    insta::assert_snapshot!(bad(&declared, &sources(&[("terraform.tfvars", file)], &[], &[])), @r#"
    error: a variable file cannot refer to `var.other`
     --> terraform.tfvars:1:7
      |
    1 | cpu = var.other
      |       ^^^
      hint: write a constant; a text stands in quotes: "var.other"
    error: a variable file holds NAME = VALUE, not the block `b`
     --> terraform.tfvars:2:1
      |
    2 | b {
      | ^
      hint: a map is written b = { … }
    error: a variable file cannot call `upper`
     --> terraform.tfvars:4:9
      |
    4 | names = upper("x")
      |         ^^^^^
      hint: write a constant
    "#);
}

const CHECKED: &str = "variable \"cpu\" {\n  type    = number\n  default = 1024\n  validation {\n    condition     = var.cpu >= 256\n    error_message = \"cpu is ${var.cpu}, and Fargate starts at 256.\"\n  }\n}";

#[test]
fn validations() {
    assert_eq!(value(CHECKED, &VariableSources::default(), "cpu").0, 1024);
    insta::assert_snapshot!(bad(CHECKED, &sources(&[("terraform.tfvars", "cpu = 128")], &[], &[])), @r#"
    error: variable `cpu`: cpu is 128, and Fargate starts at 256
     --> terraform.tfvars:1:7
      |
    1 | cpu = 128
      |       ^^^
      hint: the rule is in my.hcl, line 14
    "#);
    insta::assert_snapshot!(bad(CHECKED, &sources(&[], &[("cpu", "128")], &[])), @r#"
    error: variable `cpu`: cpu is 128, and Fargate starts at 256 (from --var)
      hint: the rule is in my.hcl, line 14
    "#);
    insta::assert_snapshot!(bad(&CHECKED.replace("var.cpu >= 256", "var.cpu + local.x"), &VariableSources::default()), @r#"
    error: a validation cannot refer to `local.x`
      --> my.hcl:14:37
       |
    14 |     condition     = var.cpu + local.x
       |                                     ^
      hint: a validation looks at variables only: var.NAME
    "#);
    insta::assert_snapshot!(bad(&CHECKED.replace("var.cpu >= 256", "[var.cpu]"), &VariableSources::default()), @r#"
    error: a validation's condition wants true or false, not a list
      --> my.hcl:14:21
       |
    14 |     condition     = [var.cpu]
       |                     ^^^^^^^^^
    "#);
}

#[test]
fn a_bad_value_is_one_problem_however_often_it_is_used() {
    let declared = format!("{CPU}\nlocals {{\n  a = var.cpu + 1\n  b = local.a\n}}");
    let shown = bad(&declared, &sources(&[("t", "cpu = []")], &[], &[]));
    assert_eq!(shown.matches("error: ").count(), 1, "{shown}");
}
