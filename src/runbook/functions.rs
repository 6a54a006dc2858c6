//! The functions that expressions may call: Terraform's, with Terraform's meaning.

use serde_json::{Map, Value};

use super::format::format;
use super::operators::{compare, equal};
use super::template::LONGEST_TEXT;
use super::values::{self, shown};

/// A function.
pub(super) struct Function {
    pub(super) name: &'static str,
    /// Fewest and most arguments.
    pub(super) fewest: usize,
    pub(super) most: usize,
    /// One line on how it is called.
    pub(super) usage: &'static str,
    pub(super) run: fn(&[Value]) -> Result<Value, String>,
}

const MANY: usize = usize::MAX;

/// All of them, by name.
pub(super) const FUNCTIONS: &[Function] = &[
    function("alltrue", 1, 1, "alltrue(list)", |a| all_true(&a[0])),
    function("anytrue", 1, 1, "anytrue(list)", |a| any_true(&a[0])),
    function("coalesce", 1, MANY, "coalesce(first, second, …): the first that is not empty", coalesce),
    function("coalescelist", 1, MANY, "coalescelist(list, …): the first list with elements", coalesce_list),
    function("compact", 1, 1, "compact(list): without empty strings", compact),
    function("concat", 1, MANY, "concat(list, …): one list of all", concat),
    function("contains", 2, 2, "contains(list, value)", contains),
    function("distinct", 1, 1, "distinct(list): without repetitions", distinct),
    function("endswith", 2, 2, "endswith(text, suffix)", |a| Ok(Value::Bool(text(&a[0])?.ends_with(&text(&a[1])?)))),
    function("format", 1, MANY, "format(\"%s has %d\", name, count)", |a| limited(format(&text(&a[0])?, &a[1..])?)),
    function("join", 2, MANY, "join(separator, list)", join),
    function("keys", 1, 1, "keys(map)", |a| Ok(map(&a[0])?.keys().cloned().map(Value::String).collect())),
    function("length", 1, 1, "length(list, map or text)", length),
    function("lookup", 2, 3, "lookup(map, key, default)", lookup),
    function("lower", 1, 1, "lower(text)", |a| limited(text(&a[0])?.to_lowercase())),
    function("max", 1, MANY, "max(number, …)", |a| extreme(a, std::cmp::Ordering::Greater)),
    function("merge", 0, MANY, "merge(map, …): later ones win", merge),
    function("min", 1, MANY, "min(number, …)", |a| extreme(a, std::cmp::Ordering::Less)),
    function("replace", 3, 3, "replace(text, part, with)", replace),
    function("split", 2, 2, "split(separator, text)", split),
    function("startswith", 2, 2, "startswith(text, prefix)", |a| Ok(Value::Bool(text(&a[0])?.starts_with(&text(&a[1])?)))),
    function("tobool", 1, 1, "tobool(value)", |a| converted(&a[0], "a bool", |v| values::boolean(v).map(Value::Bool))),
    function("tonumber", 1, 1, "tonumber(value)", |a| converted(&a[0], "a number", |v| values::numeric(v).map(Value::Number))),
    function("tostring", 1, 1, "tostring(value)", |a| converted(&a[0], "a string", |v| values::text(v).map(Value::String))),
    function("trimprefix", 2, 2, "trimprefix(text, prefix)", trim_prefix),
    function("trimspace", 1, 1, "trimspace(text)", |a| Ok(Value::from(text(&a[0])?.trim()))),
    function("trimsuffix", 2, 2, "trimsuffix(text, suffix)", trim_suffix),
    function("upper", 1, 1, "upper(text)", |a| limited(text(&a[0])?.to_uppercase())),
    function("values", 1, 1, "values(map)", |a| Ok(map(&a[0])?.values().cloned().collect())),
];

const fn function(
    name: &'static str,
    fewest: usize,
    most: usize,
    usage: &'static str,
    run: fn(&[Value]) -> Result<Value, String>,
) -> Function {
    Function { name, fewest, most, usage, run }
}

/// The function of that name.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

impl Function {
    /// How many arguments, in words.
    pub(super) fn takes(&self) -> String {
        let plural = |n: usize| if n == 1 { "1 argument".to_owned() } else { format!("{n} arguments") };
        match (self.fewest, self.most) {
            (fewest, most) if fewest == most => plural(fewest),
            (fewest, MANY) => format!("at least {}", plural(fewest)),
            (fewest, most) => format!("{fewest} to {}", plural(most)),
        }
    }
}

fn text(value: &Value) -> Result<String, String> {
    values::text(value).ok_or_else(|| format!("wants a string, not {}", shown(value)))
}

fn list(value: &Value) -> Result<&Vec<Value>, String> {
    value.as_array().ok_or_else(|| format!("wants a list, not {}", shown(value)))
}

fn map(value: &Value) -> Result<&Map<String, Value>, String> {
    value.as_object().ok_or_else(|| format!("wants a map, not {}", shown(value)))
}

fn limited(text: String) -> Result<Value, String> {
    if text.len() > LONGEST_TEXT { Err(too_long()) } else { Ok(Value::String(text)) }
}

fn too_long() -> String {
    format!("the text would be longer than {LONGEST_TEXT} bytes")
}

fn converted(value: &Value, what: &str, convert: fn(&Value) -> Option<Value>) -> Result<Value, String> {
    if value.is_null() {
        return Ok(Value::Null);
    }
    convert(value).ok_or_else(|| format!("{} is not {what}", shown(value)))
}

fn all_true(value: &Value) -> Result<Value, String> {
    Ok(Value::Bool(list(value)?.iter().all(|item| values::boolean(item) == Some(true))))
}

fn any_true(value: &Value) -> Result<Value, String> {
    Ok(Value::Bool(list(value)?.iter().any(|item| values::boolean(item) == Some(true))))
}

fn coalesce(arguments: &[Value]) -> Result<Value, String> {
    let full = |value: &&Value| !value.is_null() && value.as_str() != Some("");
    let found = arguments.iter().find(full).ok_or("every argument is null or empty")?;
    // The arguments have one type in common: next to a string, numbers and bools become strings.
    match values::text(found) {
        Some(text) if arguments.iter().any(Value::is_string) => Ok(Value::String(text)),
        _ => Ok(found.clone()),
    }
}

fn coalesce_list(arguments: &[Value]) -> Result<Value, String> {
    for argument in arguments.iter().filter(|argument| !argument.is_null()) {
        if !list(argument)?.is_empty() {
            return Ok(argument.clone());
        }
    }
    Err("every list is empty".to_owned())
}

fn compact(arguments: &[Value]) -> Result<Value, String> {
    let full = |value: &&Value| !value.is_null() && value.as_str() != Some("");
    Ok(list(&arguments[0])?.iter().filter(full).cloned().collect())
}

fn concat(arguments: &[Value]) -> Result<Value, String> {
    let mut all = Vec::new();
    for argument in arguments {
        all.extend(list(argument)?.iter().cloned());
    }
    Ok(Value::Array(all))
}

fn contains(arguments: &[Value]) -> Result<Value, String> {
    let wanted = &arguments[1];
    Ok(Value::Bool(list(&arguments[0])?.iter().any(|item| equal(item, wanted))))
}

fn distinct(arguments: &[Value]) -> Result<Value, String> {
    let mut kept: Vec<Value> = Vec::new();
    for item in list(&arguments[0])? {
        if kept.len() > 1000 {
            return Err("wants a list of at most 1000 different elements".to_owned());
        }
        if !kept.iter().any(|other| equal(other, item)) {
            kept.push(item.clone());
        }
    }
    Ok(Value::Array(kept))
}

fn join(arguments: &[Value]) -> Result<Value, String> {
    let separator = text(&arguments[0])?;
    let mut joined = String::new();
    let mut first = true;
    for argument in &arguments[1..] {
        for item in list(argument)? {
            if !first {
                joined.push_str(&separator);
            }
            first = false;
            joined.push_str(&text(item)?);
            if joined.len() > LONGEST_TEXT {
                return Err(too_long());
            }
        }
    }
    limited(joined)
}

fn length(arguments: &[Value]) -> Result<Value, String> {
    let length = match &arguments[0] {
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        Value::String(text) => text.chars().count(),
        other => return Err(format!("wants a list, a map or a string, not {}", shown(other))),
    };
    Ok(Value::from(length))
}

fn lookup(arguments: &[Value]) -> Result<Value, String> {
    let key = text(&arguments[1])?;
    match (map(&arguments[0])?.get(&key), arguments.get(2)) {
        (Some(value), _) => Ok(value.clone()),
        (None, Some(default)) => Ok(default.clone()),
        (None, None) => Err(format!("the map has no key \"{key}\"")),
    }
}

fn extreme(arguments: &[Value], wanted: std::cmp::Ordering) -> Result<Value, String> {
    let number = |value: &Value| values::numeric(value).ok_or_else(|| format!("wants numbers, not {}", shown(value)));
    let mut best = number(&arguments[0])?;
    for argument in &arguments[1..] {
        let candidate = number(argument)?;
        if compare(&candidate, &best) == Some(wanted) {
            best = candidate;
        }
    }
    Ok(Value::Number(best))
}

fn merge(arguments: &[Value]) -> Result<Value, String> {
    let mut merged = Map::new();
    for argument in arguments.iter().filter(|argument| !argument.is_null()) {
        merged.extend(map(argument)?.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
    Ok(Value::Object(merged))
}

fn replace(arguments: &[Value]) -> Result<Value, String> {
    let (whole, part, with) = (text(&arguments[0])?, text(&arguments[1])?, text(&arguments[2])?);
    if part.len() > 1 && part.starts_with('/') && part.ends_with('/') {
        return Err("regular expressions (between slashes) are not supported here".to_owned());
    }
    let count = if part.is_empty() { whole.chars().count() + 1 } else { whole.matches(&part).count() };
    if whole.len().saturating_add(count.saturating_mul(with.len())) > LONGEST_TEXT {
        return Err(too_long());
    }
    limited(whole.replace(&part, &with))
}

fn split(arguments: &[Value]) -> Result<Value, String> {
    let (separator, whole) = (text(&arguments[0])?, text(&arguments[1])?);
    if separator.is_empty() {
        return Ok(whole.chars().map(|c| Value::from(c.to_string())).collect());
    }
    Ok(whole.split(&separator).map(Value::from).collect())
}

fn trim_prefix(arguments: &[Value]) -> Result<Value, String> {
    let (whole, prefix) = (text(&arguments[0])?, text(&arguments[1])?);
    Ok(Value::from(whole.strip_prefix(&prefix).unwrap_or(&whole)))
}

fn trim_suffix(arguments: &[Value]) -> Result<Value, String> {
    let (whole, suffix) = (text(&arguments[0])?, text(&arguments[1])?);
    Ok(Value::from(whole.strip_suffix(&suffix).unwrap_or(&whole)))
}
