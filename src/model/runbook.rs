//! A runbook after its variables are resolved: what `runbook/` produces and `plan/` and `stages/` read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Finding, StageId};

/// A runbook with every expression evaluated.
#[derive(Clone, Debug)]
pub struct Runbook {
    /// The label of its `runbook` block, for example `jaeger-sidecar-to-shared`.
    pub name: String,
    /// One sentence on what it does.
    pub description: String,
    /// SHA-256 of the runbook file's text.
    pub digest: String,
    /// The absolute path of its file; `None` for one that is part of the program.
    pub path: Option<String>,
    /// The resolved variables by name, declared ones only.
    pub variables: BTreeMap<String, Variable>,
    /// The evaluated attributes of the `target` block: `region`, `cluster`, `environment` and the like.
    pub target: BTreeMap<String, Value>,
    /// Where each attribute of the `target` block stands.
    pub target_spans: BTreeMap<String, SourceSpan>,
    /// The variables that each attribute of the `target` block is made of.
    pub target_variables: BTreeMap<String, Vec<String>>,
    /// What its `finding` blocks say, in order.
    pub findings: Vec<DeclaredFinding>,
    /// What its `closing` block says.
    pub closing: Closing,
    /// The stages in order: those that are switched on. There is one at least.
    pub stages: Vec<StageDecl>,
    /// The stages that their `enabled` leaves out. They are in no plan; findings may say that one of them would help.
    pub off: Vec<StageDecl>,
}

/// A `finding "ID" { … }` block: what the runbook itself knows to be wrong with values of its variables.
#[derive(Clone, Debug, PartialEq)]
pub struct DeclaredFinding {
    /// When it appears, for the documentation.
    pub about: String,
    /// Whether it appears: its `when`.
    pub holds: bool,
    /// What it says.
    pub finding: Finding,
}

/// What a runbook has to say at the end of a migration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closing {
    /// What the shared service is called in texts: `Jaeger`. Empty: it has no name.
    pub name: String,
    /// What must change in the code that deploys the services, lest its next use undo the migration; one point each.
    pub code: Vec<String>,
}

/// One `stage "KIND" "NAME" { … }` block, evaluated.
#[derive(Clone, Debug)]
pub struct StageDecl {
    /// The second label: the name the operator knows, for example `create-log-group`.
    pub id: StageId,
    /// The first label: which stage kind executes it, for example `log_group`.
    pub kind: String,
    /// Where the block's head stands.
    pub span: SourceSpan,
    /// Attributes and nested blocks as one JSON object. A nested block without a label is an object under its type; with one
    /// label, an object of objects keyed by label; a block type that occurs several times without labels is an array.
    pub body: Value,
    /// Where each value stands, keyed by JSON pointer into `body` (`/container/jaeger/image`).
    pub spans: BTreeMap<String, SourceSpan>,
    /// Where each attribute's own name stands, keyed alike.
    pub name_spans: BTreeMap<String, SourceSpan>,
    /// The variables that each attribute is made of, keyed alike: its expression's own, and those of the locals in it.
    pub variables: BTreeMap<String, Vec<String>>,
}

/// A resolved variable.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    /// Its value after type check.
    pub value: Value,
    /// Where the value came from.
    pub origin: Origin,
    /// Whether its value is shown nowhere: the runbook says `sensitive = true`.
    pub sensitive: bool,
}

/// What a value is shown as that is sensitive: the names in it, and nothing of its texts.
pub fn masked(value: &Value) -> Value {
    match value {
        Value::String(text) if !text.is_empty() => Value::String("<masked>".to_owned()),
        Value::Array(items) => items.iter().map(masked).collect(),
        Value::Object(members) => members.iter().map(|(name, member)| (name.clone(), masked(member))).collect(),
        other => other.clone(),
    }
}

/// Where a variable's value came from; problems with the value point there.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// The runbook's `default`.
    Default(SourceSpan),
    /// A `--var-file`.
    VarFile(SourceSpan),
    /// `--var NAME=VALUE`.
    CommandLine,
    /// The environment variable of this name (`SIDESTEP_VAR_…` or `TF_VAR_…`).
    Environment(String),
}

/// A text file that problems can quote.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// The path as the operator gave it, or `<built-in>/…`.
    pub path: String,
    /// Its whole text.
    pub text: String,
}

/// A range of bytes in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceSpan {
    /// The file.
    pub file: Arc<SourceFile>,
    /// Byte offsets, end exclusive.
    pub range: std::ops::Range<usize>,
}

/// Something wrong with a runbook, a variable file or a variable. All problems of a command are collected and reported at once.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What is wrong, in one line without a full stop.
    pub message: String,
    /// Where; `None` for values from the command line or the environment.
    pub span: Option<SourceSpan>,
    /// What to write instead.
    pub hint: Option<String>,
}

/// `variable `a``, or ``variables `a` or `b```; `None` when there is none.
fn in_words(variables: &[String]) -> Option<String> {
    let quoted: Vec<String> = variables.iter().map(|name| format!("`{name}`")).collect();
    let (last, rest) = quoted.split_last()?;
    Some(if rest.is_empty() { format!("variable {last}") } else { format!("variables {} or {last}", rest.join(", ")) })
}

impl Runbook {
    /// What to set for another value of an attribute of the `target` block.
    pub fn target_setting(&self, name: &str) -> String {
        let variables = self.target_variables.get(name).map(Vec::as_slice).unwrap_or_default();
        in_words(variables).unwrap_or_else(|| format!("`{name}` in the runbook's target block"))
    }

    /// The same as they may be shown: see `masked`.
    pub fn shown_values(&self) -> BTreeMap<String, Value> {
        let shown = |variable: &Variable| if variable.sensitive { masked(&variable.value) } else { variable.value.clone() };
        self.variables.iter().map(|(name, variable)| (name.clone(), shown(variable))).collect()
    }

    /// The variables whose values are not shown.
    pub fn sensitive(&self) -> BTreeSet<String> {
        self.variables.iter().filter(|(_, variable)| variable.sensitive).map(|(name, _)| name.clone()).collect()
    }

    /// The variables' values as one JSON object, for the plan.
    pub fn variable_values(&self) -> BTreeMap<String, Value> {
        self.variables.iter().map(|(name, variable)| (name.clone(), variable.value.clone())).collect()
    }
}

impl StageDecl {
    /// The span of the value at `pointer`, or of its nearest enclosing value, or of the block's head.
    pub fn span_at(&self, pointer: &str) -> SourceSpan {
        let mut at = pointer;
        loop {
            if let Some(span) = self.spans.get(at) {
                return span.clone();
            }
            match at.rfind('/') {
                Some(cut) => at = &at[..cut],
                None => return self.span.clone(),
            }
        }
    }

    /// What to set for another value at `pointer`: the variables that it is made of, or else the attribute itself.
    pub fn setting(&self, pointer: &str) -> String {
        let mut at = pointer;
        loop {
            if let Some(variables) = self.variables.get(at) {
                return in_words(variables)
                    .unwrap_or_else(|| format!("`{}` in stage `{}`", at.rsplit('/').next().unwrap_or(at), self.id));
            }
            match at.rfind('/') {
                Some(cut) => at = &at[..cut],
                None => return format!("`{}` in stage `{}`", pointer.rsplit('/').next().unwrap_or(pointer), self.id),
            }
        }
    }

    /// A problem with the name of the attribute at `pointer`: one that is not known, say.
    pub fn problem_at_name(&self, pointer: &str, message: impl Into<String>, hint: Option<String>) -> Problem {
        let span = self.name_spans.get(pointer).cloned().unwrap_or_else(|| self.span_at(pointer));
        Problem { message: message.into(), span: Some(span), hint }
    }

    /// A problem with the value at `pointer` of this stage's body.
    pub fn problem_at(&self, pointer: &str, message: impl Into<String>, hint: Option<String>) -> Problem {
        Problem { message: message.into(), span: Some(self.span_at(pointer)), hint }
    }
}

/// Where a line and column of a span are needed as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineColumn {
    /// 1-based line.
    pub line: usize,
    /// 1-based column, in characters.
    pub column: usize,
}

impl SourceSpan {
    /// Line and column of the span's start.
    pub fn start(&self) -> LineColumn {
        let offset = self.range.start.min(self.file.text.len());
        let before = &self.file.text[..offset];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        LineColumn { line, column }
    }
}
