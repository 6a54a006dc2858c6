//! What an edit makes of a task definition, member by member, for the operator to read. Values of environment variables are shown
//! only where the runbook itself names the variable: of any other one the name alone is told.

use serde_json::{Map, Value, json};

use crate::model::Change;

/// The changes from one register input to another; with nothing before, every member is new. `shown` says whether a variable's
/// values may be told.
pub fn changes(before: Option<&Value>, after: &Value, shown: &dyn Fn(&str) -> bool) -> Vec<Change> {
    let mut diff = Diff { shown, changes: Vec::new() };
    let (nothing, gone) = (Map::new(), Map::new());
    let before = before.and_then(Value::as_object).unwrap_or(&nothing);
    diff.members("", before, after.as_object().unwrap_or(&gone));
    diff.changes
}

struct Diff<'a> {
    shown: &'a dyn Fn(&str) -> bool,
    changes: Vec<Change>,
}

/// Members that say nothing of the content.
const LEFT_OUT: &[&str] = &["family", "tags"];

impl Diff<'_> {
    fn note(&mut self, path: &str, from: Option<&Value>, to: Option<&Value>) {
        if from != to {
            self.changes.push(Change { path: path.to_owned(), from: from.cloned(), to: to.cloned() });
        }
    }

    fn members(&mut self, at: &str, before: &Map<String, Value>, after: &Map<String, Value>) {
        let removed = before.keys().filter(|name| !after.contains_key(*name));
        for name in after.keys().chain(removed) {
            if at.is_empty() && LEFT_OUT.contains(&name.as_str()) {
                continue;
            }
            let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
            match name.as_str() {
                "containerDefinitions" => self.containers(&path, &before.get(name), &after.get(name)),
                "environment" => self.variables(&path, &before.get(name), &after.get(name)),
                "secrets" => self.names(&path, &before.get(name), &after.get(name)),
                "portMappings" => self.note(&path, before.get(name).map(ports).as_ref(), after.get(name).map(ports).as_ref()),
                _ => self.member(&path, before.get(name), after.get(name)),
            }
        }
    }

    fn member(&mut self, path: &str, from: Option<&Value>, to: Option<&Value>) {
        match (from, to) {
            (Some(Value::Object(from)), Some(Value::Object(to))) => self.members(path, from, to),
            (None, Some(Value::Object(to))) => self.members(path, &Map::new(), to),
            _ => self.note(path, from, to),
        }
    }

    fn containers(&mut self, path: &str, before: &Option<&Value>, after: &Option<&Value>) {
        let (old, new) = (named(before), named(after));
        for (name, container) in &new {
            let at = format!("{path}[{name}]");
            let known = old.iter().find(|(other, _)| other == name);
            let mut members = container.as_object().cloned().unwrap_or_default();
            let mut known = known.and_then(|(_, container)| container.as_object().cloned()).unwrap_or_default();
            members.remove("name");
            known.remove("name");
            self.members(&at, &known, &members);
        }
        // One that goes is told as one: what is in it may be secret, and goes with it.
        for (name, _) in old.iter().filter(|(name, _)| !new.iter().any(|(other, _)| other == name)) {
            self.note(&format!("{path}[{name}]"), Some(&json!("present")), None);
        }
    }

    fn variables(&mut self, path: &str, before: &Option<&Value>, after: &Option<&Value>) {
        let (old, new) = (named(before), named(after));
        let value = |list: &[(String, &Value)], name: &str| {
            list.iter().find(|(known, _)| known == name).map(|(_, pair)| pair["value"].clone())
        };
        let gone = old.iter().filter(|(name, _)| !new.iter().any(|(other, _)| other == name));
        for (name, _) in new.iter().chain(gone) {
            let (from, to) = (value(&old, name), value(&new, name));
            let at = format!("{path}[{name}]");
            if from == to {
                continue;
            }
            if (self.shown)(name) {
                self.note(&at, from.as_ref(), to.as_ref());
            } else {
                self.changes.push(Change { path: at, from: None, to: None });
            }
        }
    }

    /// A list of which only the names are told.
    fn names(&mut self, path: &str, before: &Option<&Value>, after: &Option<&Value>) {
        let (old, new) = (named(before), named(after));
        let gone = old.iter().filter(|(name, _)| !new.iter().any(|(other, _)| other == name));
        for (name, entry) in new.iter().chain(gone) {
            let known = |list: &[(String, &Value)]| list.iter().any(|(other, same)| other == name && same == entry);
            if !(known(&old) && known(&new)) {
                self.changes.push(Change { path: format!("{path}[{name}]"), from: None, to: None });
            }
        }
    }
}

/// Port mappings as people write them, where nothing is lost by it.
fn ports(list: &Value) -> Value {
    let short = |mapping: &Value| {
        let members = mapping.as_object()?;
        let (port, protocol) = (mapping["containerPort"].as_u64()?, mapping["protocol"].as_str().unwrap_or("tcp"));
        let plain = members.keys().all(|name| ["containerPort", "hostPort", "protocol"].contains(&name.as_str()));
        let same = mapping.get("hostPort").is_none_or(|host| host.as_u64() == Some(port));
        (plain && same).then(|| json!(format!("{port}/{protocol}")))
    };
    match list {
        Value::Array(mappings) => mappings.iter().map(|mapping| short(mapping).unwrap_or_else(|| mapping.clone())).collect(),
        other => other.clone(),
    }
}

/// The entries of a list by their names.
fn named<'a>(list: &Option<&'a Value>) -> Vec<(String, &'a Value)> {
    let entries = list.and_then(Value::as_array).into_iter().flatten();
    entries.map(|entry| (entry["name"].as_str().unwrap_or_default().to_owned(), entry)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(before: Option<&Value>, after: &Value) -> Vec<String> {
        let line = |change: Change| {
            let text = |value: Option<Value>| value.map_or("-".to_owned(), |value| value.to_string());
            format!("{}: {} → {}", change.path, text(change.from), text(change.to))
        };
        changes(before, after, &|name| name == "OTLP").into_iter().map(line).collect()
    }

    fn task() -> Value {
        json!({ "family": "f", "cpu": "256", "containerDefinitions": [
            { "name": "api", "image": "a:1", "dependsOn": [{ "containerName": "tracer", "condition": "START" }],
              "environment": [{ "name": "OTLP", "value": "before" }, { "name": "PASSWORD", "value": "hunter2" }] },
            { "name": "tracer", "environment": [{ "name": "TOKEN", "value": "hunter2" }] } ] })
    }

    #[test]
    fn only_what_differs_is_told_and_no_value_of_another_variable() {
        let mut after = task();
        after["containerDefinitions"][0]["environment"][0]["value"] = json!("after");
        after["containerDefinitions"][0]["environment"][1]["value"] = json!("hunter3");
        after["containerDefinitions"][0].as_object_mut().expect("a container").remove("dependsOn");
        after["containerDefinitions"].as_array_mut().expect("containers").pop();
        let told = told(Some(&task()), &after);
        assert_eq!(
            told,
            [
                r#"containerDefinitions[api].environment[OTLP]: "before" → "after""#,
                "containerDefinitions[api].environment[PASSWORD]: - → -",
                r#"containerDefinitions[api].dependsOn: [{"condition":"START","containerName":"tracer"}] → -"#,
                r#"containerDefinitions[tracer]: "present" → -"#,
            ]
        );
        assert!(!told.join("\n").contains("hunter"));
        assert_eq!(self::told(Some(&task()), &task()), [""; 0]);
    }

    #[test]
    fn with_nothing_before_every_member_is_new() {
        let after = json!({ "family": "f", "cpu": "256", "containerDefinitions": [{ "name": "t", "image": "t:1",
            "logConfiguration": { "logDriver": "awslogs", "options": { "awslogs-group": "g" } },
            "environment": [{ "name": "OTLP", "value": "on" }], "secrets": [{ "name": "KEY", "valueFrom": "arn" }] }] });
        assert_eq!(
            told(None, &after),
            [
                r#"containerDefinitions[t].environment[OTLP]: - → "on""#,
                r#"containerDefinitions[t].image: - → "t:1""#,
                r#"containerDefinitions[t].logConfiguration.logDriver: - → "awslogs""#,
                r#"containerDefinitions[t].logConfiguration.options.awslogs-group: - → "g""#,
                "containerDefinitions[t].secrets[KEY]: - → -",
                r#"cpu: - → "256""#,
            ]
        );
    }
}
