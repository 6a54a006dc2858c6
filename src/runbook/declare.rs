//! What a runbook file declares: which blocks and attributes there are, before any expression is evaluated.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use hcl::edit::Span as _;
use hcl::edit::expr::Expression;
use hcl::edit::structure::{Attribute, Block, Body, Structure};
use serde_json::Value;

use super::check::{self, Allowed, DEFAULT};
use super::eval::{Budget, Evaluator, Names};
use super::names::{hint_among, near_miss};
use super::resolve::MOST_PROBLEMS;
use super::types::Type;
use crate::model::{Problem, SourceFile, SourceSpan};

/// The declarations of a runbook file.
#[derive(Default)]
pub(super) struct Declarations<'a> {
    pub(super) runbook: Option<RunbookDecl<'a>>,
    pub(super) target: Option<&'a Block>,
    pub(super) closing: Option<&'a Block>,
    /// In the order of the file; unique ids.
    pub(super) findings: Vec<FindingBlock<'a>>,
    pub(super) variables: Vec<VariableDecl<'a>>,
    /// In the order of the file; unique names.
    pub(super) locals: Vec<(&'a str, &'a Attribute)>,
    pub(super) stages: Vec<StageBlock<'a>>,
}

/// The `runbook "NAME" { … }` block.
pub(super) struct RunbookDecl<'a> {
    pub(super) name: &'a str,
    pub(super) block: &'a Block,
}

/// A `finding "ID" { … }` block.
pub(super) struct FindingBlock<'a> {
    pub(super) id: &'a str,
    pub(super) block: &'a Block,
}

/// A `variable "NAME" { … }` block.
pub(super) struct VariableDecl<'a> {
    pub(super) name: &'a str,
    pub(super) head: SourceSpan,
    pub(super) wanted: Type,
    /// Converted to the type.
    pub(super) default: Option<(Value, SourceSpan)>,
    /// `nullable = true`: null is a value. Else null means "not set".
    pub(super) nullable: bool,
    /// `sensitive = true`: its value is not shown.
    pub(super) sensitive: bool,
    pub(super) validations: Vec<Validation<'a>>,
    /// Something in the block is wrong and reported: whether it has a value is not worth a second problem.
    pub(super) broken: bool,
}

/// A `validation { … }` block.
pub(super) struct Validation<'a> {
    pub(super) condition: &'a Expression,
    pub(super) message: &'a Expression,
}

/// A `stage "KIND" "NAME" { … }` block.
pub(super) struct StageBlock<'a> {
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
    pub(super) head: SourceSpan,
    pub(super) body: &'a Body,
}

const BLOCKS: &[&str] = &["runbook", "variable", "locals", "target", "stage", "finding", "closing"];
const VARIABLE: &[&str] = &["type", "default", "description", "nullable", "sensitive", "validation"];

/// Collects the declarations of `body` and reports what does not belong.
pub(super) fn declare<'a>(
    file: &Arc<SourceFile>,
    body: &'a Body,
    budget: &Budget,
    problems: &mut Vec<Problem>,
) -> Declarations<'a> {
    let mut reader = Reader { file, budget, problems, seen: BTreeMap::new(), met: BTreeSet::new() };
    let mut found = Declarations::default();
    for structure in body {
        match structure {
            Structure::Attribute(attribute) => {
                let name = attribute.key.as_str();
                let hint =
                    format!("a variable's value comes with --var or --var-file; a fixed value belongs in locals {{ {name} = … }}");
                reader.report(attribute.key.span(), format!("`{name}` stands outside a block"), Some(hint));
            }
            Structure::Block(block) => reader.block(block, &mut found),
        }
    }
    let absent = [
        ("runbook", found.runbook.is_none(), "start it with runbook \"name\" { description = \"…\" }"),
        ("target", found.target.is_none(), "write target { region = … environment = … cluster = … services = […] }"),
        ("stage", found.stages.is_empty(), "write stage \"KIND\" \"name\" { … }"),
    ];
    for (block, _, hint) in absent.into_iter().filter(|(block, absent, _)| *absent && !reader.met.contains(*block)) {
        let message = format!("{} has no `{block}` block", file.path);
        reader.problems.push(Problem { message, span: None, hint: Some(hint.to_owned()) });
    }
    found
}

/// From the block's type to its last label.
pub(super) fn head(block: &Block) -> Option<Range<usize>> {
    let start = block.ident.span()?;
    let end = block.labels.last().and_then(|label| label.span()).map_or(start.end, |label| label.end);
    Some(start.start..end)
}

struct Reader<'a> {
    file: &'a Arc<SourceFile>,
    budget: &'a Budget,
    problems: &'a mut Vec<Problem>,
    /// Where a name was declared first: `variable x`, `local x`, `stage x`, `runbook`, `target`.
    seen: BTreeMap<String, SourceSpan>,
    /// Block types that are there, if only broken or misspelt: they are not reported as absent too.
    met: BTreeSet<String>,
}

impl Reader<'_> {
    fn span(&self, range: Option<Range<usize>>) -> SourceSpan {
        SourceSpan { file: self.file.clone(), range: range.unwrap_or(0..0) }
    }

    fn report(&mut self, range: Option<Range<usize>>, message: String, hint: Option<String>) {
        let span = Some(self.span(range));
        self.problems.push(Problem { message, span, hint });
    }

    /// Whether the name is new; reports it if not.
    fn is_new(&mut self, what: &str, name: &str, range: Option<Range<usize>>) -> bool {
        let key = format!("{what} {name}").trim_end().to_owned();
        if let Some(first) = self.seen.get(&key) {
            let shown = if name.is_empty() { format!("`{what}` block") } else { format!("{what} `{name}`") };
            let hint = Some(format!("the first is in line {}", first.start().line));
            self.report(range, format!("a second {shown}"), hint);
            return false;
        }
        let span = self.span(range);
        self.seen.insert(key, span);
        true
    }

    /// The labels, if there are as many as `usage` shows.
    fn labels<'b, const N: usize>(&mut self, block: &'b Block, usage: &str) -> Option<[&'b str; N]> {
        let labels: Vec<&str> = block.labels.iter().map(|label| label.as_str()).collect();
        let count = labels.len();
        labels.try_into().ok().or_else(|| {
            let wanted = match N {
                0 => "no label".to_owned(),
                1 => "one label".to_owned(),
                n => format!("{n} labels"),
            };
            let message = format!("a `{}` block takes {wanted} ({count} given)", block.ident.as_str());
            self.report(head(block), message, Some(format!("write {usage}")));
            None
        })
    }

    fn block<'b>(&mut self, block: &'b Block, found: &mut Declarations<'b>) {
        if self.problems.len() > MOST_PROBLEMS {
            return;
        }
        self.met.extend(BLOCKS.iter().filter(|known| **known == block.ident.as_str()).map(|known| (*known).to_owned()));
        match block.ident.as_str() {
            "runbook" => {
                if !self.is_new("runbook", "", head(block)) {
                    return;
                }
                let Some([name]) = self.labels(block, "runbook \"name\" { … }") else { return };
                found.runbook = Some(RunbookDecl { name, block });
            }
            "target" => {
                if self.is_new("target", "", head(block)) && self.labels::<0>(block, "target { … }").is_some() {
                    found.target = Some(block);
                }
            }
            "closing" => {
                if self.is_new("closing", "", head(block)) && self.labels::<0>(block, "closing { … }").is_some() {
                    found.closing = Some(block);
                }
            }
            "finding" => {
                let Some([id]) = self.labels(block, "finding \"id\" { … }") else { return };
                // It is typed after --accept.
                if id.is_empty() || !id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
                    let range = block.labels.first().and_then(|label| label.span());
                    let hint = Some("for example image-end-of-life".to_owned());
                    self.report(range, "a finding's id consists of small letters, digits and `-`".to_owned(), hint);
                }
                if self.is_new("finding", id, head(block)) {
                    found.findings.push(FindingBlock { id, block });
                }
            }
            "locals" => self.locals(block, found),
            "variable" => {
                if let Some(variable) = self.variable(block) {
                    found.variables.push(variable);
                }
            }
            "stage" => {
                if let Some(stage) = self.stage(block) {
                    found.stages.push(stage);
                }
            }
            other => {
                let meant = near_miss(other, BLOCKS.iter().copied());
                self.met.extend(meant.map(str::to_owned));
                let hint = match other {
                    "resource" | "data" | "module" | "output" | "provider" | "terraform" | "moved" | "import" | "check" => {
                        format!("a runbook is no Terraform configuration; it has {}", BLOCKS.join(", "))
                    }
                    _ => hint_among(other, "blocks", BLOCKS.iter().copied()).unwrap_or_default(),
                };
                self.report(head(block), format!("unknown block `{other}`"), Some(hint));
            }
        }
    }

    fn locals<'b>(&mut self, block: &'b Block, found: &mut Declarations<'b>) {
        self.labels::<0>(block, "locals { … }");
        for structure in &block.body {
            match structure {
                Structure::Attribute(attribute) => {
                    let name = attribute.key.as_str();
                    if self.is_new("local", name, attribute.key.span()) {
                        found.locals.push((name, attribute));
                    }
                }
                Structure::Block(block) => {
                    let name = block.ident.as_str();
                    let hint = Some(format!("a map is written {name} = {{ … }}"));
                    self.report(head(block), format!("`locals` holds values, not the block `{name}`"), hint);
                }
            }
        }
    }

    fn stage<'b>(&mut self, block: &'b Block) -> Option<StageBlock<'b>> {
        let [kind, name] = self.labels::<2>(block, "stage \"KIND\" \"name\" { … }")?;
        // The name is typed on the command line and is part of step ids, which a slash divides.
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty() || !name.chars().all(fine) {
            let range = block.labels.get(1).and_then(|label| label.span());
            let hint = Some("for example create-service".to_owned());
            self.report(range, "a stage's name consists of letters, digits, `-` and `_`".to_owned(), hint);
        }
        let head = self.span(head(block));
        self.is_new("stage", name, Some(head.range.clone())).then_some(StageBlock { kind, name, head, body: &block.body })
    }

    /// An attribute that is true or false; what is neither is reported, and taken for true.
    fn switch(&mut self, attribute: &Attribute, name: &'static str) -> bool {
        match self.constant(&attribute.value, name) {
            Some(Value::Bool(on)) => on,
            Some(_) => {
                self.report(attribute.value.span(), format!("{name} is true or false"), None);
                true
            }
            None => true,
        }
    }

    fn variable<'b>(&mut self, block: &'b Block) -> Option<VariableDecl<'b>> {
        let [name] = self.labels(block, "variable \"name\" { … }")?;
        let head = self.span(head(block));
        if !self.is_new("variable", name, Some(head.range.clone())) {
            return None;
        }
        let before = self.problems.len();
        let mut variable = VariableDecl {
            name,
            head,
            wanted: Type::Any,
            default: None,
            nullable: false,
            sensitive: false,
            validations: Vec::new(),
            broken: false,
        };
        self.unknown_members(&block.body, "variable", VARIABLE);
        if let Some(attribute) = block.body.get_attribute("type") {
            variable.wanted = self.wanted_type(attribute);
        }
        if let Some(attribute) = block.body.get_attribute("nullable") {
            variable.nullable = self.constant(&attribute.value, "`nullable`") == Some(Value::Bool(true));
        }
        if let Some(attribute) = block.body.get_attribute("sensitive") {
            variable.sensitive = self.switch(attribute, "`sensitive`");
        }
        if let Some(attribute) = block.body.get_attribute("description")
            && !matches!(self.constant(&attribute.value, "a description"), Some(Value::String(_)) | None)
        {
            self.report(attribute.value.span(), "a description is a string".to_owned(), None);
        }
        if let Some(attribute) = block.body.get_attribute("default") {
            variable.default = self.default(attribute, &variable.wanted, name);
        }
        for block in block.body.get_blocks("validation") {
            variable.validations.extend(self.validation(block));
        }
        variable.broken = self.problems.len() > before;
        Some(variable)
    }

    fn wanted_type(&mut self, attribute: &Attribute) -> Type {
        let file = self.file.clone();
        let mut inner = Vec::new();
        let read = Type::read(&attribute.value, &mut |expr| constant(&file, expr, DEFAULT, self.budget, &mut inner));
        self.problems.append(&mut inner);
        read.unwrap_or_else(|bad| {
            self.report(bad.range.or_else(|| attribute.value.span()), bad.message, bad.hint);
            Type::Any
        })
    }

    fn default(&mut self, attribute: &Attribute, wanted: &Type, name: &str) -> Option<(Value, SourceSpan)> {
        let value = self.constant(&attribute.value, DEFAULT)?;
        let span = self.span(attribute.value.span());
        match wanted.convert(&value) {
            Ok(value) => Some((value, span)),
            Err(why) => {
                let range = super::variables::locate(&attribute.value, &why.pointer);
                let hint = Some(format!("write default = {}", wanted.example()));
                self.report(range, format!("the default of variable `{name}` {}", why.message), hint);
                None
            }
        }
    }

    fn validation<'b>(&mut self, block: &'b Block) -> Option<Validation<'b>> {
        self.labels::<0>(block, "validation { … }");
        self.unknown_members(&block.body, "validation", &["condition", "error_message"]);
        let condition = block.body.get_attribute("condition");
        let message = block.body.get_attribute("error_message");
        let (Some(condition), Some(message)) = (condition, message) else {
            let hint = Some("write validation { condition = … error_message = \"…\" }".to_owned());
            self.report(head(block), "a validation has a condition and an error_message".to_owned(), hint);
            return None;
        };
        Some(Validation { condition: &condition.value, message: &message.value })
    }

    /// Reports attributes and blocks that are not among `known`.
    fn unknown_members(&mut self, body: &Body, what: &str, known: &[&str]) {
        for structure in body {
            let (name, range) = match structure {
                Structure::Attribute(attribute) => (attribute.key.as_str(), attribute.key.span()),
                Structure::Block(block) => (block.ident.as_str(), head(block)),
            };
            let is_block = structure.is_block();
            if !known.contains(&name) {
                let hint = hint_among(name, "it has", known.iter().copied());
                self.report(range, format!("a {what} has no `{name}`"), hint);
            } else if is_block != (name == "validation") {
                let hint = if is_block { format!("write {name} = …") } else { format!("write {name} {{ … }}") };
                let is = if is_block { "a value, not a block" } else { "a block, not a value" };
                self.report(range, format!("`{name}` is {is}"), Some(hint));
            }
        }
    }

    fn constant(&mut self, expr: &Expression, place: &'static str) -> Option<Value> {
        constant(self.file, expr, place, self.budget, self.problems)
    }
}

/// Evaluates an expression that may refer to nothing. `place` names it in messages.
pub(super) fn constant(
    file: &Arc<SourceFile>,
    expr: &Expression,
    place: &'static str,
    budget: &Budget,
    problems: &mut Vec<Problem>,
) -> Option<Value> {
    let before = problems.len();
    check::names(file, expr, Allowed::Nothing(place), problems);
    if problems.len() > before {
        return None;
    }
    let names = Names::default();
    let mut evaluator = Evaluator::new(file, &names, budget);
    let value = evaluator.eval(expr);
    problems.append(&mut evaluator.problems);
    value
}
