//! Log groups: their life, retention and tags.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Group, invalid, no_group, required};
use crate::sim::values::{flag, number, page, text, texts};
use crate::sim::{ApiError, Call, State};

/// Days that a retention may have. `[M]`
const RETENTION_DAYS: [i64; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

pub(super) fn create(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    let name = required(input, "logGroupName")?;
    check_name(name)?;
    let class = text(input, "logGroupClass").unwrap_or("STANDARD");
    if !["STANDARD", "INFREQUENT_ACCESS", "DELIVERY"].contains(&class) {
        return Err(invalid(&format!(
            "Value '{class}' at 'logGroupClass' failed to satisfy constraint: Member must satisfy enum value set"
        )));
    }
    let tags = tag_map(input)?;
    if state.logs.group_exists(name) {
        return Err(ApiError::new("ResourceAlreadyExistsException", "The specified log group already exists"));
    }
    let arn = format!("arn:aws:logs:{}:{}:log-group:{name}", state.region, state.account);
    let object = json!({
        "logGroupName": name,
        "creationTime": state.now,
        "metricFilterCount": 0,
        "arn": format!("{arn}:*"),
        "storedBytes": 0,
        "logGroupClass": class,
        "logGroupArn": arn,
    });
    let Value::Object(mut object) = object else { return Ok(json!({})) };
    if let Some(key) = text(input, "kmsKeyId") {
        object.insert("kmsKeyId".to_owned(), json!(key));
    }
    if let Some(protected) = flag(input, "deletionProtectionEnabled") {
        object.insert("deletionProtectionEnabled".to_owned(), json!(protected));
    }
    state.logs.groups.push(Group { object, tags, streams: BTreeMap::new() });
    state.note_effect(call, None, arn);
    Ok(json!({}))
}

pub(super) fn delete(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    let name = required(input, "logGroupName")?;
    let group = state.log_group(name)?;
    if group.object.get("deletionProtectionEnabled") == Some(&json!(true)) {
        let message = "The log group cannot be deleted because deletion protection is enabled.";
        return Err(ApiError::new("ValidationException", message));
    }
    let arn = group.arn().to_owned();
    state.logs.groups.retain(|group| group.name() != name);
    state.note_effect(call, None, arn);
    Ok(json!({}))
}

pub(super) fn put_retention(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    let name = required(input, "logGroupName")?;
    let missing = || invalid("Value null at 'retentionInDays' failed to satisfy constraint: Member must not be null");
    let days = number(input, "retentionInDays").ok_or_else(missing)?;
    if !RETENTION_DAYS.contains(&days) {
        let message =
            format!("Value '{days}' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set");
        return Err(invalid(&message));
    }
    let group = state.log_group_mut(name)?;
    group.object.insert("retentionInDays".to_owned(), json!(days));
    let arn = group.arn().to_owned();
    state.note_effect(call, None, arn);
    Ok(json!({}))
}

pub(super) fn delete_retention(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    let group = state.log_group_mut(required(input, "logGroupName")?)?;
    group.object.remove("retentionInDays");
    let arn = group.arn().to_owned();
    state.note_effect(call, None, arn);
    Ok(json!({}))
}

pub(super) fn describe(state: &State, input: &Value) -> Result<Value, ApiError> {
    let prefix = text(input, "logGroupNamePrefix");
    let pattern = text(input, "logGroupNamePattern");
    if prefix.is_some() && pattern.is_some() {
        return Err(ApiError::new(
            "InvalidParameterException",
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
        ));
    }
    let identifiers = texts(input, "logGroupIdentifiers");
    let mut found: Vec<&Group> = state
        .logs
        .groups
        .iter()
        .filter(|group| prefix.is_none_or(|prefix| group.name().starts_with(prefix)))
        .filter(|group| pattern.is_none_or(|part| group.name().to_lowercase().contains(&part.to_lowercase())))
        .filter(|group| identifiers.is_empty() || identifiers.iter().any(|id| id == group.name() || id == group.arn()))
        .collect();
    found.sort_by(|a, b| a.name().cmp(b.name()));
    let limit = limit(input, 50)?;
    let page = page(found, text(input, "nextToken"), limit).ok_or_else(bad_token)?;
    let groups: Vec<Value> = page.items.into_iter().map(|group| Value::Object(group.object.clone())).collect();
    let mut output = json!({"logGroups": groups});
    if let Some(next) = page.next {
        output["nextToken"] = json!(next);
    }
    Ok(output)
}

pub(super) fn tag(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    let arn = required(input, "resourceArn")?;
    let tags = tag_map(input)?;
    let group = by_arn(state, arn)?;
    group.tags.extend(tags);
    if group.tags.len() > 50 {
        return Err(ApiError::new("TooManyTagsException", "The resource has too many tags."));
    }
    state.note_effect(call, None, arn);
    Ok(json!({}))
}

pub(super) fn untag(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    let arn = required(input, "resourceArn")?;
    let group = by_arn(state, arn)?;
    for key in texts(input, "tagKeys") {
        group.tags.remove(&key);
    }
    state.note_effect(call, None, arn);
    Ok(json!({}))
}

pub(super) fn tags(state: &mut State, input: &Value) -> Result<Value, ApiError> {
    Ok(json!({"tags": by_arn(state, required(input, "resourceArn")?)?.tags}))
}

pub(super) fn tags_by_name(state: &State, input: &Value) -> Result<Value, ApiError> {
    Ok(json!({"tags": state.log_group(required(input, "logGroupName")?)?.tags}))
}

/// Tags are asked by the ARN without `:*`; with it AWS does not know the resource.
fn by_arn<'a>(state: &'a mut State, arn: &str) -> Result<&'a mut Group, ApiError> {
    if arn.ends_with(":*") || !arn.starts_with("arn:") {
        return Err(ApiError::new("InvalidParameterException", format!("The specified resource ARN is not valid: {arn}")));
    }
    state.logs.groups.iter_mut().find(|group| group.arn() == arn).ok_or_else(no_group)
}

fn check_name(name: &str) -> Result<(), ApiError> {
    if name.is_empty() || name.len() > 512 {
        let problem = "at 'logGroupName' failed to satisfy constraint: Member must have length between 1 and 512";
        return Err(invalid(&format!("Value '{name}' {problem}")));
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-/#".contains(c);
    if !name.chars().all(fits) {
        let pattern = r"Member must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+";
        return Err(invalid(&format!("Value '{name}' at 'logGroupName' failed to satisfy constraint: {pattern}")));
    }
    if name.starts_with("aws/") {
        return Err(ApiError::new("InvalidParameterException", "Log group name can't start with 'aws/'"));
    }
    Ok(())
}

fn tag_map(input: &Value) -> Result<BTreeMap<String, String>, ApiError> {
    let Some(tags) = input.get("tags") else { return Ok(BTreeMap::new()) };
    let wrong = || ApiError::new("SerializationException", "tags must be a map of strings");
    let entries = tags.as_object().ok_or_else(wrong)?;
    let mut read = BTreeMap::new();
    for (key, value) in entries {
        if key.to_lowercase().starts_with("aws:") {
            return Err(ApiError::new("InvalidParameterException", "Tag keys can't start with aws:"));
        }
        read.insert(key.clone(), value.as_str().ok_or_else(wrong)?.to_owned());
    }
    if read.len() > 50 {
        return Err(ApiError::new("InvalidParameterException", "A resource can have up to 50 tags."));
    }
    Ok(read)
}

/// A page size between 1 and `max`, which is also the default.
pub(super) fn limit(input: &Value, max: usize) -> Result<usize, ApiError> {
    match number(input, "limit") {
        None => Ok(max),
        Some(limit) => usize::try_from(limit).ok().filter(|n| (1..=max).contains(n)).ok_or_else(|| {
            let bound = if limit < 1 { "greater than or equal to 1".to_owned() } else { format!("less than or equal to {max}") };
            invalid(&format!("Value '{limit}' at 'limit' failed to satisfy constraint: Member must have value {bound}"))
        }),
    }
}

pub(super) fn bad_token() -> ApiError {
    ApiError::new("InvalidParameterException", "The specified nextToken is invalid.")
}
