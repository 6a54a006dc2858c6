//! Blocks and attributes that are unknown, missing, doubled or in the wrong place.

use super::*;

#[test]
fn an_empty_file_lacks_everything() {
    insta::assert_snapshot!(problems("", &VariableSources::default()), @r#"
    error: my.hcl has no `runbook` block
      hint: start it with runbook "name" { description = "…" }
    error: my.hcl has no `target` block
      hint: write target { region = … environment = … cluster = … services = […] }
    error: my.hcl has no `stage` block
      hint: write stage "KIND" "name" { … }
    "#);
}

#[test]
fn a_misspelt_block_is_one_problem() {
    let text = with_stage("").replace("runbook \"", "runbok \"").replace("region ", "regoin ");
    insta::assert_snapshot!(problems(&text, &VariableSources::default()), @r#"
    error: unknown block `runbok`
     --> my.hcl:1:1
      |
    1 | runbok "example" {
      | ^^^^^^^^^^^^^^^^
      hint: did you mean `runbook`?
    error: a `target` block has no `regoin`
     --> my.hcl:5:3
      |
    5 |   regoin      = "us-west-2"
      |   ^^^^^^
      hint: did you mean `region`?
    "#);
}

#[test]
fn what_belongs_to_terraform() {
    insta::assert_snapshot!(head_problems("cpu = 1\nresource \"aws_ecs_service\" \"jaeger\" {\n}"), @r#"
    error: `cpu` stands outside a block
      --> my.hcl:10:1
       |
    10 | cpu = 1
       | ^^^
      hint: a variable's value comes with --var or --var-file; a fixed value belongs in locals { cpu = … }
    error: unknown block `resource`
      --> my.hcl:11:1
       |
    11 | resource "aws_ecs_service" "jaeger" {
       | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      hint: a runbook is no Terraform configuration; it has runbook, variable, locals, target, stage, finding, closing
    "#);
}

#[test]
fn wrong_labels() {
    insta::assert_snapshot!(head_problems("variable {\n}\nlocals \"a\" {\n}\nstage \"kind\" {\n}\nstage \"kind\" \"b/c\" {\n}"), @r#"
    error: a `variable` block takes one label (0 given)
      --> my.hcl:10:1
       |
    10 | variable {
       | ^^^^^^^^
      hint: write variable "name" { … }
    error: a `locals` block takes no label (1 given)
      --> my.hcl:12:1
       |
    12 | locals "a" {
       | ^^^^^^^^^^
      hint: write locals { … }
    error: a `stage` block takes 2 labels (1 given)
      --> my.hcl:14:1
       |
    14 | stage "kind" {
       | ^^^^^^^^^^^^
      hint: write stage "KIND" "name" { … }
    error: a stage's name consists of letters, digits, `-` and `_`
      --> my.hcl:16:14
       |
    16 | stage "kind" "b/c" {
       |              ^^^^^
      hint: for example create-service
    "#);
}

#[test]
fn the_same_name_twice() {
    let text = "variable \"a\" {\n  default = 1\n}\nvariable \"a\" {\n  default = 2\n}\nlocals {\n  x = 1\n}\nlocals {\n  x = 2\n}\nstage \"other\" \"stage\" {\n}\ntarget {\n}";
    insta::assert_snapshot!(head_problems(text), @r#"
    error: a second variable `a`
      --> my.hcl:13:1
       |
    13 | variable "a" {
       | ^^^^^^^^^^^^
      hint: the first is in line 10
    error: a second local `x`
      --> my.hcl:20:3
       |
    20 |   x = 2
       |   ^
      hint: the first is in line 17
    error: a second `target` block
      --> my.hcl:24:1
       |
    24 | target {
       | ^^^^^^
      hint: the first is in line 4
    error: a second stage `stage`
      --> my.hcl:26:1
       |
    26 | stage "kind" "stage" {
       | ^^^^^^^^^^^^^^^^^^^^
      hint: the first is in line 22
    "#);
}

#[test]
fn a_variable_s_own_attributes() {
    let text = "variable \"a\" {\n  typ     = string\n  default = 1\n}\nvariable \"b\" {\n  description = 5\n  default {\n  }\n}\nvariable \"c\" {\n  default = 1\n  validation {\n    condition = true\n  }\n}";
    insta::assert_snapshot!(head_problems(text), @r#"
    error: a variable has no `typ`
      --> my.hcl:11:3
       |
    11 |   typ     = string
       |   ^^^
      hint: did you mean `type`?
    error: a description is a string
      --> my.hcl:15:17
       |
    15 |   description = 5
       |                 ^
    error: `default` is a value, not a block
      --> my.hcl:16:3
       |
    16 |   default {
       |   ^^^^^^^
      hint: write default = …
    error: a validation has a condition and an error_message
      --> my.hcl:21:3
       |
    21 |   validation {
       |   ^^^^^^^^^^
      hint: write validation { condition = … error_message = "…" }
    "#);
}

#[test]
fn types_that_are_none() {
    let text = "variable \"a\" {\n  type = numbr\n}\nvariable \"b\" {\n  type = \"string\"\n}\nvariable \"c\" {\n  type = list(string, number)\n}\nvariable \"d\" {\n  type = object(string)\n}\nvariable \"e\" {\n  type = lst(string)\n}\nvariable \"f\" {\n  type = 5\n}";
    insta::assert_snapshot!(head_problems(text), @r#"
    error: `numbr` is not a type
      --> my.hcl:11:10
       |
    11 |   type = numbr
       |          ^^^^^
      hint: did you mean `number`?
    error: a type is written without quotes
      --> my.hcl:14:10
       |
    14 |   type = "string"
       |          ^^^^^^^^
      hint: write type = string
    error: `list` takes one type
      --> my.hcl:17:10
       |
    17 |   type = list(string, number)
       |          ^^^^^^^^^^^^^^^^^^^^
      hint: for example list(string)
    error: `object` takes its members in braces
      --> my.hcl:20:10
       |
    20 |   type = object(string)
       |          ^^^^^^^^^^^^^^
      hint: for example object({ name = string })
    error: `lst` is not a type
      --> my.hcl:23:10
       |
    23 |   type = lst(string)
       |          ^^^
      hint: did you mean `list`?
    error: this is not a type
      --> my.hcl:26:10
       |
    26 |   type = 5
       |          ^
      hint: types: string, number, bool, list, set, map, object, tuple, any
    "#);
}

#[test]
fn defaults_are_constants_of_the_type() {
    let text = "variable \"a\" {\n  type    = list(number)\n  default = [1, \"x\"]\n}\nvariable \"b\" {\n  default = \"${var.a}-x\"\n}\nvariable \"c\" {\n  default = upper(\"x\")\n}";
    insta::assert_snapshot!(head_problems(text), @r#"
    error: the default of variable `a` wants a number, not "x"
      --> my.hcl:12:17
       |
    12 |   default = [1, "x"]
       |                 ^^^
      hint: write default = [1]
    error: a default cannot refer to `var.a`
      --> my.hcl:15:16
       |
    15 |   default = "${var.a}-x"
       |                ^^^
      hint: write a constant here, and the rest as a local, for example coalesce(var.name, "…")
    error: a default cannot call `upper`
      --> my.hcl:18:13
       |
    18 |   default = upper("x")
       |             ^^^^^
      hint: write a constant
    "#);
}

#[test]
fn locals_in_circles() {
    let text = "locals {\n  a = local.b\n  b = \"${local.c}\"\n  c = [local.a]\n  d = local.a\n  e = local.e\n  f = 1\n}";
    insta::assert_snapshot!(head_problems(text), @r#"
    error: locals refer to each other in a circle: a → b → c → a
      --> my.hcl:11:3
       |
    11 |   a = local.b
       |   ^
    error: locals refer to each other in a circle: e → e
      --> my.hcl:15:3
       |
    15 |   e = local.e
       |   ^
    "#);
}

#[test]
fn the_target_must_name_a_place() {
    let text = with_stage("").replace("  cluster     = \"main\"\n", "").replace("[\"api\"]", "[]").replace("\"dev\"", "7");
    let text = text.replace("\"us-west-2\"", "[1]");
    insta::assert_snapshot!(problems(&text, &VariableSources::default()), @r#"
    error: `target` has no `cluster`
     --> my.hcl:4:1
      |
    4 | target {
      | ^^^^^^
      hint: write cluster = "…"
    error: `region` wants a string, not a list
     --> my.hcl:5:17
      |
    5 |   region      = [1]
      |                 ^^^
      hint: write region = "…"
    error: `services` names no service, or an empty one
     --> my.hcl:7:17
      |
    7 |   services    = []
      |                 ^^
    "#);
}

#[test]
fn the_runbook_block_has_types_too() {
    let text = with_stage("").replace("description = \"An example\"", "description = []\n  enabled     = 7\n  refuse {\n  }");
    insta::assert_snapshot!(problems(&text, &VariableSources::default()), @r#"
    error: `description` wants a string, not a list
     --> my.hcl:2:17
      |
    2 |   description = []
      |                 ^^
      hint: write description = "…"
    error: `enabled` wants true or false, not 7
     --> my.hcl:3:17
      |
    3 |   enabled     = 7
      |                 ^
      hint: write enabled = true
    error: `refuse` is a value, not a block
     --> my.hcl:4:3
      |
    4 |   refuse {
      |   ^^^^^^
      hint: write refuse = …
    "#);
}

#[test]
fn blocks_in_a_stage() {
    insta::assert_snapshot!(body_problems("set \"A\" {\n}\nset \"A\" {\n}\nlog {\n}\nlog \"x\" {\n}\nbig \"x\" \"y\" {\n}\nenv = {}\nenv {\n}"), @r#"
    error: a second `set` block "A"
      --> my.hcl:13:1
       |
    13 | set "A" {
       | ^^^^^^^
      hint: the first is in line 11
    error: some `log` blocks have a label, this one has none
      --> my.hcl:15:1
       |
    15 | log {
       | ^^^
      hint: write log "label" { … }
    error: a `big` block in a stage has one label at most
      --> my.hcl:19:1
       |
    19 | big "x" "y" {
       | ^^^^^^^^^^^
      hint: write big "label" { … }
    error: `env` is here both as a value and as a block
      --> my.hcl:22:1
       |
    22 | env {
       | ^^^
    "#);
}

#[test]
fn a_runbook_without_conditions_is_enabled() {
    let Ok(runbook) = resolved(&with_stage(""), &VariableSources::default()) else { panic!("it is fine") };
    assert_eq!(runbook.target["__enabled"], true);
    assert_eq!((runbook.name.as_str(), runbook.description.as_str()), ("example", "An example"));
    assert_eq!(runbook.target["__refusal"], "the runbook `example` is not enabled");
}

#[test]
fn the_digest_is_of_the_text() {
    let digest = |text: &str| resolved(text, &VariableSources::default()).map(|runbook| runbook.digest).unwrap_or_default();
    let text = with_stage("");
    assert_eq!(digest(&text).len(), 64);
    assert_eq!(digest(&text), digest(&text));
    assert_ne!(digest(&text), digest(&format!("{text}# a comment\n")));
}

#[test]
fn the_closing_block() {
    let text = "closing {\n  name = 3\n  code = \"one\"\n  cod = []\n}\nclosing {\n}\n";
    insta::assert_snapshot!(head_problems(text), @r#"
    error: `code` wants a list of strings, not "one"
      --> my.hcl:12:10
       |
    12 |   code = "one"
       |          ^^^^^
      hint: write code = ["…"]
    error: a `closing` block has no `cod`
      --> my.hcl:13:3
       |
    13 |   cod = []
       |   ^^^
      hint: did you mean `code`?
    error: a second `closing` block
      --> my.hcl:15:1
       |
    15 | closing {
       | ^^^^^^^
      hint: the first is in line 10
    "#);
    let silent = resolved(&with_stage(""), &VariableSources::default()).expect("it is optional");
    assert_eq!(silent.closing, crate::model::Closing::default());
}

#[test]
fn findings_that_say_too_little() {
    insta::assert_snapshot!(head_problems("finding \"Too Big\" {\n  severity = \"fatal\"\n  wen = true\n}\nfinding \"b\" {\n}\nfinding \"b\" {\n}"), @r#"
    error: finding `Too Big` has no description, when, resource, found, consequence, fix
      --> my.hcl:10:1
       |
    10 | finding "Too Big" {
       | ^^^^^^^^^^^^^^^^^
      hint: write description = …
    error: a finding's id consists of small letters, digits and `-`
      --> my.hcl:10:9
       |
    10 | finding "Too Big" {
       |         ^^^^^^^^^
      hint: for example image-end-of-life
    error: "fatal" is no severity
      --> my.hcl:11:14
       |
    11 |   severity = "fatal"
       |              ^^^^^^^
      hint: write "note", "warning" or "blocker"
    error: a `finding` block has no `wen`
      --> my.hcl:12:3
       |
    12 |   wen = true
       |   ^^^
      hint: did you mean `when`?
    error: finding `b` has no description, when, resource, found, consequence, fix
      --> my.hcl:14:1
       |
    14 | finding "b" {
       | ^^^^^^^^^^^
      hint: write description = …
    error: a second finding `b`
      --> my.hcl:16:1
       |
    16 | finding "b" {
       | ^^^^^^^^^^^
      hint: the first is in line 14
    "#);
}

#[test]
fn a_finding_appears_when_its_condition_holds() {
    let finding = |when: &str| {
        let text = format!(
            "finding \"image-old\" {{\n  description = \"the image is old\"\n  severity = \"note\"\n  when = {when}\n  resource = \"r\"\n  \
             found = \"f\"\n  consequence = \"c\"\n  fix = \"x\"\n}}"
        );
        let runbook = resolved(&with_stage(&text), &VariableSources::default()).expect("it resolves");
        runbook.findings.into_iter().next().expect("a finding")
    };
    assert!(finding("1 < 2").holds && !finding("1 > 2").holds);
    let found = finding("true").finding;
    assert_eq!((found.id.as_str(), found.severity, found.must_repair), ("image-old", crate::model::Severity::Note, false));
    assert_eq!([found.resource, found.found, found.consequence, found.fix], ["r", "f", "c", "x"]);
}

#[test]
fn a_stage_that_is_switched_off_stands_apart() {
    let text = format!(
        "{HEAD}variable \"more\" {{\n  default = false\n}}\nstage \"kind\" \"one\" {{\n  a = 1\n}}\nstage \"kind\" \"two\" {{\n  enabled = \
         var.more\n}}\n"
    );
    let ids = |stages: &[crate::model::StageDecl]| stages.iter().map(|stage| stage.id.to_string()).collect::<Vec<_>>();
    let off = resolved(&text, &VariableSources::default()).expect("it resolves");
    assert_eq!((ids(&off.stages), ids(&off.off)), (vec!["one".to_owned()], vec!["two".to_owned()]));
    assert_eq!(off.off[0].setting("/enabled"), "variable `more`", "what switches it on");
    let on = resolved(&text, &sources(&[], &[("more", "true")], &[])).expect("it resolves");
    assert_eq!((ids(&on.stages), ids(&on.off)), (vec!["one".to_owned(), "two".to_owned()], Vec::new()));
    assert_eq!(on.stages[1].body, serde_json::json!({}), "the switch is no setting of its kind");
}

#[test]
fn a_switch_that_is_none_and_a_runbook_without_a_stage_that_is_on() {
    insta::assert_snapshot!(body_problems("enabled = \"perhaps\""), @r#"
    error: `enabled` wants true or false, not "perhaps"
      --> my.hcl:11:11
       |
    11 | enabled = "perhaps"
       |           ^^^^^^^^^
      hint: write enabled = true
    "#);
    insta::assert_snapshot!(body_problems("enabled {\n}"), @r#"
    error: `enabled` wants true or false, not a map
      --> my.hcl:11:1
       |
    11 | enabled {
       | ^^^^^^^
      hint: write enabled = true
    "#);
    insta::assert_snapshot!(body_problems("enabled = false"), @r#"
    error: every stage is switched off
      --> my.hcl:11:11
       |
    11 | enabled = false
       |           ^^^^^
      hint: give one of them enabled = true
    "#);
}
