//! Which variables a value is made of: so that whoever finds fault with the value can say what to set.

use std::collections::{BTreeMap, BTreeSet};

use hcl::edit::expr::{Expression, Traversal, TraversalOperator};
use hcl::edit::visit::{self, Visit};

/// Tells the variables of expressions; knows what each local is made of.
pub(super) struct Uses<'a> {
    locals: BTreeMap<&'a str, &'a Expression>,
}

impl<'a> Uses<'a> {
    pub(super) fn new(locals: impl IntoIterator<Item = (&'a str, &'a Expression)>) -> Self {
        Self { locals: locals.into_iter().collect() }
    }

    /// The variables in `expr`, each once, in the order in which they are met; a local counts as what it is made of.
    pub(super) fn of(&self, expr: &Expression) -> Vec<String> {
        let mut collector = Collector { uses: self, entered: BTreeSet::new(), found: Vec::new() };
        collector.visit_expr(expr);
        collector.found
    }
}

struct Collector<'a, 'b> {
    uses: &'b Uses<'a>,
    /// Locals that were looked into: once is enough, and a circle ends.
    entered: BTreeSet<String>,
    found: Vec<String>,
}

impl Visit for Collector<'_, '_> {
    fn visit_traversal(&mut self, node: &Traversal) {
        if let Expression::Variable(root) = &node.expr
            && let Some(TraversalOperator::GetAttr(name)) = node.operators.first().map(|operator| operator.value())
        {
            match root.as_str() {
                "var" if !self.found.iter().any(|known| known == name.as_str()) => self.found.push(name.as_str().to_owned()),
                "local" if self.entered.insert(name.as_str().to_owned()) => {
                    if let Some(expr) = self.uses.locals.get(name.as_str()) {
                        self.visit_expr(expr);
                    }
                }
                _ => {}
            }
        }
        visit::visit_traversal(self, node);
    }
}
