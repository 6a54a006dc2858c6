//! A stage's attributes and blocks as one JSON object, with the place of every value.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use hcl::edit::Span as _;
use hcl::edit::expr::{Expression, TraversalOperator};
use hcl::edit::structure::{Block, Body, Structure};
use serde_json::{Map, Value};

use super::declare::head;
use super::eval::Evaluator;
use super::types::escape;
use super::uses::Uses;
use super::variables::key_name;
use crate::model::{Origin, SourceFile, SourceSpan, Variable};

/// Evaluates bodies of one file.
pub(super) struct Bodies<'a, 'b> {
    pub(super) file: &'a Arc<SourceFile>,
    pub(super) evaluator: &'a mut Evaluator<'b>,
    /// For the places of values that are nothing but a variable.
    pub(super) variables: &'a BTreeMap<String, Variable>,
    pub(super) uses: &'a Uses<'a>,
    pub(super) notes: Notes,
}

/// What is noted about each attribute besides its value, keyed by JSON pointer.
#[derive(Default)]
pub(super) struct Notes {
    /// Where each value stands, also those within a literal.
    pub(super) spans: BTreeMap<String, SourceSpan>,
    /// Where each attribute's name stands.
    pub(super) names: BTreeMap<String, SourceSpan>,
    /// The variables that each attribute is made of.
    pub(super) variables: BTreeMap<String, Vec<String>>,
}

impl Bodies<'_, '_> {
    /// The object for `body`; `None` if something in it has no value (and is reported).
    pub(super) fn object(&mut self, body: &Body, pointer: &str) -> Option<Map<String, Value>> {
        let mut members = Map::new();
        let mut blocks: BTreeMap<&str, Vec<&Block>> = BTreeMap::new();
        let mut whole = true;
        for structure in body {
            match structure {
                Structure::Attribute(attribute) => {
                    let name = attribute.key.as_str();
                    let at = format!("{pointer}/{}", escape(name));
                    self.note(&attribute.value, &at);
                    if let Some(range) = attribute.key.span() {
                        self.notes.names.insert(at.clone(), SourceSpan { file: self.file.clone(), range });
                    }
                    self.notes.variables.insert(at, self.uses.of(&attribute.value));
                    match self.evaluator.eval(&attribute.value) {
                        // As in Terraform, null is as if the attribute were not there.
                        Some(Value::Null) => {}
                        Some(value) => drop(members.insert(name.to_owned(), value)),
                        None => whole = false,
                    }
                }
                Structure::Block(block) => blocks.entry(block.ident.as_str()).or_default().push(block),
            }
        }
        for (name, group) in blocks {
            if self.notes.spans.contains_key(&format!("{pointer}/{}", escape(name))) {
                let range = group.first().and_then(|block| head(block));
                self.evaluator.fail::<()>(range, format!("`{name}` is here both as a value and as a block"), None);
                whole = false;
                continue;
            }
            match self.blocks(name, &group, &format!("{pointer}/{}", escape(name))) {
                Some(value) => drop(members.insert(name.to_owned(), value)),
                None => whole = false,
            }
        }
        whole.then_some(members)
    }

    /// All blocks of one type: an object, an array of objects, or an object by label.
    fn blocks(&mut self, name: &str, group: &[&Block], pointer: &str) -> Option<Value> {
        let labelled = group.iter().filter(|block| block.is_labeled()).count();
        if let Some(block) = group.iter().find(|block| block.labels.len() > 1) {
            let hint = Some(format!("write {name} \"label\" {{ … }}"));
            return self.evaluator.fail(head(block), format!("a `{name}` block in a stage has one label at most"), hint);
        }
        if labelled > 0 && labelled < group.len() {
            let bare = group.iter().find(|block| !block.is_labeled()).and_then(|block| head(block));
            let message = format!("some `{name}` blocks have a label, this one has none");
            return self.evaluator.fail(bare, message, Some(format!("write {name} \"label\" {{ … }}")));
        }
        if labelled > 0 {
            return self.labelled(name, group, pointer);
        }
        if let [block] = group {
            self.note_range(head(block), pointer);
            return self.object(&block.body, pointer).map(Value::Object);
        }
        let mut items = Vec::new();
        for (at, block) in group.iter().enumerate() {
            let pointer = format!("{pointer}/{at}");
            self.note_range(head(block), &pointer);
            items.push(self.object(&block.body, &pointer).map(Value::Object));
        }
        items.into_iter().collect::<Option<Vec<_>>>().map(Value::Array)
    }

    fn labelled(&mut self, name: &str, group: &[&Block], pointer: &str) -> Option<Value> {
        let mut members = Map::new();
        let mut whole = true;
        for block in group {
            let Some(label) = block.labels.first().map(|label| label.as_str()) else { continue };
            let at = format!("{pointer}/{}", escape(label));
            if let Some(first) = self.notes.spans.get(&at) {
                let hint = Some(format!("the first is in line {}", first.start().line));
                self.evaluator.fail::<()>(head(block), format!("a second `{name}` block \"{label}\""), hint);
                whole = false;
                continue;
            }
            self.note_range(head(block), &at);
            match self.object(&block.body, &at) {
                Some(object) => drop(members.insert(label.to_owned(), Value::Object(object))),
                None => whole = false,
            }
        }
        whole.then_some(Value::Object(members))
    }

    /// Notes the places of an expression's value and, for a literal, of the values in it.
    fn note(&mut self, expr: &Expression, pointer: &str) {
        let span = self.place(expr);
        if let Some(span) = span {
            self.notes.spans.insert(pointer.to_owned(), span);
        }
        match expr {
            Expression::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.note(item, &format!("{pointer}/{at}"));
                }
            }
            Expression::Object(members) => {
                for (key, value) in members {
                    if let Some(name) = key_name(key) {
                        self.note(value.expr(), &format!("{pointer}/{}", escape(name)));
                    }
                }
            }
            _ => {}
        }
    }

    fn note_range(&mut self, range: Option<Range<usize>>, pointer: &str) {
        if let Some(range) = range {
            self.notes.spans.insert(pointer.to_owned(), SourceSpan { file: self.file.clone(), range });
        }
    }

    /// Where somebody would change the value: for a bare `var.x` that a variable file sets, in that file.
    pub(super) fn place(&self, expr: &Expression) -> Option<SourceSpan> {
        if let Some(Origin::VarFile(span)) =
            bare_variable(expr).and_then(|name| self.variables.get(name)).map(|found| &found.origin)
        {
            return Some(span.clone());
        }
        expr.span().map(|range| SourceSpan { file: self.file.clone(), range })
    }
}

/// The name x where the expression is `var.x` and nothing else.
fn bare_variable(expr: &Expression) -> Option<&str> {
    let Expression::Traversal(traversal) = expr else { return None };
    let Expression::Variable(root) = &traversal.expr else { return None };
    let [only] = traversal.operators.as_slice() else { return None };
    match (root.as_str(), only.value()) {
        ("var", TraversalOperator::GetAttr(name)) => Some(name.as_str()),
        _ => None,
    }
}
