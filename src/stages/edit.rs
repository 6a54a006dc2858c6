//! Edits of a task definition, as pure functions from a register input to a register input. Values of other environment
//! variables pass through and appear nowhere else.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::unedit;

/// The register inputs that inverse edits look at, by ARN: the revisions that the edits themselves were made from.
pub type Originals = BTreeMap<String, Value>;

/// One edit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "edit", rename_all = "kebab-case")]
pub enum Edit {
    /// Sets an environment variable, in every container but one, where it has the expected value.
    SetEnv {
        /// The container that keeps its value: the sidecar.
        except: String,
        /// The variable.
        name: String,
        /// The value it has now.
        from: String,
        /// The value it gets.
        to: String,
        /// Where the variable is added to containers that do not have it, because a program that is not told takes `from` by itself.
        #[serde(default, skip_serializing_if = "Adding::is_none")]
        add: Adding,
    },
    /// Removes a container and what refers to it.
    Strip {
        /// The container.
        container: String,
    },
    /// The inverse of [`Edit::SetEnv`] on a revision that others have changed since.
    ResetEnv {
        /// The container that [`Edit::SetEnv`] left alone.
        except: String,
        /// The variable.
        name: String,
        /// The value that [`Edit::SetEnv`] gave it; where it has another by now, it is somebody else's.
        from: String,
        /// The value it had before.
        to: String,
        /// The revision that was edited then: its containers with the value `to` are those that were changed.
        of: String,
        /// Where the variable was added, to be taken out again.
        #[serde(default, skip_serializing_if = "Adding::is_none")]
        added: Adding,
    },
    /// The inverse of [`Edit::Strip`] on a revision that others have changed since.
    PutBack {
        /// The container.
        container: String,
        /// The revision that it was taken out of.
        of: String,
    },
}

/// The containers to which a variable is added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Adding {
    /// None.
    #[default]
    Nowhere,
    /// Each.
    Each,
    /// These.
    To(Vec<String>),
}

impl Adding {
    fn is_none(&self) -> bool {
        *self == Self::Nowhere
    }

    /// Whether a container without the variable gets it. One that takes it from a secret has it.
    pub fn adds_to(&self, container: &Value, variable: &str) -> bool {
        let named = |list: &str| container[list].as_array().into_iter().flatten().any(|entry| entry["name"] == variable);
        let meant = match self {
            Self::Nowhere => false,
            Self::Each => true,
            Self::To(names) => names.iter().any(|name| container["name"] == **name),
        };
        meant && !named("environment") && !named("secrets")
    }
}

impl Edit {
    /// The edit that takes this one back on a revision that others have changed since; `of` is the revision that this one was
    /// made from. An inverse has none.
    pub fn inverse(&self, of: &str) -> Option<Self> {
        match self {
            Self::SetEnv { except, name, from, to, add } => Some(Self::ResetEnv {
                except: except.clone(),
                name: name.clone(),
                from: to.clone(),
                to: from.clone(),
                of: of.to_owned(),
                added: add.clone(),
            }),
            Self::Strip { container } => Some(Self::PutBack { container: container.clone(), of: of.to_owned() }),
            Self::ResetEnv { .. } | Self::PutBack { .. } => None,
        }
    }

    /// The ARN of the revision that an inverse edit looks at.
    pub fn original(&self) -> Option<&str> {
        match self {
            Self::SetEnv { .. } | Self::Strip { .. } => None,
            Self::ResetEnv { of, .. } | Self::PutBack { of, .. } => Some(of),
        }
    }
}

/// Applies edits to a register input; what cannot be done is a reason in words.
pub fn apply(edits: &[Edit], input: &mut Value, originals: &Originals) -> Result<(), String> {
    let original = |of: &String| originals.get(of).ok_or_else(|| format!("the revision {of}, which was edited then, is not known"));
    for edit in edits {
        match edit {
            Edit::SetEnv { except, name, from, to, add } => set_env(input, except, name, [from, to], add)?,
            Edit::Strip { container } => strip(input, container)?,
            Edit::ResetEnv { except, name, from, to, of, added } => {
                let variable = unedit::Variable { name, ours: from, before: to, added };
                unedit::reset_env(input, original(of)?, except, &variable);
            }
            Edit::PutBack { container, of } => unedit::put_back(input, original(of)?, container)?,
        }
    }
    Ok(())
}

pub(super) fn containers(input: &mut Value) -> impl Iterator<Item = &mut Value> {
    input["containerDefinitions"].as_array_mut().into_iter().flatten()
}

fn set_env(input: &mut Value, except: &str, name: &str, [from, to]: [&str; 2], add: &Adding) -> Result<(), String> {
    let mut changed = 0;
    for container in containers(input).filter(|container| container["name"] != except) {
        if add.adds_to(container, name) {
            if !container["environment"].is_array() {
                container["environment"] = json!([]);
            }
            if let Some(list) = container["environment"].as_array_mut() {
                list.push(json!({ "name": name, "value": to }));
                changed += 1;
            }
            continue;
        }
        for pair in container["environment"].as_array_mut().into_iter().flatten() {
            if pair["name"] == name && pair["value"] == from {
                pair["value"] = Value::String(to.to_owned());
                changed += 1;
            }
        }
    }
    if changed == 0 { Err(format!("no container but `{except}` has {name} = {from}")) } else { Ok(()) }
}

fn strip(input: &mut Value, name: &str) -> Result<(), String> {
    if let Some(reason) = refuses_strip(input, name) {
        return Err(reason);
    }
    if let Some(list) = input["containerDefinitions"].as_array_mut() {
        list.retain(|container| container["name"] != name);
    }
    for container in containers(input) {
        let Some(members) = container.as_object_mut() else { continue };
        if let Some(Value::Array(depends)) = members.get_mut("dependsOn") {
            depends.retain(|entry| entry["containerName"] != name);
            if depends.is_empty() {
                members.remove("dependsOn");
            }
        }
        if let Some(Value::Array(links)) = members.get_mut("links") {
            links.retain(|link| link.as_str().is_none_or(|link| link != name && !link.starts_with(&format!("{name}:"))));
        }
    }
    Ok(())
}

/// Why the container cannot be taken out, if it cannot: somebody depends on it in a way that no edit repairs.
pub fn refuses_strip(input: &Value, name: &str) -> Option<String> {
    let list = input["containerDefinitions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let sidecar = list.iter().find(|container| container["name"] == name)?;
    let essential = |container: &Value| container["essential"].as_bool().unwrap_or(true);
    if !list.iter().any(|container| container["name"] != name && essential(container)) {
        return Some(format!("`{name}` is the only essential container"));
    }
    if sidecar.get("firelensConfiguration").is_some_and(|config| !config.is_null()) {
        return Some(format!("`{name}` routes the other containers' logs (FireLens)"));
    }
    for container in list.iter().filter(|container| container["name"] != name) {
        let from = container["volumesFrom"].as_array().into_iter().flatten().any(|entry| entry["sourceContainer"] == name);
        if from {
            return Some(format!("container {} takes volumes from `{name}`", container["name"]));
        }
    }
    (input["proxyConfiguration"]["containerName"] == name).then(|| format!("`{name}` is the task's proxy (App Mesh)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> Value {
        json!({ "family": "f", "fromTheFuture": 1, "containerDefinitions": [
            { "name": "api", "essential": true, "dependsOn": [{ "containerName": "jaeger", "condition": "START" }], "links": ["jaeger:j", "db"],
              "environment": [{ "name": "SECRET", "value": "s" }, { "name": "OTLP", "value": "http://localhost:4318" }] },
            { "name": "worker", "environment": [{ "name": "OTLP", "value": "http://elsewhere:4318" }] },
            { "name": "jaeger", "essential": false, "environment": [{ "name": "OTLP", "value": "http://localhost:4318" }] } ] })
    }

    fn retarget() -> Edit {
        Edit::SetEnv {
            except: "jaeger".into(),
            name: "OTLP".into(),
            from: "http://localhost:4318".into(),
            to: "http://shared:4318".into(),
            add: Adding::Nowhere,
        }
    }

    fn adding(add: Adding) -> Edit {
        Edit::SetEnv { except: "jaeger".into(), name: "ADDRESS".into(), from: "127.0.0.1:1".into(), to: "shared:1".into(), add }
    }

    #[test]
    fn a_variable_that_is_implied_is_added_where_it_is_not_set() {
        let pair = json!({ "name": "ADDRESS", "value": "shared:1" });
        let has = |task: &Value, index: usize| {
            task["containerDefinitions"][index]["environment"].as_array().is_some_and(|list| list.contains(&pair))
        };
        let mut each = task();
        each["containerDefinitions"][0].as_object_mut().expect("a container").remove("environment");
        apply(&[adding(Adding::Each)], &mut each, &Originals::new()).expect("it is added");
        assert!(has(&each, 0) && has(&each, 1) && !has(&each, 2), "all but the sidecar: {each}");
        let mut some = task();
        some["containerDefinitions"][1]["environment"] = json!([{ "name": "ADDRESS", "value": "127.0.0.1:1" }]);
        some["containerDefinitions"][0]["secrets"] = json!([{ "name": "ADDRESS", "valueFrom": "arn" }]);
        apply(&[adding(Adding::Each)], &mut some, &Originals::new()).expect("one has the expected value");
        assert!(!has(&some, 0) && has(&some, 1), "what comes from a secret is left: {some}");
        let mut named = task();
        apply(&[adding(Adding::To(vec!["worker".into()]))], &mut named, &Originals::new()).expect("it is added");
        assert!(!has(&named, 0) && has(&named, 1), "only where it is meant: {named}");
        assert!(apply(&[adding(Adding::Nowhere)], &mut task(), &Originals::new()).is_err());
    }

    #[test]
    fn an_edit_of_an_earlier_version_reads_as_one_that_adds_nothing() {
        let text = json!({ "edit": "set-env", "except": "jaeger", "name": "OTLP", "from": "http://localhost:4318", "to": "http://shared:4318" });
        assert_eq!(serde_json::from_value::<Edit>(text.clone()).expect("it reads"), retarget());
        assert_eq!(serde_json::to_value(retarget()).expect("it writes"), text);
    }

    #[test]
    fn only_the_expected_value_outside_the_sidecar_is_changed() {
        let mut edited = task();
        apply(&[retarget()], &mut edited, &Originals::new()).expect("has the variable");
        let mut expected = task();
        expected["containerDefinitions"][0]["environment"][1]["value"] = json!("http://shared:4318");
        assert_eq!(edited, expected);
        assert!(apply(&[retarget()], &mut edited, &Originals::new()).is_err(), "a second time there is nothing to change");
    }

    #[test]
    fn stripping_takes_what_refers_to_the_sidecar_with_it() {
        let mut edited = task();
        apply(&[Edit::Strip { container: "jaeger".into() }], &mut edited, &Originals::new()).expect("can be stripped");
        let api = &edited["containerDefinitions"][0];
        assert_eq!(edited["containerDefinitions"].as_array().map(Vec::len), Some(2));
        assert_eq!(api.get("dependsOn"), None);
        assert_eq!(api["links"], json!(["db"]));
        assert_eq!(edited["fromTheFuture"], json!(1));
    }

    #[test]
    fn what_no_edit_repairs_is_refused() {
        let mut volumes = task();
        volumes["containerDefinitions"][1]["volumesFrom"] = json!([{ "sourceContainer": "jaeger" }]);
        let mut proxy = task();
        proxy["proxyConfiguration"] = json!({ "containerName": "jaeger" });
        let mut only = task();
        only["containerDefinitions"][0]["essential"] = json!(false);
        only["containerDefinitions"][1]["essential"] = json!(false);
        let mut router = task();
        router["containerDefinitions"][2]["firelensConfiguration"] = json!({ "type": "fluentbit" });
        for mut input in [volumes, proxy, only, router] {
            let before = input.clone();
            assert!(apply(&[Edit::Strip { container: "jaeger".into() }], &mut input, &Originals::new()).is_err());
            assert_eq!(input, before, "a refused edit changes nothing");
        }
    }
}
