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
    Function { name: "alltrue", fewest: 1, most: 1, usage: "alltrue(list)", run: |a| all_true(&a[0]) },
    Function { name: "anytrue", fewest: 1, most: 1, usage: "anytrue(list)", run: |a| any_true(&a[0]) },
    Function {
        name: "coalesce",
        fewest: 1,
        most: MANY,
        usage: "coalesce(first, second, …): the first that is not empty",
        run: coalesce,
    },
    Function {
        name: "coalescelist",
        fewest: 1,
        most: MANY,
        usage: "coalescelist(list, …): the first list with elements",
        run: coalesce_list,
    },
    Function { name: "compact", fewest: 1, most: 1, usage: "compact(list): without empty strings", run: compact },
    Function { name: "concat", fewest: 1, most: MANY, usage: "concat(list, …): one list of all", run: concat },
    Function { name: "contains", fewest: 2, most: 2, usage: "contains(list, value)", run: contains },
    Function { name: "distinct", fewest: 1, most: 1, usage: "distinct(list): without repetitions", run: distinct },
    Function {
        name: "endswith",
        fewest: 2,
        most: 2,
        usage: "endswith(text, suffix)",
        run: |a| Ok(Value::Bool(text(&a[0])?.ends_with(&text(&a[1])?))),
    },
    Function {
        name: "format",
        fewest: 1,
        most: MANY,
        usage: "format(\"%s has %d\", name, count)",
        run: |a| limited(format(&text(&a[0])?, &a[1..])?),
    },
    Function { name: "join", fewest: 2, most: MANY, usage: "join(separator, list)", run: join },
    Function {
        name: "keys",
        fewest: 1,
        most: 1,
        usage: "keys(map)",
        run: |a| Ok(map(&a[0])?.keys().cloned().map(Value::String).collect()),
    },
    Function { name: "length", fewest: 1, most: 1, usage: "length(list, map or text)", run: length },
    Function { name: "lookup", fewest: 2, most: 3, usage: "lookup(map, key, default)", run: lookup },
    Function { name: "lower", fewest: 1, most: 1, usage: "lower(text)", run: |a| limited(text(&a[0])?.to_lowercase()) },
    Function { name: "max", fewest: 1, most: MANY, usage: "max(number, …)", run: |a| extreme(a, std::cmp::Ordering::Greater) },
    Function { name: "merge", fewest: 0, most: MANY, usage: "merge(map, …): later ones win", run: merge },
    Function { name: "min", fewest: 1, most: MANY, usage: "min(number, …)", run: |a| extreme(a, std::cmp::Ordering::Less) },
    Function { name: "replace", fewest: 3, most: 3, usage: "replace(text, part, with)", run: replace },
    Function { name: "split", fewest: 2, most: 2, usage: "split(separator, text)", run: split },
    Function {
        name: "startswith",
        fewest: 2,
        most: 2,
        usage: "startswith(text, prefix)",
        run: |a| Ok(Value::Bool(text(&a[0])?.starts_with(&text(&a[1])?))),
    },
    Function {
        name: "tobool",
        fewest: 1,
        most: 1,
        usage: "tobool(value)",
        run: |a| converted(&a[0], "a bool", |v| values::boolean(v).map(Value::Bool)),
    },
    Function {
        name: "tonumber",
        fewest: 1,
        most: 1,
        usage: "tonumber(value)",
        run: |a| converted(&a[0], "a number", |v| values::numeric(v).map(Value::Number)),
    },
    Function {
        name: "tostring",
        fewest: 1,
        most: 1,
        usage: "tostring(value)",
        run: |a| converted(&a[0], "a string", |v| values::text(v).map(Value::String)),
    },
    Function { name: "trimprefix", fewest: 2, most: 2, usage: "trimprefix(text, prefix)", run: trim_prefix },
    Function { name: "trimspace", fewest: 1, most: 1, usage: "trimspace(text)", run: |a| Ok(Value::from(text(&a[0])?.trim())) },
    Function { name: "trimsuffix", fewest: 2, most: 2, usage: "trimsuffix(text, suffix)", run: trim_suffix },
    Function { name: "upper", fewest: 1, most: 1, usage: "upper(text)", run: |a| limited(text(&a[0])?.to_uppercase()) },
    Function { name: "values", fewest: 1, most: 1, usage: "values(map)", run: |a| Ok(map(&a[0])?.values().cloned().collect()) },
];

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
    arguments.iter().find(full).cloned().ok_or_else(|| "every argument is null or empty".to_owned())
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
    // Terraform looks for the value as an element's type: "1" is in [1].
    let same = |item: &Value| {
        equal(item, wanted) || (!item.is_null() && values::text(item) == values::text(wanted) && values::text(item).is_some())
    };
    Ok(Value::Bool(list(&arguments[0])?.iter().any(same)))
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
