//! A runbook or its variables are wrong: exit 3, all problems at once, each with file, line, caret and hint.

use insta::assert_snapshot;

use crate::cli_support::{Desk, file};

fn checked(desk: &Desk, words: &[&str]) -> String {
    let ran = desk.call(&[&["check"], words].concat());
    assert_eq!(ran.out, "");
    format!("exit {}\n{}", ran.code.expect("a code"), desk.shown(&ran.err))
}

#[test]
fn variables_that_are_missing_or_misspelt() {
    let desk = Desk::new();
    assert_snapshot!(checked(&desk, &["--var", "jaeger_memroy=4096"]), @r#"
    exit 3
    error: 4 problems in the runbook or its variables

    error: variable `project_name` has no value
      --> runbooks/jaeger-sidecar-to-shared.hcl:18:1
       |
    18 | variable "project_name" {
       | ^^^^^^^^^^^^^^^^^^^^^^^
      hint: set it with --var project_name=… or in a --var-file

    error: variable `environment` has no value
      --> runbooks/jaeger-sidecar-to-shared.hcl:28:1
       |
    28 | variable "environment" {
       | ^^^^^^^^^^^^^^^^^^^^^^
      hint: set it with --var environment=… or in a --var-file

    error: variable `aws_region` has no value
      --> runbooks/jaeger-sidecar-to-shared.hcl:38:1
       |
    38 | variable "aws_region" {
       | ^^^^^^^^^^^^^^^^^^^^^
      hint: set it with --var aws_region=… or in a --var-file

    error: --var jaeger_memroy: the runbook has no variable `jaeger_memroy`
      hint: did you mean `jaeger_memory`?
    "#);
}

#[test]
fn variables_of_the_wrong_type() {
    let desk = Desk::new();
    let path = desk.write(
        "wrong.tfvars",
        "project_name = \"nexus-ai\"\nenvironment  = [\"staging\"]\naws_region = \"us-west-2\"\njaeger_cpu = \"lots\"\n",
    );
    assert_snapshot!(checked(&desk, &["--var-file", &path, "--var", "jaeger_desired_count=many"]), @r#"
    exit 3
    error: 3 problems in the runbook or its variables

    error: variable `environment` wants a string, not a list
     --> DIR/wrong.tfvars:2:16
      |
    2 | environment  = ["staging"]
      |                ^^^^^^^^^^^
      hint: write environment = "…"

    error: variable `jaeger_cpu` wants a number, not "lots"
     --> DIR/wrong.tfvars:4:14
      |
    4 | jaeger_cpu = "lots"
      |              ^^^^^^
      hint: write jaeger_cpu = 1024

    error: variable `jaeger_desired_count` wants a number, not "many" (from --var)
      hint: write --var jaeger_desired_count=1
    "#);
    let path = desk.write("broken.tfvars", "project_name = \"nexus-ai\nenvironment = \"x\"\n");
    assert_snapshot!(checked(&desk, &["--var-file", &path]), @r#"
    exit 3
    error: 4 problems in the runbook or its variables

    error: variable `project_name` has no value
      --> runbooks/jaeger-sidecar-to-shared.hcl:18:1
       |
    18 | variable "project_name" {
       | ^^^^^^^^^^^^^^^^^^^^^^^
      hint: set it with --var project_name=… or in a --var-file

    error: variable `environment` has no value
      --> runbooks/jaeger-sidecar-to-shared.hcl:28:1
       |
    28 | variable "environment" {
       | ^^^^^^^^^^^^^^^^^^^^^^
      hint: set it with --var environment=… or in a --var-file

    error: variable `aws_region` has no value
      --> runbooks/jaeger-sidecar-to-shared.hcl:38:1
       |
    38 | variable "aws_region" {
       | ^^^^^^^^^^^^^^^^^^^^^
      hint: set it with --var aws_region=… or in a --var-file

    error: this string is not closed on its line
     --> DIR/broken.tfvars:1:16
      |
    1 | project_name = "nexus-ai
      |                ^^^^^^^^^
      hint: end it with `"`; text of several lines goes between <<EOT and EOT
    "#);
}

#[test]
fn values_that_cannot_be() {
    let desk = Desk::new();
    let staging = file("runbooks/worlds/nexus-ai-staging.tfvars");
    assert_snapshot!(checked(&desk, &["--var-file", &staging, "--var", "jaeger_cpu=1000", "--var", "rollout_timeout=soon"]), @r#"
    exit 3
    error: 5 problems in the runbook or its variables

    error: Fargate has no task of 1000 CPU units
       --> runbooks/jaeger-sidecar-to-shared.hcl:273:24
        |
    273 |   cpu                = var.jaeger_cpu
        |                        ^^^^^^^^^^^^^^
      hint: write 256, 512, 1024, 2048, 4096, 8192 or 16384

    error: stage `create-service`: "soon" is not a duration; write for example "30m"
       --> runbooks/jaeger-sidecar-to-shared.hcl:356:21
        |
    356 |   rollout_timeout = var.rollout_timeout
        |                     ^^^^^^^^^^^^^^^^^^^

    error: stage `register-dns`: "soon" is not a duration; write for example "30m"
       --> runbooks/jaeger-sidecar-to-shared.hcl:367:21
        |
    367 |   rollout_timeout = var.rollout_timeout
        |                     ^^^^^^^^^^^^^^^^^^^

    error: stage `retarget-api-env`: "soon" is not a duration; write for example "30m"
       --> runbooks/jaeger-sidecar-to-shared.hcl:375:21
        |
    375 |   rollout_timeout = var.rollout_timeout
        |                     ^^^^^^^^^^^^^^^^^^^

    error: stage `strip-sidecar`: "soon" is not a duration; write for example "30m"
       --> runbooks/jaeger-sidecar-to-shared.hcl:403:21
        |
    403 |   rollout_timeout = var.rollout_timeout
        |                     ^^^^^^^^^^^^^^^^^^^
    "#);
    assert_snapshot!(checked(&desk, &["--var-file", &staging, "--var", "jaeger_memory=512"]), @r"
    exit 3
    error: 1 problem in the runbook or its variables

    error: Fargate has no task of 1024 CPU units with 512 MiB
       --> runbooks/jaeger-sidecar-to-shared.hcl:274:24
        |
    274 |   memory             = var.jaeger_memory
        |                        ^^^^^^^^^^^^^^^^^
      hint: with cpu 1024, memory is 2048 to 8192 in steps of 1024
    ");
    assert_snapshot!(checked(&desk, &["--var-file", &staging, "--var", "enable_jaeger=false"]), @r#"
    exit 3
    error: enable_jaeger is false: there is no Jaeger to move

    hint: change the variable that switches it off, if that is meant
    "#);
}

#[test]
fn stages() {
    let desk = Desk::new();
    let text = r#"runbook "mine" {
  description = "a test's"
}

target {
  region      = "us-west-2"
  environment = "staging"
  cluster     = "c"
  services    = ["s"]
}

stage "log_gruop" "one" {
  name = "/ecs/one"
}

stage "log_group" "two" {
  name              = "/ecs/two"
  retention_in_days = "a week"
  colour            = "red"
}

stage "dns" "three" {
  name = "three"
}
"#;
    let path = desk.write("mine.hcl", text);
    assert_snapshot!(checked(&desk, &[&path]), @r#"
    exit 3
    error: 5 problems in the runbook or its variables

    error: there is no stage kind `log_gruop`
      --> DIR/mine.hcl:12:1
       |
    12 | stage "log_gruop" "one" {
       | ^^^^^^^^^^^^^^^^^^^^^^^
      hint: did you mean `log_group`?

    error: stage `two`: `colour` is not known here; known: `name`, `retention_in_days`, `tags`
      --> DIR/mine.hcl:19:3
       |
    19 |   colour            = "red"
       |   ^^^^^^

    error: stage `two`: `retention_in_days` wants a whole number from 0, not "a week"
      --> DIR/mine.hcl:18:23
       |
    18 |   retention_in_days = "a week"
       |                       ^^^^^^^^

    error: stage `three`: `namespace` is missing
      --> DIR/mine.hcl:22:1
       |
    22 | stage "dns" "three" {
       | ^^^^^^^^^^^^^^^^^^^

    error: stage `three`: `service` is missing
      --> DIR/mine.hcl:22:1
       |
    22 | stage "dns" "three" {
       | ^^^^^^^^^^^^^^^^^^^
    "#);
    let path = desk.write("names.hcl", &text.replace("\"/ecs/two\"", "var.nothing").replace("\"three\"\n", "local.missing\n"));
    assert_snapshot!(checked(&desk, &[&path]), @r#"
    exit 3
    error: 2 problems in the runbook or its variables

    error: there is no variable `nothing`
      --> DIR/names.hcl:17:27
       |
    17 |   name              = var.nothing
       |                           ^^^^^^^
      hint: there are no variables

    error: there is no local `missing`
      --> DIR/names.hcl:23:16
       |
    23 |   name = local.missing
       |                ^^^^^^^
      hint: there are no locals
    "#);
    let path = desk.write("broken.hcl", "runbook \"mine\" {\n  description = \n}\n");
    assert_snapshot!(checked(&desk, &[&path]), @r#"
    exit 3
    error: 1 problem in the runbook or its variables

    error: a value is expected here
     --> DIR/broken.hcl:2:17
      |
    2 |   description =
      |                 ^
    "#);
}

#[test]
fn a_good_one_says_so() {
    let desk = Desk::new();
    let staging = file("runbooks/worlds/nexus-ai-staging.tfvars");
    let ran = desk.call(&["check", "--var-file", &staging]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    assert_eq!(ran.out, "jaeger-sidecar-to-shared: 6 stages, no problem found; switched off: open-ports, set-health-path\n");
}
