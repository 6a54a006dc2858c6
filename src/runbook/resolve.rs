//! The way from text to runbook. All problems are collected; the runbook exists only if there is none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hcl::edit::Span as _;
use hcl::edit::structure::{Attribute, Block, Body, Structure};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::body::{Bodies, Notes};
use super::check::{self, Allowed};
use super::declare::{self, Declarations, head};
use super::eval::{Budget, Evaluator, Names};
use super::names::{hint_among, near_miss};
use super::types::Type;
use super::uses::Uses;
use super::{parse, variables};
use crate::model::{
    Closing, DeclaredFinding, Finding, Problem, Runbook, Severity, SourceFile, SourceSpan, StageDecl, StageId, Variable,
};

/// Where variables get their values from, weakest first: the environment, the variable files in order, the command line in order.
#[derive(Clone, Debug, Default)]
pub struct VariableSources {
    /// `--var-file`: the path as given and the file's text.
    pub var_files: Vec<(String, String)>,
    /// `--var NAME=VALUE`.
    pub command_line: Vec<(String, String)>,
    /// The process's environment; `TF_VAR_x` and, stronger, `SIDESTEP_VAR_x` are read.
    pub environment: Vec<(String, String)>,
}

/// The runbook with every expression evaluated.
///
/// Where the file lies is for the caller to say ([`Runbook::path`]): a text is all that is known here.
///
/// `target` holds two members besides the block's own: `__enabled`, whether the runbook agrees to run at all, and
/// `__refusal`, what it says if not.
///
/// # Errors
/// Every problem of the runbook, the variable files and the variables, those with a place in the order of the files.
pub fn resolve(file: SourceFile, sources: &VariableSources) -> Result<Runbook, Vec<Problem>> {
    let file = parse::without_bom(file);
    let mut problems = Vec::new();
    let files = variables::read_files(sources, &mut problems);
    let runbook = match parse::body(&file) {
        Ok(body) => resolve_body(&file, &body, &files, sources, &mut problems),
        Err(problem) => {
            problems.push(problem);
            None
        }
    };
    match runbook {
        Some(runbook) if problems.is_empty() => Ok(runbook),
        _ => Err(in_order(&file, problems)),
    }
}

/// More problems than these are not read; most of them follow from the first ones.
pub(super) const MOST_PROBLEMS: usize = 100;

/// Problems of the runbook first, then of the variable files, each from top to bottom, then those without a place.
fn in_order(file: &Arc<SourceFile>, mut problems: Vec<Problem>) -> Vec<Problem> {
    if problems.is_empty() {
        // Cannot be: whatever has no value says why. A file that is refused without a reason would be worse than this line.
        let span = Some(SourceSpan { file: file.clone(), range: 0..0 });
        problems.push(Problem { message: "the runbook cannot be evaluated".to_owned(), span, hint: None });
    }
    problems.sort_by_key(|problem| match &problem.span {
        Some(span) if Arc::ptr_eq(&span.file, file) => (0, span.range.start),
        Some(span) => (1, span.range.start),
        None => (2, 0),
    });
    if problems.len() > MOST_PROBLEMS {
        problems.truncate(MOST_PROBLEMS);
        problems.push(Problem { message: "there are more problems than are shown here".to_owned(), span: None, hint: None });
    }
    problems
}

fn resolve_body(
    file: &Arc<SourceFile>,
    body: &Body,
    files: &variables::Files,
    sources: &VariableSources,
    problems: &mut Vec<Problem>,
) -> Option<Runbook> {
    let budget = Budget::new();
    let declared = declare::declare(file, body, &budget, problems);
    let resolved = variables::resolve(&declared.variables, files, sources, &budget, problems);
    let vars = resolved.iter().map(|(name, variable)| (name.clone(), variable.value.clone())).collect();
    let mut names = Names { vars, ..Names::default() };
    variables::validate(file, &declared.variables, &resolved, &names, &budget, problems);
    let needs = check_names(file, &declared, problems);
    evaluate_locals(file, &declared, &needs, &mut names, &budget, problems);

    let uses = Uses::new(declared.locals.iter().map(|(name, attribute)| (*name, &attribute.value)));
    let mut resolver = Resolver { file, names: &names, variables: &resolved, uses: &uses, budget: &budget, problems };
    let head = resolver.runbook_block(&declared);
    let target = resolver.target_block(&declared);
    let closing = resolver.closing_block(&declared);
    let findings: Vec<Option<DeclaredFinding>> = declared.findings.iter().map(|finding| resolver.finding(finding)).collect();
    let stages: Vec<Option<(bool, StageDecl)>> = declared.stages.iter().map(|stage| resolver.stage(stage)).collect();
    let stages = stages.into_iter().collect::<Option<Vec<_>>>();
    let stages = stages.and_then(|stages| resolver.switched(stages));
    let Head { name, description, enabled, refusal } = head?;
    let Places { values: mut target, spans: target_spans, variables: target_variables } = target?;
    let (stages, off) = stages?;
    target.insert("__enabled".to_owned(), Value::Bool(enabled));
    target.insert("__refusal".to_owned(), Value::String(refusal));
    Some(Runbook {
        name,
        description,
        path: None,
        digest: Sha256::digest(file.text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect(),
        variables: resolved,
        target,
        target_spans,
        target_variables,
        findings: findings.into_iter().collect::<Option<Vec<_>>>()?,
        closing: closing?,
        stages,
        off,
    })
}

/// Checks every name in locals, runbook, target and stages; returns what each local refers to.
fn check_names(
    file: &Arc<SourceFile>,
    declared: &Declarations<'_>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, BTreeSet<String>> {
    let variables: BTreeSet<String> = declared.variables.iter().map(|variable| variable.name.to_owned()).collect();
    let locals: BTreeSet<String> = declared.locals.iter().map(|(name, _)| (*name).to_owned()).collect();
    let allowed = Allowed::All(&variables, &locals);
    let mut needs = BTreeMap::new();
    for (name, attribute) in &declared.locals {
        needs.insert((*name).to_owned(), check::names(file, &attribute.value, allowed, problems));
    }
    let blocks = declared
        .runbook
        .iter()
        .map(|runbook| runbook.block)
        .chain(declared.target)
        .chain(declared.closing)
        .chain(declared.findings.iter().map(|finding| finding.block))
        .map(|block| &block.body);
    let mut bodies: Vec<&Body> = blocks.chain(declared.stages.iter().map(|stage| stage.body)).collect();
    while let Some(body) = bodies.pop() {
        for structure in body {
            match structure {
                Structure::Attribute(attribute) => drop(check::names(file, &attribute.value, allowed, problems)),
                Structure::Block(block) => bodies.push(&block.body),
            }
        }
    }
    needs
}

/// Evaluates locals, each after those that it refers to; reports the circles.
fn evaluate_locals(
    file: &Arc<SourceFile>,
    declared: &Declarations<'_>,
    needs: &BTreeMap<String, BTreeSet<String>>,
    names: &mut Names,
    budget: &Budget,
    problems: &mut Vec<Problem>,
) {
    let attributes: BTreeMap<&str, &Attribute> = declared.locals.iter().copied().collect();
    let mut waiting: BTreeMap<&str, usize> = needs.iter().map(|(name, needed)| (name.as_str(), needed.len())).collect();
    let mut users: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, needed) in needs {
        for other in needed {
            users.entry(other).or_default().push(name);
        }
    }
    let mut ready: Vec<&str> = waiting.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
    while let Some(name) = ready.pop() {
        waiting.remove(name);
        if let Some(attribute) = attributes.get(name) {
            let mut evaluator = Evaluator::new(file, names, budget);
            let value = evaluator.eval(&attribute.value);
            problems.append(&mut evaluator.problems);
            if let Some(value) = value {
                names.locals.insert(name.to_owned(), value);
            }
        }
        for user in users.get(name).into_iter().flatten() {
            if let Some(count) = waiting.get_mut(user) {
                *count -= 1;
                if *count == 0 {
                    ready.push(user);
                }
            }
        }
    }
    report_circles(file, &attributes, needs, waiting.into_keys().collect(), problems);
}

/// What is left refers to itself, or to something that does: walks until a name repeats, and reports each circle once.
fn report_circles<'a>(
    file: &Arc<SourceFile>,
    attributes: &BTreeMap<&str, &Attribute>,
    needs: &'a BTreeMap<String, BTreeSet<String>>,
    mut left: BTreeSet<&'a str>,
    problems: &mut Vec<Problem>,
) {
    let all_left = left.clone();
    while let Some(start) = left.first().copied() {
        let mut path = vec![start];
        let circle = loop {
            let last = path[path.len() - 1];
            let next = needs.get(last).and_then(|needed| needed.iter().map(String::as_str).find(|name| all_left.contains(name)));
            let Some(next) = next else { break None };
            if let Some(at) = path.iter().position(|name| *name == next) {
                break Some(path[at..].to_vec());
            }
            if !left.contains(next) {
                break None; // leads into a circle that is reported already
            }
            path.push(next);
        };
        for name in &path {
            left.remove(name);
        }
        if let Some(circle) = circle {
            let shown = [&circle[..], &circle[..1]].concat().join(" → ");
            let range = attributes.get(circle[0]).and_then(|attribute| attribute.key.span());
            problems.push(Problem {
                message: format!("locals refer to each other in a circle: {shown}"),
                span: range.map(|range| SourceSpan { file: file.clone(), range }),
                hint: None,
            });
        }
    }
}

const RUNBOOK: &[&str] = &["description", "enabled", "refuse"];
const CLOSING: &[&str] = &["name", "code"];
const FINDING: &[&str] = &["description", "severity", "when", "resource", "found", "consequence", "fix"];
/// What every stage may say: false leaves it out.
const ENABLED: &str = "enabled";
const TARGET: &[&str] = &["account", "cluster", "environment", "region", "services"];

/// What the `runbook` block says.
struct Head {
    name: String,
    description: String,
    enabled: bool,
    refusal: String,
}

/// The `target` block's values, and where they stand.
struct Places {
    values: BTreeMap<String, Value>,
    spans: BTreeMap<String, SourceSpan>,
    variables: BTreeMap<String, Vec<String>>,
}

/// Evaluates the blocks once all names have values.
struct Resolver<'a> {
    file: &'a Arc<SourceFile>,
    names: &'a Names,
    variables: &'a BTreeMap<String, Variable>,
    uses: &'a Uses<'a>,
    budget: &'a Budget,
    problems: &'a mut Vec<Problem>,
}

impl Resolver<'_> {
    fn report(&mut self, span: Option<SourceSpan>, message: String, hint: Option<String>) {
        self.problems.push(Problem { message, span, hint });
    }

    fn here(&self, range: Option<std::ops::Range<usize>>) -> Option<SourceSpan> {
        range.map(|range| SourceSpan { file: self.file.clone(), range })
    }

    fn with_bodies<T>(&mut self, work: impl FnOnce(&mut Bodies<'_, '_>) -> T) -> (T, Notes) {
        let mut evaluator = Evaluator::new(self.file, self.names, self.budget);
        let mut bodies = Bodies {
            file: self.file,
            evaluator: &mut evaluator,
            variables: self.variables,
            uses: self.uses,
            notes: Notes::default(),
        };
        let made = work(&mut bodies);
        let notes = bodies.notes;
        self.problems.append(&mut evaluator.problems);
        (made, notes)
    }

    /// An attribute's value as `wanted`; null is as if it were not there.
    fn attribute(&mut self, block: &Block, name: &str, wanted: &Type) -> Result<Option<(Value, SourceSpan)>, ()> {
        let Some(attribute) = block.body.get_attribute(name) else { return Ok(None) };
        let ((value, span), _) =
            self.with_bodies(|bodies| (bodies.evaluator.eval(&attribute.value), bodies.place(&attribute.value)));
        let value = value.ok_or(())?;
        let Some(span) = span.or_else(|| self.here(Some(0..0))) else { return Err(()) };
        if value.is_null() {
            return Ok(None);
        }
        match wanted.convert(&value) {
            Ok(value) => Ok(Some((value, span))),
            Err(why) => {
                let range = variables::locate(&attribute.value, &why.pointer);
                let span = if why.pointer.is_empty() { Some(span) } else { self.here(range) };
                self.report(span, format!("`{name}` {}", why.message), Some(format!("write {name} = {}", wanted.example())));
                Err(())
            }
        }
    }

    fn runbook_block(&mut self, declared: &Declarations<'_>) -> Option<Head> {
        let runbook = declared.runbook.as_ref()?;
        self.known_members(runbook.block, RUNBOOK);
        let description = self.attribute(runbook.block, "description", &Type::String);
        let enabled = self.attribute(runbook.block, "enabled", &Type::Bool);
        let refusal = self.attribute(runbook.block, "refuse", &Type::String);
        let text = |found: Option<(Value, SourceSpan)>| found.and_then(|(value, _)| value.as_str().map(str::to_owned));
        let description = text(description.ok()?).unwrap_or_default();
        let enabled = enabled.ok()?.is_none_or(|(value, _)| value == Value::Bool(true));
        let refusal = text(refusal.ok()?).unwrap_or_else(|| format!("the runbook `{}` is not enabled", runbook.name));
        Some(Head { name: runbook.name.to_owned(), description, enabled, refusal })
    }

    fn target_block(&mut self, declared: &Declarations<'_>) -> Option<Places> {
        let block = declared.target?;
        self.known_members(block, TARGET);
        let (mut values, mut spans, mut variables, mut whole) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new(), true);
        for name in TARGET {
            let list = *name == "services";
            if let Some(attribute) = block.body.get_attribute(name) {
                variables.insert((*name).to_owned(), self.uses.of(&attribute.value));
            }
            let wanted = if list { Type::List(Box::new(Type::String)) } else { Type::String };
            match self.attribute(block, name, &wanted) {
                Ok(Some((value, span))) if is_empty(&value) => {
                    let what = if list { "names no service, or an empty one" } else { "is empty" };
                    self.report(Some(span), format!("`{name}` {what}"), None);
                    whole = false;
                }
                Ok(Some((value, span))) => {
                    values.insert((*name).to_owned(), value);
                    spans.insert((*name).to_owned(), span);
                }
                Ok(None) if *name == "account" => {}
                Ok(None) if self.is_misspelt(block, name) => whole = false,
                Ok(None) => {
                    let span = self.here(head(block));
                    self.report(span, format!("`target` has no `{name}`"), Some(format!("write {name} = {}", wanted.example())));
                    whole = false;
                }
                Err(()) => whole = false,
            }
        }
        whole.then_some(Places { values, spans, variables })
    }

    /// A runbook without the block has nothing of its own to say.
    fn closing_block(&mut self, declared: &Declarations<'_>) -> Option<Closing> {
        let Some(block) = declared.closing else { return Some(Closing::default()) };
        self.known_members(block, CLOSING);
        let name = self.attribute(block, "name", &Type::String);
        let code = self.attribute(block, "code", &Type::List(Box::new(Type::String)));
        let name = name.ok()?.and_then(|(value, _)| value.as_str().map(str::to_owned)).unwrap_or_default();
        let code = code.ok()?.map(|(value, _)| value).unwrap_or_default();
        let code = code.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        Some(Closing { name, code })
    }

    fn finding(&mut self, declared: &declare::FindingBlock<'_>) -> Option<DeclaredFinding> {
        let block = declared.block;
        self.known_members(block, FINDING);
        let when = self.attribute(block, "when", &Type::Bool);
        let severity = self.attribute(block, "severity", &Type::String);
        let mut texts = BTreeMap::new();
        let mut whole = true;
        for name in ["description", "resource", "found", "consequence", "fix"] {
            let found = self.attribute(block, name, &Type::String);
            texts.insert(
                name,
                found.map(|found| found.and_then(|(value, _)| value.as_str().map(str::to_owned)).unwrap_or_default()),
            );
        }
        let absent = |name: &&&str| **name != "severity" && block.body.get_attribute(name).is_none();
        let missing: Vec<&str> = FINDING.iter().filter(absent).copied().collect();
        if let Some(first) = missing.first() {
            let span = self.here(head(block));
            let message = format!("finding `{}` has no {}", declared.id, missing.join(", "));
            self.report(span, message, Some(format!("write {first} = …")));
            whole = false;
        }
        let severity = match severity.ok()? {
            None => Severity::Warning,
            Some((value, span)) => match value.as_str() {
                Some("note") => Severity::Note,
                Some("warning") => Severity::Warning,
                Some("blocker") => Severity::Blocker,
                _ => {
                    let hint = Some("write \"note\", \"warning\" or \"blocker\"".to_owned());
                    self.report(Some(span), format!("{value} is no severity"), hint);
                    return None;
                }
            },
        };
        let mut text = |name: &str| texts.remove(name).and_then(Result::ok);
        let (about, resource, found) = (text("description")?, text("resource")?, text("found")?);
        let (consequence, fix) = (text("consequence")?, text("fix")?);
        let holds = when.ok()?.is_some_and(|(value, _)| value == Value::Bool(true));
        let finding = Finding { id: declared.id.to_owned(), severity, resource, found, consequence, fix, must_repair: false };
        whole.then_some(DeclaredFinding { about, holds, finding })
    }

    /// A stage, and whether it is switched on.
    fn stage(&mut self, stage: &declare::StageBlock<'_>) -> Option<(bool, StageDecl)> {
        let (body, notes) = self.with_bodies(|bodies| bodies.object(stage.body, ""));
        let mut body = body?;
        let enabled = match body.remove(ENABLED).map(|value| Type::Bool.convert(&value)) {
            None => true,
            Some(Ok(value)) => value == Value::Bool(true),
            Some(Err(why)) => {
                let span = notes.spans.get(&format!("/{ENABLED}")).cloned();
                self.report(span, format!("`{ENABLED}` {}", why.message), Some(format!("write {ENABLED} = true")));
                return None;
            }
        };
        let decl = StageDecl {
            id: StageId::new(stage.name),
            kind: stage.kind.to_owned(),
            span: stage.head.clone(),
            body: Value::Object(body),
            spans: notes.spans,
            name_spans: notes.names,
            variables: notes.variables,
        };
        Some((enabled, decl))
    }

    /// The stages that are switched on, and those that are not: one at least must be.
    fn switched(&mut self, stages: Vec<(bool, StageDecl)>) -> Option<(Vec<StageDecl>, Vec<StageDecl>)> {
        let (on, off): (Vec<_>, Vec<_>) = stages.into_iter().partition(|(enabled, _)| *enabled);
        let bare = |stages: Vec<(bool, StageDecl)>| stages.into_iter().map(|(_, decl)| decl).collect::<Vec<_>>();
        let (on, off) = (bare(on), bare(off));
        if let (true, Some(first)) = (on.is_empty(), off.first()) {
            let span = Some(first.span_at(&format!("/{ENABLED}")));
            self.report(span, "every stage is switched off".to_owned(), Some(format!("give one of them {ENABLED} = true")));
            return None;
        }
        Some((on, off))
    }

    /// Whether an attribute that nothing else explains was probably meant to be `name`: one problem is enough.
    fn is_misspelt(&self, block: &Block, name: &str) -> bool {
        let unknown = block.body.attributes().map(|attribute| attribute.key.as_str()).filter(|key| !TARGET.contains(key));
        unknown.into_iter().any(|key| near_miss(key, TARGET.iter().copied()) == Some(name))
    }

    fn known_members(&mut self, block: &Block, known: &[&str]) {
        let what = block.ident.as_str();
        for structure in &block.body {
            let (name, range) = match structure {
                Structure::Attribute(attribute) => (attribute.key.as_str(), attribute.key.span()),
                Structure::Block(inner) => (inner.ident.as_str(), head(inner)),
            };
            let span = self.here(range);
            if !known.contains(&name) {
                self.report(span, format!("a `{what}` block has no `{name}`"), hint_among(name, "it has", known.iter().copied()));
            } else if structure.is_block() {
                self.report(span, format!("`{name}` is a value, not a block"), Some(format!("write {name} = …")));
            }
        }
    }
}

/// Whether it is an empty text, or a list without elements or with an empty text in it.
fn is_empty(value: &Value) -> bool {
    let empty = |value: &Value| value.as_str() == Some("");
    empty(value) || value.as_array().is_some_and(|items| items.is_empty() || items.iter().any(empty))
}
