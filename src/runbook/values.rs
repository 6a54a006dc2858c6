//! What a value is called, what it weighs, and how numbers are kept: whole numbers as integers, as JSON writers expect.

use serde_json::{Number, Value};

/// `a string`, `a number`, …
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a bool",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// A value as shown in a message: short ones whole, long ones by kind.
pub(super) fn shown(value: &Value) -> String {
    const LONGEST: usize = 40;
    match value {
        Value::Array(_) | Value::Object(_) => kind(value).to_owned(),
        Value::String(text) if text.chars().count() > LONGEST => "a long string".to_owned(),
        other => other.to_string(),
    }
}

/// How many units of budget a copy of the value costs.
pub(super) fn weight(value: &Value) -> u64 {
    match value {
        Value::Array(items) => 1 + items.iter().map(weight).sum::<u64>(),
        Value::Object(members) => 1 + members.iter().map(|(key, value)| text_weight(key) + weight(value)).sum::<u64>(),
        Value::String(text) => text_weight(text),
        _ => 1,
    }
}

/// How many units of budget a text costs.
pub(super) fn text_weight(text: &str) -> u64 {
    1 + text.len() as u64 / 16
}

/// A number as JSON, whole ones without a fraction; `None` where it is too large.
pub(super) fn number(value: f64) -> Option<Value> {
    // Beyond 2^53 a float no longer tells neighbouring integers apart, so it stays a float.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        return Some(Value::from(value as i64));
    }
    Number::from_f64(value).map(Value::Number)
}

/// An integer as JSON; as a float where it does not fit.
pub(super) fn integer(value: i128) -> Option<Value> {
    if let Ok(small) = i64::try_from(value) {
        return Some(Value::from(small));
    }
    if let Ok(large) = u64::try_from(value) {
        return Some(Value::from(large));
    }
    number(value as f64)
}

/// The number that a text stands for, as Terraform converts a string to a number.
pub(super) fn parse_number(text: &str) -> Option<Value> {
    let plain = !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E'))
        && text.bytes().any(|byte| byte.is_ascii_digit());
    if !plain {
        return None;
    }
    match text.parse::<i128>() {
        Ok(whole) => integer(whole),
        Err(_) => text.parse::<f64>().ok().filter(|value| value.is_finite()).and_then(number),
    }
}

/// The integer that a number is, if it is one.
pub(super) fn as_integer(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

/// A value as Terraform converts it to a string; `None` for lists, maps and null.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(match number.as_f64() {
            Some(float) if as_integer(number).is_none() => float.to_string(),
            _ => number.to_string(),
        }),
        _ => None,
    }
}

/// A value as Terraform converts it to a bool.
pub(super) fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::String(text) => match text.as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// A value as Terraform converts it to a number.
pub(super) fn numeric(value: &Value) -> Option<Number> {
    match value {
        Value::Number(number) => Some(number.clone()),
        Value::String(text) => match parse_number(text) {
            Some(Value::Number(number)) => Some(number),
            _ => None,
        },
        _ => None,
    }
}
