//! Templates: `"a ${b} c"`, heredocs, `%{ if }` and `%{ for }`, and the `~` that strips white space.

use std::ops::Range;

use hcl::edit::Span as _;
use hcl::edit::expr::Expression;
use hcl::edit::template::{Directive, Element, ForDirective, IfDirective, StringTemplate, Strip, Template};
use serde_json::Value;

use super::eval::Evaluator;
use super::values;

/// The longest text that an expression may make, in bytes.
pub(super) const LONGEST_TEXT: usize = 1 << 20;

impl Evaluator<'_> {
    /// A quoted template; one that is nothing but `${x}` is x itself, as in Terraform.
    pub(super) fn quoted(&mut self, template: &StringTemplate, range: Option<Range<usize>>) -> Option<Value> {
        let mut elements = template.iter();
        if let (Some(Element::Interpolation(only)), None) = (elements.next(), elements.next()) {
            return self.eval(&only.expr);
        }
        self.template(template, range).map(Value::String)
    }

    /// Any template as text.
    pub(super) fn template(&mut self, template: &Template, range: Option<Range<usize>>) -> Option<String> {
        let mut text = String::new();
        self.elements(&mut text, template, (false, false), range)?;
        Some(text)
    }

    /// Appends the template's text. `ends` says whether the tags before and after it strip.
    fn elements(&mut self, text: &mut String, template: &Template, ends: (bool, bool), range: Option<Range<usize>>) -> Option<()> {
        let elements: Vec<&Element> = template.iter().collect();
        let mut whole = true;
        for (at, element) in elements.iter().enumerate() {
            let done = match element {
                Element::Literal(literal) => {
                    let before = if at == 0 { ends.0 } else { strips_after(elements[at - 1]) };
                    let after = elements.get(at + 1).map_or(ends.1, |next| strips_before(next));
                    text.push_str(stripped(literal.as_str(), before, after));
                    self.pay(values::text_weight(literal.as_str()), range.clone())
                }
                Element::Interpolation(part) => self.interpolate(text, &part.expr),
                Element::Directive(directive) => match directive.as_ref() {
                    Directive::If(choice) => self.if_directive(text, choice, range.clone()),
                    Directive::For(looped) => self.for_directive(text, looped, range.clone()),
                },
            };
            // Later parts are still looked at for their problems.
            whole &= done.is_some();
            if text.len() > LONGEST_TEXT {
                return self.fail(range, format!("this text would be longer than {LONGEST_TEXT} bytes"), None);
            }
        }
        whole.then_some(())
    }

    fn interpolate(&mut self, text: &mut String, expr: &Expression) -> Option<()> {
        let value = self.eval(expr)?;
        let Some(part) = values::text(&value) else {
            let hint = match &value {
                Value::Null => "give it a value, or choose one with coalesce(…, \"default\")",
                Value::Array(_) => "put its elements together with join(\", \", …)",
                _ => "name one of its members",
            };
            let message = format!("{} cannot stand in a text", values::kind(&value));
            return self.fail(expr.span(), message, Some(hint.to_owned()));
        };
        self.pay(values::text_weight(&part), expr.span())?;
        text.push_str(&part);
        Some(())
    }

    fn if_directive(&mut self, text: &mut String, choice: &IfDirective, range: Option<Range<usize>>) -> Option<()> {
        let end = strip_start(choice.endif_expr.strip);
        let taken = self.truth("a condition", &choice.if_expr.cond_expr)?;
        match (&choice.else_expr, taken) {
            (other, true) => {
                let after = other.as_ref().map_or(end, |other| strip_start(other.strip));
                self.elements(text, &choice.if_expr.template, (strip_end(choice.if_expr.strip), after), range)
            }
            (Some(other), false) => self.elements(text, &other.template, (strip_end(other.strip), end), range),
            (None, false) => Some(()),
        }
    }

    fn for_directive(&mut self, text: &mut String, looped: &ForDirective, range: Option<Range<usize>>) -> Option<()> {
        let head = &looped.for_expr;
        let ends = (strip_end(head.strip), strip_start(looped.endfor_expr.strip));
        for (key, value) in self.collection(&head.collection_expr)? {
            let key_name = head.key_var.as_ref().map(|name| name.as_str());
            let depth = self.bind(key_name, key, head.value_var.as_str(), value);
            let done = self.pay(1, range.clone()).and_then(|()| self.elements(text, &head.template, ends, range.clone()));
            self.bound.truncate(depth);
            done?;
        }
        Some(())
    }
}

fn strip_start(strip: Strip) -> bool {
    matches!(strip, Strip::Start | Strip::Both)
}

fn strip_end(strip: Strip) -> bool {
    matches!(strip, Strip::End | Strip::Both)
}

/// Whether the tag strips the literal before it.
fn strips_before(element: &Element) -> bool {
    match element {
        Element::Literal(_) => false,
        Element::Interpolation(part) => strip_start(part.strip),
        Element::Directive(directive) => match directive.as_ref() {
            Directive::If(choice) => strip_start(choice.if_expr.strip),
            Directive::For(looped) => strip_start(looped.for_expr.strip),
        },
    }
}

/// Whether the tag strips the literal after it.
fn strips_after(element: &Element) -> bool {
    match element {
        Element::Literal(_) => false,
        Element::Interpolation(part) => strip_end(part.strip),
        Element::Directive(directive) => match directive.as_ref() {
            Directive::If(choice) => strip_end(choice.endif_expr.strip),
            Directive::For(looped) => strip_end(looped.endfor_expr.strip),
        },
    }
}

/// Without the blanks next to a stripping tag, up to and including one line break.
fn stripped(mut literal: &str, before: bool, after: bool) -> &str {
    let blank = |c: char| c.is_whitespace() && c != '\r' && c != '\n';
    if before {
        literal = literal.trim_start_matches(blank);
        literal = literal.strip_prefix("\r\n").or_else(|| literal.strip_prefix('\n')).unwrap_or(literal);
    }
    if after {
        literal = literal.trim_end_matches(blank);
        literal = literal.strip_suffix("\r\n").or_else(|| literal.strip_suffix('\n')).unwrap_or(literal);
    }
    literal
}
