//! Tests of the module as a whole: text in, runbook or rendered problems out.

mod declarations;
mod expressions;
mod places;
mod robust;
mod shipped;
mod syntax;
mod variables;

use serde_json::Value;

use super::{VariableSources, render_problem, resolve};
use crate::model::{Problem, Runbook, SourceFile};

/// Everything that a runbook needs but a stage; nine lines, so what follows starts in line 10.
const HEAD: &str = r#"runbook "example" {
  description = "An example"
}
target {
  region      = "us-west-2"
  environment = "dev"
  cluster     = "main"
  services    = ["api"]
}
"#;

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn sources(var_files: &[(&str, &str)], command_line: &[(&str, &str)], environment: &[(&str, &str)]) -> VariableSources {
    VariableSources { var_files: owned(var_files), command_line: owned(command_line), environment: owned(environment) }
}

/// Resolves a file of these texts, one after the other.
fn resolved(text: &str, sources: &VariableSources) -> Result<Runbook, Vec<Problem>> {
    resolve(SourceFile { path: "my.hcl".to_owned(), text: text.to_owned() }, sources)
}

fn rendered(problems: &[Problem]) -> String {
    problems.iter().map(render_problem).collect::<Vec<_>>().join("\n")
}

/// The problems of a file, as they are shown; panics if there is none.
fn problems(text: &str, sources: &VariableSources) -> String {
    match resolved(text, sources) {
        Ok(runbook) => panic!("resolved to {runbook:#?}"),
        Err(problems) => rendered(&problems),
    }
}

/// The head, then `rest`, then a stage.
fn with_stage(rest: &str) -> String {
    format!("{HEAD}{rest}\nstage \"kind\" \"stage\" {{\n}}\n")
}

/// The problems of the head with these lines after it and a stage.
fn head_problems(rest: &str) -> String {
    problems(&with_stage(rest), &VariableSources::default())
}

/// The problems of a stage with this body, which starts in line 11.
fn body_problems(body: &str) -> String {
    problems(&format!("{HEAD}stage \"kind\" \"stage\" {{\n{body}\n}}\n"), &VariableSources::default())
}

/// What a stage with this body evaluates to.
fn body_of(body: &str) -> Value {
    match resolved(&format!("{HEAD}stage \"kind\" \"stage\" {{\n{body}\n}}\n"), &VariableSources::default()) {
        Ok(runbook) => runbook.stages[0].body.clone(),
        Err(problems) => panic!("{}", rendered(&problems)),
    }
}

/// The value of one expression.
fn value_of(expression: &str) -> Value {
    body_of(&format!("it = {expression}"))["it"].clone()
}
