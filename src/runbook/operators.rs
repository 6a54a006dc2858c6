//! What operators do, with Terraform's conversions and without overflow.

use std::cmp::Ordering;

use hcl::edit::expr::{BinaryOperator, UnaryOperator};
use serde_json::{Number, Value};

use super::values::{as_integer, boolean, integer, number, numeric, shown};

/// `-x`, `!x`.
pub(super) fn unary(operator: UnaryOperator, value: &Value) -> Result<Value, String> {
    match operator {
        UnaryOperator::Not => Ok(Value::Bool(!truth("!", value)?)),
        UnaryOperator::Neg => {
            let operand = digits("-", value)?;
            let negated = match as_integer(&operand) {
                Some(whole) => integer(-whole),
                None => number(-float(&operand)),
            };
            negated.ok_or_else(|| "the number is too large".to_owned())
        }
    }
}

/// Every binary operator but `&&` and `||`, which need not look at both sides.
pub(super) fn binary(operator: BinaryOperator, left: &Value, right: &Value) -> Result<Value, String> {
    use BinaryOperator::{Div, Eq, Greater, GreaterEq, Less, LessEq, Minus, Mod, Mul, NotEq, Plus};
    let name = operator.as_str();
    match operator {
        Eq => Ok(Value::Bool(equal(left, right))),
        NotEq => Ok(Value::Bool(!equal(left, right))),
        Less | LessEq | Greater | GreaterEq => {
            let order = compare(&digits(name, left)?, &digits(name, right)?);
            Ok(Value::Bool(match operator {
                Less => order == Some(Ordering::Less),
                LessEq => matches!(order, Some(Ordering::Less | Ordering::Equal)),
                Greater => order == Some(Ordering::Greater),
                _ => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
            }))
        }
        Plus | Minus | Mul | Div | Mod => arithmetic(operator, &digits(name, left)?, &digits(name, right)?),
        BinaryOperator::And => Ok(Value::Bool(truth(name, left)? && truth(name, right)?)),
        BinaryOperator::Or => Ok(Value::Bool(truth(name, left)? || truth(name, right)?)),
    }
}

/// A condition's or `&&`'s operand.
pub(super) fn truth(operator: &str, value: &Value) -> Result<bool, String> {
    boolean(value).ok_or_else(|| format!("`{operator}` wants true or false, not {}", shown(value)))
}

fn digits(operator: &str, value: &Value) -> Result<Number, String> {
    numeric(value).ok_or_else(|| format!("`{operator}` wants numbers, not {}", shown(value)))
}

/// Equality by value; no conversion between kinds, as in Terraform.
pub(super) fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => compare(left, right) == Some(Ordering::Equal),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len() && left.iter().all(|(key, value)| right.get(key).is_some_and(|other| equal(value, other)))
        }
        _ => left == right,
    }
}

pub(super) fn compare(left: &Number, right: &Number) -> Option<Ordering> {
    match (as_integer(left), as_integer(right)) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => float(left).partial_cmp(&float(right)),
    }
}

fn float(number: &Number) -> f64 {
    number.as_f64().unwrap_or(f64::NAN)
}

fn arithmetic(operator: BinaryOperator, left: &Number, right: &Number) -> Result<Value, String> {
    if matches!(operator, BinaryOperator::Div | BinaryOperator::Mod) && float(right) == 0.0 {
        return Err("division by zero".to_owned());
    }
    let whole = match (as_integer(left), as_integer(right)) {
        (Some(left), Some(right)) => match operator {
            BinaryOperator::Plus => left.checked_add(right),
            BinaryOperator::Minus => left.checked_sub(right),
            BinaryOperator::Mul => left.checked_mul(right),
            BinaryOperator::Div if left % right == 0 => Some(left / right),
            BinaryOperator::Mod => Some(left % right),
            _ => None,
        },
        _ => None,
    };
    let result = match whole {
        Some(whole) => integer(whole),
        None => number(match operator {
            BinaryOperator::Plus => float(left) + float(right),
            BinaryOperator::Minus => float(left) - float(right),
            BinaryOperator::Mul => float(left) * float(right),
            BinaryOperator::Div => float(left) / float(right),
            _ => float(left) % float(right),
        }),
    };
    result.ok_or_else(|| "the number is too large".to_owned())
}
