//! Where problems and values stand, and how that is drawn.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::SourceSpan;
use crate::runbook::near_miss;

fn drawn(text: &str, marked: &str) -> String {
    let start = text.find(marked).expect("it is there");
    let file = Arc::new(SourceFile { path: "a.hcl".to_owned(), text: text.to_owned() });
    let span = SourceSpan { file, range: start..start + marked.len() };
    render_problem(&Problem { message: "m".to_owned(), span: Some(span), hint: None })
}

#[test]
fn every_value_of_a_stage_has_its_place() {
    let body = "a = [1, { b = \"x\" }]\nset \"K/1\" {\n  to = 5\n}\nmany {\n}\nmany {\n  c = 6\n}";
    let text = format!("{HEAD}stage \"kind\" \"stage\" {{\n{body}\n}}\n");
    let Ok(runbook) = resolved(&text, &VariableSources::default()) else { panic!("it is fine") };
    let stage = &runbook.stages[0];
    let at = |pointer: &str| {
        let span = stage.span_at(pointer);
        span.file.text[span.range].to_owned()
    };
    assert_eq!(at(""), "stage \"kind\" \"stage\"");
    assert_eq!(at("/a"), "[1, { b = \"x\" }]");
    assert_eq!(at("/a/0"), "1");
    assert_eq!(at("/a/1/b"), "\"x\"");
    assert_eq!(at("/set/K~11"), "set \"K/1\"");
    assert_eq!(at("/set/K~11/to"), "5");
    assert_eq!(at("/set/K~11/from"), "set \"K/1\"");
    assert_eq!(at("/many/1"), "many");
    assert_eq!(at("/many/1/c"), "6");
    assert_eq!(at("/absent"), "stage \"kind\" \"stage\"");
    for (pointer, span) in &stage.spans {
        assert!(stage.body.pointer(pointer).is_some(), "{pointer} {span:?}");
    }
}

#[test]
fn a_problem_as_it_is_drawn() {
    let file =
        Arc::new(SourceFile { path: "terraform.tfvars".to_owned(), text: format!("{}jaeger_cpu = \"abc\"\n", "\n".repeat(11)) });
    let span = Some(SourceSpan { file, range: 24..29 });
    let problem = Problem {
        message: "variable `jaeger_cpu` wants a number, not \"abc\"".to_owned(),
        span,
        hint: Some("write jaeger_cpu = 1024".to_owned()),
    };
    insta::assert_snapshot!(render_problem(&problem), @r#"
    error: variable `jaeger_cpu` wants a number, not "abc"
      --> terraform.tfvars:12:14
       |
    12 | jaeger_cpu = "abc"
       |              ^^^^^
      hint: write jaeger_cpu = 1024
    "#);
}

#[test]
fn wide_characters_tabs_and_several_lines() {
    insta::assert_snapshot!(drawn("\t名字 = \"迁移\" # 好\n", "\"迁移\""), @r#"
    error: m
     --> a.hcl:1:7
      |
    1 |  名字 = "迁移" # 好
      |         ^^^^^^
    "#);
    insta::assert_snapshot!(drawn("a = [\r\n  1,\r\n]\r\n", "[\r\n  1,\r\n]"), @r#"
    error: m
     --> a.hcl:1:5
      |
    1 | a = [
      |     ^
    "#);
    insta::assert_snapshot!(drawn("a = \"\u{1b}[31mred\"\n", "a"), @r#"
    error: m
     --> a.hcl:1:1
      |
    1 | a = "�[31mred"
      | ^
    "#);
    insta::assert_snapshot!(drawn("e\u{301}t\u{e9} = 1", "1"), @r#"
    error: m
     --> a.hcl:1:8
      |
    1 | été = 1
      |       ^
    "#);
}

#[test]
fn an_endless_line_is_cut_around_the_place() {
    let text = format!("{}HERE{}", "x".repeat(5000), "y".repeat(5000));
    let shown = drawn(&text, "HERE");
    assert!(shown.lines().all(|line| line.chars().count() < 200), "{shown}");
    let lines: Vec<&str> = shown.lines().collect();
    let caret = lines[4].chars().position(|c| c == '^').expect("a caret");
    assert_eq!(lines[3].chars().skip(caret).take(4).collect::<String>(), "HERE");
    assert!(lines[1].ends_with(":1:5001"), "{shown}");
}

#[test]
fn near_misses() {
    let known = ["project_name", "jaeger_cpu", "jaeger_memory", "tags", "var", "service"];
    let cases = [
        ("projct_name", Some("project_name")),
        ("project-name", Some("project_name")),
        ("PROJECT_NAME", Some("project_name")),
        ("jeager_cpu", Some("jaeger_cpu")),
        ("tag", Some("tags")),
        ("vra", Some("var")),
        ("services", Some("service")),
        ("colour", None),
        ("x", None),
        ("", None),
    ];
    for (wanted, meant) in cases {
        assert_eq!(near_miss(wanted, known), meant, "{wanted}");
    }
}

proptest! {
    #[test]
    fn any_span_of_any_text_can_be_drawn(text in ".{0,60}(\n.{0,60}){0,3}", start in 0_usize..300, length in 0_usize..300) {
        let file = Arc::new(SourceFile { path: "a".to_owned(), text });
        let problem = Problem { message: "m".to_owned(), span: Some(SourceSpan { file, range: start..start + length }), hint: None };
        let range_is_inside = start <= problem.span.as_ref().map_or(0, |span| span.file.text.len());
        prop_assume!(range_is_inside);
        let boundary = problem.span.as_ref().is_some_and(|span| span.file.text.is_char_boundary(start));
        prop_assume!(boundary);
        let shown = render_problem(&problem);
        prop_assert_eq!(shown.lines().count(), 5, "{}", shown);
        prop_assert!(shown.ends_with('^'));
    }

    #[test]
    fn a_known_name_with_one_slip_is_found(name in "[a-z_]{6,20}", at in 0_usize..6, letter in "[a-z]") {
        let mut slip = name.clone();
        slip.replace_range(at..at + 1, &letter);
        prop_assert_eq!(near_miss(&slip, [name.as_str(), "zzzzzzzzzzzzzzzzzzzzzzzz"]), Some(name.as_str()));
    }
}
