//! Edits of a task definition, as pure functions from a register input to a register input. Values of other environment
//! variables pass through and appear nowhere else.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

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
    },
    /// The inverse of [`Edit::Strip`] on a revision that others have changed since.
    PutBack {
        /// The container.
        container: String,
        /// The revision that it was taken out of.
        of: String,
    },
}

impl Edit {
    /// The edit that takes this one back on a revision that others have changed since; `of` is the revision that this one was
    /// made from. An inverse has none.
    pub fn inverse(&self, of: &str) -> Option<Self> {
        match self {
            Self::SetEnv { except, name, from, to } => Some(Self::ResetEnv {
                except: except.clone(),
                name: name.clone(),
                from: to.clone(),
                to: from.clone(),
                of: of.to_owned(),
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
            Edit::SetEnv { except, name, from, to } => set_env(input, except, name, from, to)?,
            Edit::Strip { container } => strip(input, container)?,
            Edit::ResetEnv { except, name, from, to, of } => {
                let variable = unedit::Variable { name, ours: from, before: to };
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

fn set_env(input: &mut Value, except: &str, name: &str, from: &str, to: &str) -> Result<(), String> {
    let mut changed = 0;
    for container in containers(input).filter(|container| container["name"] != except) {
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
    use serde_json::json;

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
        }
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
