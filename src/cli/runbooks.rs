//! Finding, reading and resolving a runbook.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::context::Context;
use super::inputs::{self, MOST_TEXT};
use crate::model::{Error, Plan, Runbook, SourceFile};
use crate::plan::sealed::RunbookText;
use crate::runbook::{VariableSources, built_in, built_in_names, near_miss, resolve};

/// The runbook when none is named.
pub const DEFAULT: &str = "jaeger-sidecar-to-shared";

/// A shipped runbook by name, or a file.
fn open(wanted: &str) -> Result<SourceFile, Error> {
    if let Some(file) = built_in(wanted) {
        return Ok(file);
    }
    match inputs::read(Path::new(wanted), "runbook", MOST_TEXT) {
        Ok(text) => Ok(SourceFile { path: wanted.to_owned(), text }),
        Err(Error::FileUnreadable { what, path, why, .. }) => {
            let hint = match near_miss(wanted, built_in_names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("name a file, or a shipped runbook: {}", built_in_names().collect::<Vec<_>>().join(", ")),
            };
            Err(Error::FileUnreadable { what, path, why, hint: Some(hint) })
        }
        Err(other) => Err(other),
    }
}

/// Where variables come from: the options and the environment; `first` are files that go before those of the options.
pub fn sources(context: &Context, first: Vec<(String, String)>) -> Result<VariableSources, Error> {
    sources_with(first, &context.common.var_files, &context.common.vars)
}

/// The same, with these files and variables in the place of the command line's.
pub fn sources_with(
    first: Vec<(String, String)>,
    files: &[PathBuf],
    variables: &[(String, String)],
) -> Result<VariableSources, Error> {
    let mut var_files = first;
    for path in files {
        var_files.push((path.display().to_string(), inputs::read(path, "variable file", MOST_TEXT)?));
    }
    Ok(VariableSources { var_files, command_line: variables.to_vec(), environment: std::env::vars_os().filter_map(utf8).collect() })
}

fn utf8((name, value): (std::ffi::OsString, std::ffi::OsString)) -> Option<(String, String)> {
    Some((name.into_string().ok()?, value.into_string().ok()?))
}

/// Finds, resolves and checks a runbook: every problem at once.
pub fn load(wanted: &str, sources: &VariableSources) -> Result<Runbook, Error> {
    let path = || std::path::absolute(wanted).unwrap_or_else(|_| wanted.into()).display().to_string();
    checked(open(wanted)?, built_in(wanted).is_none().then(path), sources)
}

/// The runbook of a sealed plan, with the plan's variables.
pub fn sealed(plan: &Plan, runbook: &RunbookText) -> Result<Runbook, Error> {
    let var_files = vec![("<the sealed plan's variables>".to_owned(), variables_as_hcl(&plan.variables))];
    let file = SourceFile { path: runbook.path.clone(), text: runbook.text.clone() };
    checked(file, plan.runbook_path.clone(), &VariableSources { var_files, ..VariableSources::default() })
}

fn checked(file: SourceFile, path: Option<String>, sources: &VariableSources) -> Result<Runbook, Error> {
    let mut runbook = resolve(file, sources).map_err(|problems| Error::RunbookInvalid { problems })?;
    runbook.path = path;
    let problems = crate::plan::check(&runbook);
    if !problems.is_empty() {
        return Err(Error::RunbookInvalid { problems });
    }
    if runbook.target.get("__enabled").is_some_and(|enabled| *enabled == false) {
        let message =
            runbook.target.get("__refusal").and_then(|text| text.as_str()).unwrap_or("the runbook is switched off").to_owned();
        return Err(Error::RunbookRefuses {
            message,
            hint: Some("change the variable that switches it off, if that is meant".to_owned()),
        });
    }
    Ok(runbook)
}

/// The text of a target member.
pub fn target<'a>(runbook: &'a Runbook, member: &str) -> &'a str {
    runbook.target.get(member).and_then(|value| value.as_str()).unwrap_or_default()
}

/// Variables as a variable file: JSON values are HCL expressions.
pub fn variables_as_hcl(variables: &BTreeMap<String, Value>) -> String {
    let quoted = |value: &Value| value.to_string().replace("${", "$${").replace("%{", "%%{");
    variables.iter().map(|(name, value)| format!("{name} = {}\n", quoted(value))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn journaled_variables_read_back_as_they_were() {
        let variables: BTreeMap<String, Value> = [
            ("a".to_owned(), json!("x ${y} %{z}")),
            ("b".to_owned(), json!(["1", "2"])),
            ("c".to_owned(), json!({ "k": 3, "t": true })),
        ]
        .into();
        let text = variables_as_hcl(&variables);
        let declared = r#"
runbook "r" {
  description = "d"
}
variable "a" {
  type = string
}
variable "b" {
  type = list(string)
}
variable "c" {
  type = any
}
target {
  region      = "r"
  environment = "e"
  cluster     = "c"
  services    = ["s"]
}
stage "log_group" "one" {
  name = var.a
}
"#;
        let file = crate::model::SourceFile { path: "r.hcl".to_owned(), text: declared.to_owned() };
        let sources = crate::runbook::VariableSources { var_files: vec![("v".to_owned(), text)], ..Default::default() };
        let runbook = crate::runbook::resolve(file, &sources).unwrap_or_else(|problems| panic!("{problems:?}"));
        assert_eq!(runbook.variable_values(), variables);
    }
}
