//! Taking an edit back on a revision that others have changed since: only what the edit changed, where it still stands as the edit
//! left it. Everything else is somebody else's and passes through.

use serde_json::{Value, json};

use super::edit::{Adding, containers};

/// An environment variable with the value that an edit gave it, and the one before.
pub struct Variable<'a> {
    /// Its name.
    pub name: &'a str,
    /// The value that the edit gave it.
    pub ours: &'a str,
    /// The value before.
    pub before: &'a str,
    /// Where the edit added it.
    pub added: &'a Adding,
}

/// Gives the variable its earlier value, in each container (but `except`) that had it in `original` and has ours now, and takes it
/// out where it was added. None may be left: then there is nothing to take back.
pub fn reset_env(input: &mut Value, original: &Value, except: &str, variable: &Variable<'_>) {
    for container in containers(input).filter(|container| container["name"] != except) {
        let known = named(original, &container["name"]);
        if known.is_some_and(|known| variable.added.adds_to(known, variable.name)) {
            if let Some(list) = container["environment"].as_array_mut() {
                list.retain(|pair| !(pair["name"] == variable.name && pair["value"] == variable.ours));
            }
            continue;
        }
        let had = known.is_some_and(|known| env(known, variable.name) == Some(variable.before));
        if !had {
            continue;
        }
        for pair in container["environment"].as_array_mut().into_iter().flatten() {
            if pair["name"] == variable.name && pair["value"] == variable.ours {
                pair["value"] = json!(variable.before);
            }
        }
    }
}

/// Puts a container back where it was in `original`, with the references of other containers to it. One that is there again is
/// somebody else's, and so are the references to it.
pub fn put_back(input: &mut Value, original: &Value, name: &str) -> Result<(), String> {
    if named(input, &json!(name)).is_some() {
        return Ok(());
    }
    let list = original["containerDefinitions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let Some((place, container)) = list.iter().enumerate().find(|(_, container)| container["name"] == name) else {
        return Err(format!("the revision it was taken out of has no container `{name}`"));
    };
    if let Some(lost) = missing(input, container) {
        return Err(lost);
    }
    if let Some(list) = input["containerDefinitions"].as_array_mut() {
        list.insert(place.min(list.len()), container.clone());
    }
    for container in containers(input).filter(|container| container["name"] != name) {
        let Some(before) = named(original, &container["name"]) else { continue };
        let of_the_sidecar = |entry: &&Value| match entry.as_str() {
            Some(link) => link == name || link.starts_with(&format!("{name}:")),
            None => entry["containerName"] == name,
        };
        for member in ["dependsOn", "links"] {
            for entry in before[member].as_array().into_iter().flatten().filter(of_the_sidecar) {
                let Some(members) = container.as_object_mut() else { continue };
                let list = members.entry(member).or_insert_with(|| json!([]));
                if list.is_null() {
                    *list = json!([]);
                }
                if let Some(list) = list.as_array_mut().filter(|list| !list.contains(entry)) {
                    list.push(entry.clone());
                }
            }
        }
    }
    Ok(())
}

/// What the container needs of the task and the task no longer has.
fn missing(input: &Value, container: &Value) -> Option<String> {
    let name = &container["name"];
    let has_volume = |volume: &Value| input["volumes"].as_array().into_iter().flatten().any(|known| known["name"] == *volume);
    let volume = container["mountPoints"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|mount| &mount["sourceVolume"])
        .find(|volume| !has_volume(volume));
    if let Some(volume) = volume {
        return Some(format!("container {name} mounts the volume {volume}, which is no longer there"));
    }
    let needs = container["dependsOn"].as_array().into_iter().flatten().map(|entry| &entry["containerName"]);
    let from = container["volumesFrom"].as_array().into_iter().flatten().map(|entry| &entry["sourceContainer"]);
    let other = needs.chain(from).find(|other| named(input, other).is_none())?;
    Some(format!("container {name} needs container {other}, which is no longer there"))
}

fn named<'a>(input: &'a Value, name: &Value) -> Option<&'a Value> {
    input["containerDefinitions"].as_array()?.iter().find(|container| container["name"] == *name)
}

fn env<'a>(container: &'a Value, name: &str) -> Option<&'a str> {
    container["environment"].as_array()?.iter().find(|pair| pair["name"] == name)?["value"].as_str()
}

#[cfg(test)]
mod tests {
    use super::super::edit::{Edit, Originals, apply};
    use super::*;

    const BASE: &str = "arn:aws:ecs:us-west-2:111122223333:task-definition/f:1";

    fn base() -> Value {
        json!({ "family": "f", "volumes": [{ "name": "spans" }], "containerDefinitions": [
            { "name": "api", "image": "api:1", "dependsOn": [{ "containerName": "jaeger", "condition": "START" }],
              "links": ["jaeger:j", "db"],
              "environment": [{ "name": "OTLP", "value": "http://localhost:4318" }, { "name": "SECRET", "value": "s" }] },
            { "name": "jaeger", "image": "jaeger:1", "essential": false, "mountPoints": [{ "sourceVolume": "spans" }] },
            { "name": "worker", "environment": [{ "name": "OTLP", "value": "http://elsewhere:4318" }] } ] })
    }

    fn edits() -> [Edit; 2] {
        [
            Edit::SetEnv {
                except: "jaeger".into(),
                name: "OTLP".into(),
                from: "http://localhost:4318".into(),
                to: "http://shared:4318".into(),
                add: Adding::Nowhere,
            },
            Edit::Strip { container: "jaeger".into() },
        ]
    }

    fn edited() -> Value {
        let mut input = base();
        apply(&edits(), &mut input, &Originals::new()).expect("the edits fit");
        input
    }

    fn taken_back(mut input: Value) -> Result<Value, String> {
        let originals = Originals::from([(BASE.to_owned(), base())]);
        let inverse: Vec<Edit> = edits().iter().rev().filter_map(|edit| edit.inverse(BASE)).collect();
        apply(&inverse, &mut input, &originals).map(|()| input)
    }

    #[test]
    fn on_what_the_edits_left_the_inverse_gives_what_was_before() {
        // The order within a list of references says nothing.
        let mut expected = base();
        expected["containerDefinitions"][0]["links"] = json!(["db", "jaeger:j"]);
        assert_eq!(taken_back(edited()), Ok(expected));
    }

    #[test]
    fn what_others_changed_since_passes_through() {
        let mut theirs = edited();
        theirs["fromTheFuture"] = json!({ "a": 1 });
        theirs["containerDefinitions"][0]["image"] = json!("api:2");
        theirs["containerDefinitions"][0]["environment"][1]["value"] = json!("t");
        // A container that they made, and one that pointed there by itself: neither was changed by the edit.
        let made = json!({ "name": "cron", "environment": [{ "name": "OTLP", "value": "http://shared:4318" }] });
        theirs["containerDefinitions"].as_array_mut().expect("a list").push(made.clone());
        theirs["containerDefinitions"][1]["environment"][0]["value"] = json!("http://shared:4318");
        let found = taken_back(theirs).expect("it can be taken back");
        assert_eq!(found["fromTheFuture"], json!({ "a": 1 }));
        let api = &found["containerDefinitions"][0];
        assert_eq!((&api["image"], &api["environment"][1]["value"]), (&json!("api:2"), &json!("t")));
        assert_eq!(api["environment"][0]["value"], "http://localhost:4318", "ours is taken back");
        assert_eq!(found["containerDefinitions"][1], base()["containerDefinitions"][1], "the sidecar is back in its place");
        assert_eq!(found["containerDefinitions"][2]["environment"][0]["value"], "http://shared:4318", "theirs");
        assert_eq!(found["containerDefinitions"][3], made);
    }

    #[test]
    fn a_value_that_is_not_ours_and_a_sidecar_that_is_back_are_theirs() {
        let mut theirs = base();
        theirs["containerDefinitions"][0]["environment"][0]["value"] = json!("http://third:4318");
        theirs["containerDefinitions"][1]["image"] = json!("jaeger:2");
        theirs["containerDefinitions"][0]["dependsOn"] = json!([]);
        assert_eq!(taken_back(theirs.clone()), Ok(theirs));
    }

    #[test]
    fn a_variable_that_was_added_is_taken_out_again() {
        let name = || "ADDRESS".to_owned();
        let (from, to, add) = ("127.0.0.1:1".to_owned(), "shared:1".to_owned(), Adding::Each);
        let edit = Edit::SetEnv { except: "jaeger".into(), name: name(), from, to, add };
        let mut input = base();
        apply(std::slice::from_ref(&edit), &mut input, &Originals::new()).expect("it is added");
        // Somebody gave one container another value since: that one is theirs.
        input["containerDefinitions"][2]["environment"][1]["value"] = json!("third:1");
        let originals = Originals::from([(BASE.to_owned(), base())]);
        apply(&[edit.inverse(BASE).expect("it has one")], &mut input, &originals).expect("it can be taken back");
        let mut expected = base();
        let theirs = json!({ "name": "ADDRESS", "value": "third:1" });
        expected["containerDefinitions"][2]["environment"].as_array_mut().expect("a list").push(theirs);
        assert_eq!(input, expected);
    }

    #[test]
    fn what_the_sidecar_needs_must_still_be_there() {
        let mut theirs = edited();
        theirs["volumes"] = json!([]);
        let reason = taken_back(theirs).expect_err("the volume is gone");
        assert!(reason.contains("spans"), "{reason}");
        let mut input = edited();
        let inverse = edits()[1].inverse(BASE).expect("a strip has an inverse");
        assert!(apply(&[inverse], &mut input, &Originals::new()).is_err(), "what it was made from is not known");
    }
}
