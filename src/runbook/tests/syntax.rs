//! Text that does not parse: the place is where the slip is, and the words are not the grammar's.

use super::*;

#[test]
fn a_string_that_its_line_does_not_close() {
    insta::assert_snapshot!(body_problems("image = \"jaeger:latest\ncpu = 1"), @r#"
    error: this string is not closed on its line
      --> my.hcl:11:9
       |
    11 | image = "jaeger:latest
       |         ^^^^^^^^^^^^^^
      hint: end it with `"`; text of several lines goes between <<EOT and EOT
    "#);
}

#[test]
fn a_bracket_that_is_never_closed() {
    insta::assert_snapshot!(problems(&format!("{HEAD}stage \"a\" \"b\" {{\n  ports = [1, 2\n"), &VariableSources::default()), @r#"
    error: `[` is never closed
      --> my.hcl:11:11
       |
    11 |   ports = [1, 2
       |           ^
      hint: put the missing `]` where its content ends
    "#);
    insta::assert_snapshot!(problems(&format!("{HEAD}stage \"a\" \"b\" {{ # }}\n  ports = \"}}\"\n"), &VariableSources::default()), @r#"
    error: `{` is never closed
      --> my.hcl:10:15
       |
    10 | stage "a" "b" { # }
       |               ^
      hint: put the missing `}` where its content ends
    "#);
}

#[test]
fn a_bracket_that_closes_nothing() {
    insta::assert_snapshot!(body_problems("}"), @r#"
    error: this `}` closes nothing
      --> my.hcl:12:1
       |
    12 | }
       | ^
    "#);
}

#[test]
fn single_quotes() {
    let with_a_stray_quote = body_problems("image = 'it\"s'");
    assert!(with_a_stray_quote.contains("strings are written in double quotes"), "{with_a_stray_quote}");
    insta::assert_snapshot!(body_problems("image = 'jaeger'"), @r#"
    error: a value is expected here
      --> my.hcl:11:9
       |
    11 | image = 'jaeger'
       |         ^
      hint: strings are written in double quotes: "…"
    "#);
}

#[test]
fn a_colon_as_in_yaml() {
    insta::assert_snapshot!(body_problems("image: \"jaeger\""), @r#"
    error: neither an attribute nor a block
      --> my.hcl:11:6
       |
    11 | image: "jaeger"
       |      ^
      hint: write image = …
    "#);
}

#[test]
fn a_value_is_missing() {
    insta::assert_snapshot!(body_problems("image ="), @r#"
    error: a value is expected here
      --> my.hcl:11:8
       |
    11 | image =
       |        ^
    "#);
    insta::assert_snapshot!(body_problems("image = \"a ${1 + } b\""), @r#"
    error: a value is expected here
      --> my.hcl:11:18
       |
    11 | image = "a ${1 + } b"
       |                  ^
    "#);
}

#[test]
fn two_attributes_on_a_line() {
    insta::assert_snapshot!(body_problems("a = 1 b = 2"), @r#"
    error: a line break is expected here
      --> my.hcl:11:7
       |
    11 | a = 1 b = 2
       |       ^
      hint: each attribute and each block has a line of its own
    "#);
    insta::assert_snapshot!(body_problems("log { group = 1, prefix = 2 }"), @r#"
    error: a block on one line holds one attribute at most
      --> my.hcl:11:16
       |
    11 | log { group = 1, prefix = 2 }
       |                ^
      hint: put each attribute, and the closing `}`, on a line of its own
    "#);
}

#[test]
fn an_attribute_twice() {
    insta::assert_snapshot!(body_problems("image = 1\nimage = 2"), @r#"
    error: `image` is set a second time in the same block
      --> my.hcl:12:1
       |
    12 | image = 2
       | ^
    "#);
}

#[test]
fn nested_beyond_reason() {
    let deep = format!("a = {}{}", "[".repeat(100), "]".repeat(100));
    let shown = body_problems(&deep);
    assert!(shown.contains("at most 64 nested levels"), "{shown}");
}

#[test]
fn a_variable_file_that_does_not_parse_is_reported_with_the_runbook_s_own_problems() {
    let text = with_stage("locals {\n  a = var.nope\n}");
    insta::assert_snapshot!(problems(&text, &sources(&[("terraform.tfvars", "cpu = 1\nname = \"a")], &[], &[])), @r#"
    error: there is no variable `nope`
      --> my.hcl:11:11
       |
    11 |   a = var.nope
       |           ^^^^
      hint: there are no variables
    error: this string is not closed on its line
     --> terraform.tfvars:2:8
      |
    2 | name = "a
      |        ^^
      hint: end it with `"`; text of several lines goes between <<EOT and EOT
    "#);
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_fine() {
    let text = with_stage("locals {\n  a = 1\n}").replace('\n', "\r\n");
    let file = format!("\u{feff}{text}");
    assert!(resolved(&file, &VariableSources::default()).is_ok());
    let broken = file.replace("a = 1", "a = var.x");
    insta::assert_snapshot!(problems(&broken, &VariableSources::default()), @r#"
    error: there is no variable `x`
      --> my.hcl:11:11
       |
    11 |   a = var.x
       |           ^
      hint: there are no variables
    "#);
    let sources = sources(&[("t.tfvars", "\u{feff}a = 1\r\n")], &[], &[]);
    assert!(resolved(&file, &sources).is_ok());
}

#[test]
fn a_heredoc_hides_quotes_and_brackets_from_the_search_for_what_is_open() {
    insta::assert_snapshot!(body_problems("a = <<-EOT\n  it's \"open {\n  EOT\nb = [1"), @r#"
    error: the `[` of line 14 is not closed before this `}`
      --> my.hcl:15:1
       |
    15 | }
       | ^
      hint: put the missing `]` where its content ends
    "#);
}
