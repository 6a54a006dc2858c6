//! Reading and writing the JSON in which ECS's objects are kept: as AWS prints them, members we do not know included.

use serde_json::{Value, json};

use super::super::Millis;

/// The text of a member; empty when it is absent.
pub(in crate::sim) fn text<'a>(object: &'a Value, member: &str) -> &'a str {
    object[member].as_str().unwrap_or_default()
}

/// The text of a member, owned; empty when it is absent.
pub(in crate::sim) fn owned(object: &Value, member: &str) -> String {
    text(object, member).to_owned()
}

/// The list of a member; empty when it is absent.
pub(in crate::sim) fn list<'a>(object: &'a Value, member: &str) -> &'a [Value] {
    object[member].as_array().map_or(&[], Vec::as_slice)
}

/// The texts of a list of texts.
pub(in crate::sim) fn texts(object: &Value, member: &str) -> Vec<String> {
    list(object, member).iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

/// What ECS counts (tasks, ports, percents, seconds) stays within this. What is written beyond it counts as this much, so that
/// no sum and no product of two overflows.
const MOST: i64 = 1_000_000_000;

/// A number, also where it is written as text (`"cpu": "1024"`).
pub(in crate::sim) fn number(object: &Value, member: &str) -> Option<i64> {
    let number = match &object[member] {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|float| float as i64))?,
        Value::String(digits) => digits.trim().parse().ok()?,
        _ => return None,
    };
    Some(number.clamp(-MOST, MOST))
}

/// Whether a member is there and not null.
pub(in crate::sim) fn has(object: &Value, member: &str) -> bool {
    !object[member].is_null()
}

/// Removes a member.
pub(in crate::sim) fn remove(object: &mut Value, member: &str) {
    if let Some(members) = object.as_object_mut() {
        members.remove(member);
    }
}

/// Copies the named members that are there.
pub(in crate::sim) fn pick(object: &Value, members: &[&str]) -> Value {
    let mut picked = serde_json::Map::new();
    for &member in members {
        if has(object, member) {
            picked.insert(member.to_owned(), object[member].clone());
        }
    }
    Value::Object(picked)
}

/// A time as the JSON protocols carry it: seconds since the epoch, with a fraction.
pub(in crate::sim) fn epoch(at: Millis) -> Value {
    json!(at as f64 / 1000.0)
}

/// A time out of a world file: epoch seconds or ISO text.
pub(in crate::sim) fn millis(value: &Value) -> Option<Millis> {
    super::super::values::millis(value)
}

/// Turns the object's times that are ISO text (as the AWS CLI prints them) into the wire's epoch seconds.
pub(in crate::sim) fn times_to_epoch(object: &mut Value, members: &[&str]) {
    for &member in members {
        if object[member].is_string()
            && let Some(at) = millis(&object[member])
        {
            object[member] = epoch(at);
        }
    }
}

/// The last part of an ARN (`…:service/cluster/name` gives `name`), or the whole of what is not one.
pub(in crate::sim) fn last_part(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// The tag list `tags` with `added` laid over it by key.
pub(super) fn merge_tags(tags: &[Value], added: &[Value]) -> Vec<Value> {
    let mut merged: Vec<Value> = tags.iter().filter(|tag| !added.iter().any(|new| new["key"] == tag["key"])).cloned().collect();
    merged.extend(added.iter().map(|tag| json!({ "key": tag["key"], "value": text(tag, "value") })));
    merged
}

/// One page of `items`: the slice's part for `nextToken` (an index), at most `limit` long, and the token for the rest.
pub(super) fn page<T: Clone>(items: &[T], input: &Value, default: usize, most: usize) -> (Vec<T>, Option<String>) {
    let from = text(input, "nextToken").parse().unwrap_or(0).min(items.len());
    let limit = number(input, "maxResults").map_or(default, |wanted| usize::try_from(wanted).unwrap_or(default).clamp(1, most));
    let to = (from + limit).min(items.len());
    (items[from..to].to_vec(), (to < items.len()).then(|| to.to_string()))
}

/// Sets a member that is not there.
pub(super) fn set_default(object: &mut Value, member: &str, value: Value) {
    if !has(object, member) {
        object[member] = value;
    }
}
