//! Which value each variable has, and where it came from.
//!
//! A later source wins: default, `TF_VAR_x`, `SIDESTEP_VAR_x`, the variable files in order, `--var` in order. A source that
//! gives null gives nothing, unless the variable is declared `nullable = true`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use hcl::edit::Span as _;
use hcl::edit::expr::{Expression, ObjectKey};
use hcl::edit::structure::{Body, Structure};
use serde_json::Value;

use super::check::{self, Allowed};
use super::declare::{Validation, VariableDecl, constant, head};
use super::eval::{Budget, Evaluator, Names};
use super::names::hint_among;
use super::types::{Mismatch, Type};
use super::{VariableSources, json, parse, values};
use crate::model::{Origin, Problem, SourceFile, SourceSpan, Variable};

/// Variable files after parsing.
pub(super) type Files = Vec<(Arc<SourceFile>, Content)>;

/// What a variable file holds.
pub(super) enum Content {
    /// `NAME = VALUE`.
    Hcl(Body),
    /// `{ "NAME": VALUE }`.
    Json(json::Node),
}

/// Parses the variable files and reports what does not belong into one.
pub(super) fn read_files(sources: &VariableSources, problems: &mut Vec<Problem>) -> Files {
    let mut files = Files::new();
    for (path, text) in &sources.var_files {
        let file = parse::without_bom(SourceFile { path: path.clone(), text: text.clone() });
        if json::is_json(path) {
            match json::object(&file) {
                Ok(object) => files.push((file, Content::Json(object))),
                Err(problem) => problems.push(problem),
            }
            continue;
        }
        match parse::body(&file) {
            Ok(body) => {
                for structure in &body {
                    let Structure::Block(block) = structure else { continue };
                    let name = block.ident.as_str();
                    problems.push(Problem {
                        message: format!("a variable file holds NAME = VALUE, not the block `{name}`"),
                        span: head(block).map(|range| SourceSpan { file: file.clone(), range }),
                        hint: Some(format!("a map is written {name} = {{ … }}")),
                    });
                }
                files.push((file, Content::Hcl(body)));
            }
            Err(problem) => problems.push(problem),
        }
    }
    files
}

/// The values of all variables that have a good one; problems for the rest.
pub(super) fn resolve(
    declared: &[VariableDecl<'_>],
    files: &Files,
    sources: &VariableSources,
    budget: &Budget,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Variable> {
    unknown_on_command_line(declared, sources, problems);
    let mut resolved = BTreeMap::new();
    for variable in declared {
        let mut source = Source { variable, budget, problems: &mut *problems };
        if let Some(found) = source.find(files, sources) {
            resolved.insert(variable.name.to_owned(), found);
        }
    }
    resolved
}

fn unknown_on_command_line(declared: &[VariableDecl<'_>], sources: &VariableSources, problems: &mut Vec<Problem>) {
    for (name, _) in &sources.command_line {
        if declared.iter().all(|variable| variable.name != name) {
            problems.push(Problem {
                message: format!("--var {name}: the runbook has no variable `{name}`"),
                span: None,
                hint: hint_among(name, "variables", declared.iter().map(|variable| variable.name)),
            });
        }
    }
}

/// One variable on the way to its value.
struct Source<'a, 'b> {
    variable: &'a VariableDecl<'b>,
    budget: &'a Budget,
    problems: &'a mut Vec<Problem>,
}

/// The strongest source has a value (`Ok(Some)`), gives nothing (`Ok(None)`), or a bad one that is reported (`Err`).
type Given = Result<Option<Variable>, ()>;

impl Source<'_, '_> {
    fn find(&mut self, files: &Files, sources: &VariableSources) -> Option<Variable> {
        let name = self.variable.name;
        for (_, text) in sources.command_line.iter().rev().filter(|(given, _)| given == name) {
            match self.bare(text, Origin::CommandLine) {
                Ok(None) => {}
                given => return given.ok().flatten(),
            }
        }
        for (file, content) in files.iter().rev() {
            let given = match content {
                Content::Hcl(body) => self.in_file(file, body),
                Content::Json(object) => self.in_json(file, object),
            };
            match given {
                Ok(None) => {}
                given => return given.ok().flatten(),
            }
        }
        for prefix in ["SIDESTEP_VAR_", "TF_VAR_"] {
            let key = format!("{prefix}{name}");
            for (_, text) in sources.environment.iter().filter(|(given, _)| *given == key) {
                match self.bare(text, Origin::Environment(key.clone())) {
                    Ok(None) => {}
                    given => return given.ok().flatten(),
                }
            }
        }
        if let Some((value, span)) = &self.variable.default {
            let (value, origin) = (value.clone(), Origin::Default(span.clone()));
            return Some(Variable { value, origin, sensitive: self.variable.sensitive });
        }
        if !self.variable.broken {
            self.problems.push(Problem {
                message: format!("variable `{name}` has no value"),
                span: Some(self.variable.head.clone()),
                hint: Some(format!("set it with --var {name}=… or in a --var-file")),
            });
        }
        None
    }

    fn in_file(&mut self, file: &Arc<SourceFile>, body: &Body) -> Given {
        let Some(attribute) = body.get_attribute(self.variable.name) else { return Ok(None) };
        let value = constant(file, &attribute.value, "a variable file", self.budget, self.problems).ok_or(())?;
        let span = |range: Option<Range<usize>>| SourceSpan { file: file.clone(), range: range.unwrap_or(0..0) };
        self.convert(&value, Origin::VarFile(span(attribute.value.span())), |why| {
            Some(span(locate(&attribute.value, &why.pointer)))
        })
    }

    fn in_json(&mut self, file: &Arc<SourceFile>, object: &json::Node) -> Given {
        let Some(node) = object.member(self.variable.name) else { return Ok(None) };
        let span = |range: Range<usize>| SourceSpan { file: file.clone(), range };
        self.convert(&node.value(), Origin::VarFile(span(node.range.clone())), |why| Some(span(node.locate(&why.pointer))))
    }

    /// A value given as bare text. As Terraform does it: for a string, number or bool the text itself, else an expression.
    fn bare(&mut self, text: &str, origin: Origin) -> Given {
        let wanted = &self.variable.wanted;
        let text_value = || Value::String(text.to_owned());
        if wanted.is_primitive() {
            // `null` is no text that anybody would want for a number or a bool.
            let value = if text == "null" && *wanted != Type::String { Value::Null } else { text_value() };
            return self.convert(&value, origin, |_| None);
        }
        let file = Arc::new(SourceFile { path: place(&origin), text: text.to_owned() });
        let value = match parse::expression(text) {
            Ok(expr) => {
                let mut inner = Vec::new();
                let value = constant(&file, &expr, "this value", self.budget, &mut inner);
                match (value, wanted) {
                    (Some(value), _) => value,
                    (None, Type::Any) => text_value(),
                    (None, _) => {
                        let why = inner.into_iter().next();
                        let (message, hint) = why.map_or((String::new(), None), |why| (why.message, why.hint));
                        return self.refuse(&origin, &message, hint);
                    }
                }
            }
            Err(_) if *wanted == Type::Any => text_value(),
            Err(why) => return self.refuse(&origin, &format!("it is no HCL value: {why}"), None),
        };
        self.convert(&value, origin, |_| None)
    }

    fn refuse(&mut self, origin: &Origin, message: &str, hint: Option<String>) -> Given {
        self.problems.push(Problem {
            message: format!("variable `{}` ({}): {message}", self.variable.name, place(origin)),
            span: None,
            hint: hint.or_else(|| Some(self.hint(origin))),
        });
        Err(())
    }

    fn convert(&mut self, value: &Value, origin: Origin, span: impl FnOnce(&Mismatch) -> Option<SourceSpan>) -> Given {
        if value.is_null() && !self.variable.nullable {
            return Ok(None);
        }
        match self.variable.wanted.convert(value) {
            Ok(value) => Ok(Some(Variable { value, origin, sensitive: self.variable.sensitive })),
            Err(why) => {
                let name = self.variable.name;
                let span = span(&why);
                let from = if span.is_some() { String::new() } else { format!(" ({})", place(&origin)) };
                self.problems.push(Problem {
                    message: format!("variable `{name}{}` {}{from}", part(&why.pointer), why.message),
                    span,
                    hint: Some(self.hint(&origin)),
                });
                Err(())
            }
        }
    }

    /// What to write instead: the default where it shows the form, else an example of the type.
    fn hint(&self, origin: &Origin) -> String {
        let VariableDecl { name, wanted, default, .. } = self.variable;
        let default = default.as_ref().map(|(value, _)| value);
        let telling = default.filter(|value| !value.is_null() && value.as_str() != Some("") && wanted.is_primitive());
        let example = telling.map_or_else(|| wanted.example(), Value::to_string);
        let bare = if wanted.is_primitive() { example.trim_matches('"').to_owned() } else { format!("'{example}'") };
        match origin {
            Origin::CommandLine => format!("write --var {name}={bare}"),
            Origin::Environment(key) => format!("set {key}={bare}"),
            Origin::VarFile(span) if json::is_json(&span.file.path) => match default.filter(|value| !value.is_null()) {
                Some(default) => format!("write \"{name}\": {default}"),
                None if example.contains(" = ") => format!("write \"{name}\": {{ … }}"),
                None => format!("write \"{name}\": {example}"),
            },
            Origin::Default(_) | Origin::VarFile(_) => format!("write {name} = {example}"),
        }
    }
}

/// Where a value without a file came from.
fn place(origin: &Origin) -> String {
    match origin {
        Origin::CommandLine => "from --var".to_owned(),
        Origin::Environment(key) => format!("from {key} in the environment"),
        Origin::Default(_) | Origin::VarFile(_) => "from a file".to_owned(),
    }
}

/// `/1/name` as one would write it: `[1].name`.
fn part(pointer: &str) -> String {
    let segment = |segment: &str| match segment.parse::<usize>() {
        Ok(index) => format!("[{index}]"),
        Err(_) => format!(".{}", segment.replace("~1", "/").replace("~0", "~")),
    };
    pointer.split('/').skip(1).map(segment).collect()
}

/// The range of the part of a literal that a JSON pointer names, as far down as the literal shows it.
pub(super) fn locate(expr: &Expression, pointer: &str) -> Option<Range<usize>> {
    let mut at = expr;
    for segment in pointer.split('/').skip(1) {
        let segment = segment.replace("~1", "/").replace("~0", "~");
        let inner = match at {
            Expression::Array(items) => segment.parse().ok().and_then(|index: usize| items.get(index)),
            Expression::Object(members) => {
                members.iter().filter(|(key, _)| key_name(key) == Some(&segment)).last().map(|(_, value)| value.expr())
            }
            _ => None,
        };
        match inner {
            Some(inner) => at = inner,
            None => break,
        }
    }
    at.span()
}

/// The name that a literal key is.
pub(super) fn key_name(key: &ObjectKey) -> Option<&str> {
    match key {
        ObjectKey::Ident(name) => Some(name.as_str()),
        ObjectKey::Expression(Expression::Variable(name)) => Some(name.as_str()),
        ObjectKey::Expression(Expression::String(name)) => Some(name.as_str()),
        ObjectKey::Expression(_) => None,
    }
}

/// Checks the `validation` blocks of the variables that have a value.
pub(super) fn validate(
    file: &Arc<SourceFile>,
    declared: &[VariableDecl<'_>],
    resolved: &BTreeMap<String, Variable>,
    names: &Names,
    budget: &Budget,
    problems: &mut Vec<Problem>,
) {
    let known = declared.iter().map(|variable| variable.name.to_owned()).collect();
    for variable in declared {
        for validation in &variable.validations {
            let before = problems.len();
            check::names(file, validation.condition, Allowed::Variables(&known), problems);
            check::names(file, validation.message, Allowed::Variables(&known), problems);
            if let (Some(value), true) = (resolved.get(variable.name), problems.len() == before) {
                validate_one(file, variable, validation, value, names, budget, problems);
            }
        }
    }
}

fn validate_one(
    file: &Arc<SourceFile>,
    variable: &VariableDecl<'_>,
    validation: &Validation<'_>,
    value: &Variable,
    names: &Names,
    budget: &Budget,
    problems: &mut Vec<Problem>,
) {
    let mut evaluator = Evaluator::new(file, names, budget);
    let fine = evaluator.truth("a validation's condition", validation.condition);
    if fine == Some(false) {
        let message = evaluator.eval(validation.message);
        let words = message.as_ref().and_then(values::text).unwrap_or_else(|| "the value is not valid".to_owned());
        let rule = validation.condition.span().map(|range| SourceSpan { file: file.clone(), range });
        let line = rule.as_ref().map_or(0, |span| span.start().line);
        let (span, from) = match &value.origin {
            Origin::Default(span) | Origin::VarFile(span) => (Some(span.clone()), String::new()),
            origin => (None, format!(" ({})", place(origin))),
        };
        evaluator.problems.push(Problem {
            message: format!("variable `{}`: {}{from}", variable.name, words.trim_end_matches('.')),
            span,
            hint: Some(format!("the rule is in {}, line {line}", file.path)),
        });
    }
    problems.append(&mut evaluator.problems);
}
