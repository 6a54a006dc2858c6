//! Looks at every name in an expression before anything is evaluated: so unknown names are found in branches that are not
//! taken too, all at once, each with its place and the name that was probably meant.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use hcl::edit::Span as _;
use hcl::edit::expr::{Expression, ForExpr, FuncCall, ObjectKey, Traversal, TraversalOperator};
use hcl::edit::template::ForDirective;
use hcl::edit::visit::{self, Visit};

use super::functions::{FUNCTIONS, find};
use super::names::{hint_among, near_miss};
use super::resolve::MOST_PROBLEMS;
use crate::model::{Problem, SourceFile, SourceSpan};

/// What an expression may refer to.
#[derive(Clone, Copy)]
pub(super) enum Allowed<'a> {
    /// Nothing: defaults and variable files hold constants. The text says which place this is.
    Nothing(&'static str),
    /// Variables only, as in a validation.
    Variables(&'a BTreeSet<String>),
    /// Variables and locals.
    All(&'a BTreeSet<String>, &'a BTreeSet<String>),
}

/// Reports what is wrong with the names in `expr`; returns the locals that it refers to.
pub(super) fn names(
    file: &Arc<SourceFile>,
    expr: &Expression,
    allowed: Allowed<'_>,
    problems: &mut Vec<Problem>,
) -> BTreeSet<String> {
    if problems.len() >= MOST_PROBLEMS {
        return BTreeSet::new();
    }
    let mut checker = Checker { file, allowed, bound: Vec::new(), locals: BTreeSet::new(), problems };
    checker.visit_expr(expr);
    checker.locals
}

struct Checker<'a> {
    file: &'a Arc<SourceFile>,
    allowed: Allowed<'a>,
    bound: Vec<String>,
    locals: BTreeSet<String>,
    problems: &'a mut Vec<Problem>,
}

impl Checker<'_> {
    fn report(&mut self, range: Option<Range<usize>>, message: String, hint: Option<String>) {
        let span = range.map(|range| SourceSpan { file: self.file.clone(), range });
        self.problems.push(Problem { message, span, hint });
    }

    fn is_bound(&self, name: &str) -> bool {
        self.bound.iter().any(|bound| bound == name)
    }

    /// `root.member` where `root` is not bound by a `for`.
    fn reference(&mut self, root: &str, member: Option<(&str, Option<Range<usize>>)>, range: Option<Range<usize>>) {
        if let Allowed::Nothing(place) = self.allowed {
            let shown = member.map_or(root.to_owned(), |(member, _)| format!("{root}.{member}"));
            let hint = match place {
                DEFAULT => "write a constant here, and the rest as a local, for example coalesce(var.name, \"…\")".to_owned(),
                _ => format!("write a constant; a text stands in quotes: \"{shown}\""),
            };
            return self.report(range, format!("{place} cannot refer to `{shown}`"), Some(hint));
        }
        match (root, member) {
            ("var" | "local", None) => {
                self.report(range, format!("`{root}` wants a name: {root}.NAME"), None);
            }
            ("var", Some((member, at))) => self.variable(member, at.or(range)),
            ("local", Some((member, at))) => self.local(member, at.or(range)),
            _ => self.unknown_root(root, range),
        }
    }

    fn variable(&mut self, name: &str, range: Option<Range<usize>>) {
        let (Allowed::Variables(known) | Allowed::All(known, _)) = self.allowed else { return };
        if !known.contains(name) {
            let hint = match self.allowed {
                Allowed::All(_, locals) if locals.contains(name) => Some(format!("there is a local of that name: local.{name}")),
                _ => hint_among(name, "variables", known.iter().map(String::as_str)),
            };
            self.report(range, format!("there is no variable `{name}`"), hint);
        }
    }

    fn local(&mut self, name: &str, range: Option<Range<usize>>) {
        let Allowed::All(variables, known) = self.allowed else {
            let hint = Some("a validation looks at variables only: var.NAME".to_owned());
            return self.report(range, format!("a validation cannot refer to `local.{name}`"), hint);
        };
        if known.contains(name) {
            self.locals.insert(name.to_owned());
            return;
        }
        let hint = if variables.contains(name) {
            Some(format!("there is a variable of that name: var.{name}"))
        } else {
            hint_among(name, "locals", known.iter().map(String::as_str))
        };
        self.report(range, format!("there is no local `{name}`"), hint);
    }

    fn unknown_root(&mut self, root: &str, range: Option<Range<usize>>) {
        let hint = match root {
            "data" | "module" | "path" | "terraform" | "each" | "count" | "self" | "resource" => {
                "a runbook has no such thing; it has var.NAME and local.NAME".to_owned()
            }
            _ => match (self.allowed, near_miss(root, ["var", "local"])) {
                (_, Some(meant)) => format!("did you mean `{meant}`?"),
                (Allowed::All(variables, _), None) if variables.contains(root) => format!("write var.{root}"),
                (Allowed::All(_, locals), None) if locals.contains(root) => format!("write local.{root}"),
                _ => format!("a text stands in quotes: \"{root}\"; values are var.NAME and local.NAME"),
            },
        };
        self.report(range, format!("unknown name `{root}`"), Some(hint));
    }

    fn with_bound(&mut self, names: [Option<&str>; 2], visit: impl FnOnce(&mut Self)) {
        let depth = self.bound.len();
        self.bound.extend(names.into_iter().flatten().map(str::to_owned));
        visit(self);
        self.bound.truncate(depth);
    }
}

impl Visit for Checker<'_> {
    fn visit_expr(&mut self, node: &Expression) {
        match node {
            Expression::Variable(name) if self.is_bound(name.as_str()) => {}
            Expression::Variable(name) => self.reference(name.as_str(), None, node.span()),
            _ => visit::visit_expr(self, node),
        }
    }

    fn visit_object_key(&mut self, node: &ObjectKey) {
        // A bare name as a key is that name, not a reference.
        match node {
            ObjectKey::Ident(_) | ObjectKey::Expression(Expression::Variable(_)) => {}
            ObjectKey::Expression(expr) => self.visit_expr(expr),
        }
    }

    fn visit_traversal(&mut self, node: &Traversal) {
        match &node.expr {
            Expression::Variable(root) if !self.is_bound(root.as_str()) => {
                let member = node.operators.first().and_then(|operator| match operator.value() {
                    TraversalOperator::GetAttr(name) => Some((name.as_str(), name.span())),
                    _ => None,
                });
                let root_span = root.span().or_else(|| node.span());
                self.reference(root.as_str(), member, root_span);
            }
            root => self.visit_expr(root),
        }
        for operator in &node.operators {
            self.visit_traversal_operator(operator.value());
        }
    }

    fn visit_func_call(&mut self, node: &FuncCall) {
        let name = node.name.name.as_str();
        let range = node.name.name.span().or_else(|| node.span());
        if let Allowed::Nothing(place) = self.allowed {
            self.report(range, format!("{place} cannot call `{name}`"), Some("write a constant".to_owned()));
        } else if node.name.is_namespaced() || find(name).is_none() {
            let hint = near_miss(name, FUNCTIONS.iter().map(|function| function.name)).map_or_else(
                || {
                    let known: Vec<&str> = FUNCTIONS.iter().map(|function| function.name).collect();
                    format!("functions: {}", known.join(", "))
                },
                |meant| format!("did you mean `{meant}`?"),
            );
            self.report(range, format!("there is no function `{name}`"), Some(hint));
        }
        self.visit_func_args(&node.args);
    }

    fn visit_for_expr(&mut self, node: &ForExpr) {
        self.visit_expr(&node.intro.collection_expr);
        let key = node.intro.key_var.as_ref().map(|name| name.as_str());
        self.with_bound([key, Some(node.intro.value_var.as_str())], |checker| {
            if let Some(key) = &node.key_expr {
                checker.visit_expr(key);
            }
            checker.visit_expr(&node.value_expr);
            if let Some(condition) = &node.cond {
                checker.visit_expr(&condition.expr);
            }
        });
    }

    fn visit_for_directive(&mut self, node: &ForDirective) {
        let head = &node.for_expr;
        self.visit_expr(&head.collection_expr);
        let key = head.key_var.as_ref().map(|name| name.as_str());
        self.with_bound([key, Some(head.value_var.as_str())], |checker| checker.visit_template(&head.template));
    }
}

/// How [`Allowed::Nothing`] calls the place of a variable's default.
pub(super) const DEFAULT: &str = "a default";
