//! The shape of ECS's objects: which members are structures and lists of structures, wherever they stand. World files and
//! requests are held against it before anything reads them, so that everything after may rely on it.

use serde_json::Value;

/// Members that are structures.
const STRUCTURES: &[&str] = &[
    "alarms",
    "awsvpcConfiguration",
    "deploymentCircuitBreaker",
    "deploymentConfiguration",
    "deploymentController",
    "healthCheck",
    "logConfiguration",
    "networkConfiguration",
    "overrides",
    "proxyConfiguration",
    "runtimePlatform",
    "serviceConnectConfiguration",
    "targetServiceRevision",
];

/// Members that are lists of structures.
const LISTS: &[&str] = &[
    "attachments",
    "attributes",
    "capacityProviderStrategy",
    "containerDefinitions",
    "containerImages",
    "containers",
    "currentServiceRevisions",
    "dependsOn",
    "deployments",
    "details",
    "environment",
    "events",
    "loadBalancers",
    "mountPoints",
    "networkInterfaces",
    "placementConstraints",
    "placementStrategy",
    "portMappings",
    "requiresAttributes",
    "secrets",
    "serviceRegistries",
    "sourceServiceRevisions",
    "tags",
    "volumes",
    "volumesFrom",
];

/// Members that are maps: their keys are anybody's words and no member names.
const MAPS: &[&str] = &["dockerLabels", "driverOpts", "labels", "options"];

/// A member that is not what it must be.
#[derive(Debug, PartialEq)]
pub(super) struct Misfit<'a> {
    /// Where it stands: `.deployments[0].networkConfiguration`.
    pub(super) path: String,
    /// `a Structure`, `a List`, `a Map`.
    pub(super) wanted: &'static str,
    /// What is there instead.
    pub(super) found: &'a Value,
}

/// The first member of `value`, at any depth, that is neither absent nor null nor what it must be.
pub(super) fn misfit(value: &Value) -> Option<Misfit<'_>> {
    match value {
        Value::Object(members) => members.iter().find_map(|(name, member)| of_member(name, member)),
        Value::Array(items) => items.iter().enumerate().find_map(|(index, item)| within(misfit(item), &format!("[{index}]"))),
        _ => None,
    }
}

fn of_member<'a>(name: &str, member: &'a Value) -> Option<Misfit<'a>> {
    let place = format!(".{name}");
    let wrong = |wanted, found| Some(Misfit { path: place.clone(), wanted, found });
    if member.is_null() {
        return None;
    }
    if STRUCTURES.contains(&name) && !member.is_object() {
        return wrong("a Structure", member);
    }
    if MAPS.contains(&name) {
        return if member.is_object() { None } else { wrong("a Map", member) };
    }
    if LISTS.contains(&name) {
        let Some(items) = member.as_array() else { return wrong("a List", member) };
        if let Some((index, found)) = items.iter().enumerate().find(|(_, item)| !item.is_object()) {
            return Some(Misfit { path: format!("{place}[{index}]"), wanted: "a Structure", found });
        }
    }
    within(misfit(member), &place)
}

fn within<'a>(found: Option<Misfit<'a>>, place: &str) -> Option<Misfit<'a>> {
    found.map(|found| Misfit { path: format!("{place}{}", found.path), ..found })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_does_not_fit_is_named_by_its_place() {
        let wrong = |value: Value| misfit(&value).map(|found| format!("{} is not {}", found.path, found.wanted));
        assert_eq!(
            wrong(json!({ "deployments": [{ "healthCheck": 1 }] })).as_deref(),
            Some(".deployments[0].healthCheck is not a Structure")
        );
        assert_eq!(wrong(json!([{ "tags": [{}, "a"] }])).as_deref(), Some("[0].tags[1] is not a Structure"));
        assert_eq!(wrong(json!({ "a": { "tags": {} } })).as_deref(), Some(".a.tags is not a List"));
        assert_eq!(wrong(json!({ "options": [] })).as_deref(), Some(".options is not a Map"));
    }

    #[test]
    fn what_is_absent_unknown_or_a_key_of_a_map_fits() {
        assert_eq!(misfit(&json!({ "tags": null, "deployments": [], "new": 1, "dockerLabels": { "tags": "a" } })), None);
    }
}
