//! Evaluation of expressions, with the place of every error and a budget.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use hcl::edit::Span as _;
use hcl::edit::expr::{BinaryOperator, Expression, ForExpr, FuncCall, Object, ObjectKey, Traversal, TraversalOperator};
use serde_json::{Map, Number, Value};

use super::names::near_miss;
use super::{functions, operators, values};
use crate::model::{Problem, SourceFile, SourceSpan};

/// Units that all expressions of one file may cost together: an expression costs one, a copied value its weight. A runbook
/// takes some hundreds; nested loops that would run for hours are stopped within a second.
const BUDGET: u64 = 1_000_000;

/// Names that expressions may use: `var.x`, `local.x`. A declared name without a value is one whose problem is reported.
#[derive(Default)]
pub(super) struct Names {
    pub(super) vars: BTreeMap<String, Value>,
    pub(super) locals: BTreeMap<String, Value>,
}

/// Evaluates the expressions of one file. A `None` means that the reason is among the problems already.
pub(super) struct Evaluator<'a> {
    file: Arc<SourceFile>,
    names: &'a Names,
    /// Names that `for` binds, innermost last.
    pub(super) bound: Vec<(String, Value)>,
    budget: &'a Budget,
    pub(super) problems: Vec<Problem>,
}

/// What the expressions of one file may still cost, and whether it was said that it is used up.
pub(super) struct Budget {
    left: Cell<u64>,
    said: Cell<bool>,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { left: Cell::new(BUDGET), said: Cell::new(false) }
    }

    /// Takes units; false where there are too few, and from then on.
    fn take(&self, units: u64) -> bool {
        let left = self.left.get().checked_sub(units);
        self.left.set(left.unwrap_or(0));
        left.is_some()
    }
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(file: &Arc<SourceFile>, names: &'a Names, budget: &'a Budget) -> Self {
        Self { file: file.clone(), names, bound: Vec::new(), budget, problems: Vec::new() }
    }

    /// Reports a problem at a range of the file; `None` so that callers can return it.
    pub(super) fn fail<T>(&mut self, range: Option<Range<usize>>, message: impl Into<String>, hint: Option<String>) -> Option<T> {
        let span = range.map(|range| SourceSpan { file: self.file.clone(), range });
        self.problems.push(Problem { message: message.into(), span, hint });
        None
    }

    /// Takes units from the budget; the first that finds too few reports it, and nothing is evaluated any more.
    pub(super) fn pay(&mut self, units: u64, range: Option<Range<usize>>) -> Option<()> {
        if self.budget.take(units.max(1)) {
            return Some(());
        }
        if !self.budget.said.replace(true) {
            self.fail::<()>(range, "this takes too much time or memory to work out", Some("write it with smaller lists".into()));
        }
        None
    }

    /// The value of an expression.
    pub(super) fn eval(&mut self, expr: &Expression) -> Option<Value> {
        self.pay(1, expr.span())?;
        match expr {
            Expression::Null(_) => Some(Value::Null),
            Expression::Bool(value) => Some(Value::Bool(*value.value())),
            Expression::Number(number) => self.literal_number(expr, *number.value()),
            Expression::String(text) => {
                self.pay(values::text_weight(text.as_str()), expr.span())?;
                Some(Value::String(text.as_str().to_owned()))
            }
            Expression::Array(items) => {
                // Every element is looked at, so that all their problems are found.
                let items: Vec<Option<Value>> = items.iter().map(|item| self.eval(item)).collect();
                items.into_iter().collect::<Option<Vec<_>>>().map(Value::Array)
            }
            Expression::Object(object) => self.object(object),
            Expression::StringTemplate(template) => self.quoted(template, expr.span()),
            Expression::HeredocTemplate(heredoc) => self.template(&heredoc.template, expr.span()).map(Value::String),
            Expression::Parenthesis(inner) => self.eval(inner.inner()),
            Expression::Variable(name) => self.bound_name(name.as_str(), expr.span()),
            Expression::ForExpr(looped) => self.for_expr(looped, expr.span()),
            Expression::Conditional(choice) => {
                if self.truth("a condition", &choice.cond_expr)? {
                    self.eval(&choice.true_expr)
                } else {
                    self.eval(&choice.false_expr)
                }
            }
            Expression::FuncCall(call) => self.call(call),
            Expression::UnaryOp(operation) => {
                let value = self.eval(&operation.expr)?;
                let result = operators::unary(*operation.operator.value(), &value);
                self.or_fail(result, operation.expr.span())
            }
            Expression::BinaryOp(operation) => {
                self.binary(&operation.lhs_expr, *operation.operator.value(), &operation.rhs_expr, expr.span())
            }
            Expression::Traversal(traversal) => self.traversal(traversal),
        }
    }

    fn or_fail<T>(&mut self, result: Result<T, String>, range: Option<Range<usize>>) -> Option<T> {
        result.map_or_else(|message| self.fail(range, message, None), Some)
    }

    fn literal_number(&mut self, expr: &Expression, number: hcl::Number) -> Option<Value> {
        let integer = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
        let value = match integer {
            Some(integer) => values::integer(integer),
            None => number.as_f64().and_then(values::number),
        };
        value.or_else(|| self.fail(expr.span(), "the number is too large", None))
    }

    /// What a condition, `&&` or `||` looks at.
    pub(super) fn truth(&mut self, what: &str, expr: &Expression) -> Option<bool> {
        let value = self.eval(expr)?;
        let result = values::boolean(&value).ok_or_else(|| format!("{what} wants true or false, not {}", values::shown(&value)));
        self.or_fail(result, expr.span())
    }

    fn binary(
        &mut self,
        left: &Expression,
        operator: BinaryOperator,
        right: &Expression,
        range: Option<Range<usize>>,
    ) -> Option<Value> {
        // `a == null || …` guards what follows, so the right side counts only where the left does not decide.
        match operator {
            BinaryOperator::And => return Some(Value::Bool(self.truth("`&&`", left)? && self.truth("`&&`", right)?)),
            BinaryOperator::Or => return Some(Value::Bool(self.truth("`||`", left)? || self.truth("`||`", right)?)),
            _ => {}
        }
        let (left, right) = (self.eval(left), self.eval(right));
        let result = operators::binary(operator, &left?, &right?);
        self.or_fail(result, range)
    }

    fn object(&mut self, object: &Object) -> Option<Value> {
        let mut members = Map::new();
        let mut whole = true;
        for (key, value) in object {
            let key = self.object_key(key);
            let value = self.eval(value.expr());
            match (key, value) {
                (Some(key), Some(value)) => drop(members.insert(key, value)),
                _ => whole = false,
            }
        }
        whole.then_some(Value::Object(members))
    }

    fn object_key(&mut self, key: &ObjectKey) -> Option<String> {
        match key {
            ObjectKey::Ident(name) => Some(name.as_str().to_owned()),
            // A bare name is that name; in parentheses it is an expression.
            ObjectKey::Expression(Expression::Variable(name)) => Some(name.as_str().to_owned()),
            ObjectKey::Expression(expr) => self.key_text(expr),
        }
    }

    fn key_text(&mut self, expr: &Expression) -> Option<String> {
        let value = self.eval(expr)?;
        let result = values::text(&value).ok_or_else(|| format!("a key must be a string, not {}", values::shown(&value)));
        self.or_fail(result, expr.span())
    }

    /// A name without a dot: only `for` binds such names.
    fn bound_name(&mut self, name: &str, range: Option<Range<usize>>) -> Option<Value> {
        let value = self.bound.iter().rev().find(|(bound, _)| bound == name).map(|(_, value)| value.clone())?;
        self.pay(values::weight(&value), range)?;
        Some(value)
    }

    /// `[for v in list : …]` and `{for k, v in map : … => …}`.
    fn for_expr(&mut self, looped: &ForExpr, range: Option<Range<usize>>) -> Option<Value> {
        let items = self.collection(&looped.intro.collection_expr)?;
        let key_name = looped.intro.key_var.as_ref().map(|name| name.as_str());
        let mut list = Vec::new();
        let mut map: Map<String, Value> = Map::new();
        for (key, value) in items {
            let depth = self.bind(key_name, key, looped.intro.value_var.as_str(), value);
            let made = self.for_item(looped);
            self.bound.truncate(depth);
            let Some((key, value)) = made? else { continue };
            match key {
                None => list.push(value),
                Some(key) if looped.grouping => match map.entry(key).or_insert_with(|| Value::Array(Vec::new())) {
                    Value::Array(group) => group.push(value),
                    other => *other = Value::Array(vec![value]),
                },
                Some(key) => {
                    if map.contains_key(&key) {
                        let hint = Some("write `…` after the value to group values by key".replace('…', "..."));
                        return self.fail(range, format!("two items have the key \"{key}\""), hint);
                    }
                    map.insert(key, value);
                }
            }
        }
        Some(if looped.key_expr.is_some() { Value::Object(map) } else { Value::Array(list) })
    }

    /// One round of a `for`: `Some(None)` where its `if` says no.
    fn for_item(&mut self, looped: &ForExpr) -> Option<Option<(Option<String>, Value)>> {
        if let Some(condition) = &looped.cond
            && !self.truth("a condition", &condition.expr)?
        {
            return Some(None);
        }
        let key = match &looped.key_expr {
            Some(key) => Some(self.key_text(key)?),
            None => None,
        };
        Some(Some((key, self.eval(&looped.value_expr)?)))
    }

    /// Binds a round's names; returns the depth to cut back to.
    pub(super) fn bind(&mut self, key_name: Option<&str>, key: Value, value_name: &str, value: Value) -> usize {
        let depth = self.bound.len();
        if let Some(name) = key_name {
            self.bound.push((name.to_owned(), key));
        }
        self.bound.push((value_name.to_owned(), value));
        depth
    }

    /// Keys and values that a `for` goes through.
    pub(super) fn collection(&mut self, expr: &Expression) -> Option<Vec<(Value, Value)>> {
        match self.eval(expr)? {
            Value::Array(items) => Some(items.into_iter().enumerate().map(|(at, item)| (Value::from(at), item)).collect()),
            Value::Object(members) => Some(members.into_iter().map(|(key, item)| (Value::String(key), item)).collect()),
            other => self.fail(expr.span(), format!("`for` wants a list or a map, not {}", values::shown(&other)), None),
        }
    }

    fn call(&mut self, call: &FuncCall) -> Option<Value> {
        let arguments: Vec<Option<Value>> = call.args.iter().map(|argument| self.eval(argument)).collect();
        let mut arguments = arguments.into_iter().collect::<Option<Vec<Value>>>()?;
        if call.args.expand_final() {
            match arguments.pop() {
                Some(Value::Array(rest)) => arguments.extend(rest),
                _ => {
                    let range = call.args.iter().last().and_then(|argument| argument.span());
                    return self.fail(range, "`...` wants a list before it", None);
                }
            }
        }
        let name = call.name.name.as_str();
        let function = if call.name.is_namespaced() { None } else { functions::find(name) }?;
        if arguments.len() < function.fewest || arguments.len() > function.most {
            let message = format!("`{name}` takes {}, not {}", function.takes(), arguments.len());
            return self.fail(call.span(), message, Some(function.usage.to_owned()));
        }
        self.pay(arguments.iter().map(values::weight).sum(), call.span())?;
        match (function.run)(&arguments) {
            Ok(value) => {
                self.pay(values::weight(&value), call.span())?;
                Some(value)
            }
            Err(message) => self.fail(call.span(), format!("`{name}`: {message}"), Some(function.usage.to_owned())),
        }
    }

    fn traversal(&mut self, traversal: &Traversal) -> Option<Value> {
        let mut operators = traversal.operators.iter();
        let root = match &traversal.expr {
            Expression::Variable(name) if !self.bound.iter().any(|(bound, _)| bound == name.as_str()) => {
                let TraversalOperator::GetAttr(member) = operators.next()?.value() else { return None };
                let known = if name.as_str() == "var" { &self.names.vars } else { &self.names.locals };
                let value = known.get(member.as_str())?.clone();
                self.pay(values::weight(&value), traversal.span())?;
                value
            }
            expr => self.eval(expr)?,
        };
        let rest: Vec<(&TraversalOperator, Option<Range<usize>>)> =
            operators.map(|operator| (operator.value(), operator.span())).collect();
        self.follow(root, &rest, traversal.span())
    }

    /// Goes down `.name`, `[index]`, `.*` and `[*]`.
    fn follow(
        &mut self,
        mut value: Value,
        operators: &[(&TraversalOperator, Option<Range<usize>>)],
        whole: Option<Range<usize>>,
    ) -> Option<Value> {
        for (at, (operator, range)) in operators.iter().enumerate() {
            let range = range.clone().or_else(|| whole.clone());
            value = match operator {
                TraversalOperator::GetAttr(name) => self.member(value, name.as_str(), name.span().or(range))?,
                TraversalOperator::LegacyIndex(index) => self.element(value, &Value::from(*index.value()), range)?,
                TraversalOperator::Index(index) => {
                    let key = self.eval(index)?;
                    self.element(value, &key, index.span().or(range))?
                }
                TraversalOperator::AttrSplat(_) | TraversalOperator::FullSplat(_) => {
                    let items = match value {
                        Value::Array(items) => items,
                        Value::Null => Vec::new(),
                        single => vec![single],
                    };
                    let rest = &operators[at + 1..];
                    let items: Option<Vec<Value>> = items.into_iter().map(|item| self.follow(item, rest, whole.clone())).collect();
                    return items.map(Value::Array);
                }
            };
        }
        Some(value)
    }

    fn member(&mut self, value: Value, name: &str, range: Option<Range<usize>>) -> Option<Value> {
        match value {
            Value::Object(mut members) => match members.remove(name) {
                Some(member) => Some(member),
                None => {
                    let meant = near_miss(name, members.keys().map(String::as_str));
                    let hint = meant.map(|meant| format!("did you mean `{meant}`?"));
                    self.fail(range, format!("the map has no member `{name}`"), hint)
                }
            },
            other => self.fail(range, format!("{} has no members", values::shown(&other)), None),
        }
    }

    fn element(&mut self, value: Value, key: &Value, range: Option<Range<usize>>) -> Option<Value> {
        match value {
            Value::Object(_) => match values::text(key) {
                Some(name) => self.member(value, &name, range),
                None => self.fail(range, format!("a map's key must be a string, not {}", values::shown(key)), None),
            },
            Value::Array(mut items) => {
                let index = values::numeric(key).as_ref().and_then(Number::as_u64).and_then(|index| usize::try_from(index).ok());
                match index {
                    Some(index) if index < items.len() => Some(items.swap_remove(index)),
                    Some(index) => {
                        let message = match items.len() {
                            0 => format!("the list is empty, so it has no element {index}"),
                            1 => format!("the list has one element, [0], not [{index}]"),
                            length => format!("the list has {length} elements, the last is [{}], not [{index}]", length - 1),
                        };
                        self.fail(range, message, None)
                    }
                    None => self.fail(range, format!("an index is a whole number from 0, not {}", values::shown(key)), None),
                }
            }
            other => self.fail(range, format!("{} has no elements", values::shown(&other)), None),
        }
    }
}
