//! The comparison that the other tests rest on sees what it should see.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::common::reference;
use crate::support::compare::{GENERATED, How, IGNORED, differences, differences_to, normal};

/// Each member's path with `*` for entries and for names that are data, and the pointer of one that has it.
fn leaves(value: &Value, path: &str, pointer: &str, found: &mut BTreeMap<String, String>) {
    let deeper = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Array(list) => {
            for (index, entry) in list.iter().enumerate() {
                // Tags are told apart by their keys.
                let key = entry.get("key").or_else(|| entry.get("Key")).and_then(Value::as_str);
                let name = key.map_or_else(|| "*".to_owned(), |key| format!("*[{key}]"));
                leaves(entry, &deeper(&name), &format!("{pointer}/{index}"), found);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                let data = name.starts_with("arn:") || name.starts_with("srv-") || name.starts_with('/') || name.len() == 32;
                let escaped = name.replace('~', "~0").replace('/', "~1");
                leaves(member, &deeper(if data { "*" } else { name }), &format!("{pointer}/{escaped}"), found);
            }
        }
        _ => {
            found.insert(path.to_owned(), pointer.to_owned());
        }
    }
}

fn changed(value: &mut Value) {
    *value = match &*value {
        Value::String(text) => Value::String(format!("{text}x")),
        Value::Number(number) => Value::from(number.as_f64().unwrap_or(0.0) + 1.0),
        Value::Bool(flag) => Value::Bool(!flag),
        _ => Value::from("something"),
    };
}

fn fits(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (pattern.split('.'), path.split('.'));
    // What lies below a listed member belongs to it.
    pattern.by_ref().all(|wanted| path.next().is_some_and(|found| wanted == "*" || wanted == found))
}

/// The world without most of what is ignored anyway, and without stopped tasks, which are left out whole.
fn slim(world: &Value) -> Value {
    let mut world = world.clone();
    for service in world["ecs"]["services"].as_array_mut().expect("services") {
        service["events"].as_array_mut().expect("events").truncate(1);
    }
    world["ecs"]["tasks"].as_array_mut().expect("tasks").retain(|task| task["lastStatus"] != "STOPPED");
    for list in ["logEvents", "logStreams"] {
        for group in world["logs"][list].as_object_mut().expect("by group").values_mut() {
            group.as_array_mut().expect("a list").truncate(1);
        }
    }
    world
}

/// What both repairs leave: the account with rules that the run added.
fn repaired() -> Value {
    let case = super::repairs::repaired();
    slim(&super::common::uninterrupted(case.start, &case.runbook).done)
}

#[test]
fn every_member_counts_but_for_the_written_list() {
    every_member_counts(&slim(&reference().done), "", 250);
    every_member_counts(&repaired(), "ec2.securityGroupRules", 15);
}

/// Those whose paths begin with `below`: there must be more than `least`.
fn every_member_counts(world: &Value, below: &str, least: usize) {
    let normal = normal(world, How::Whole);
    let mut found = BTreeMap::new();
    leaves(world, "", "", &mut found);
    found.retain(|path, _| path.starts_with(below));
    assert!(found.len() > least, "{} kinds of members", found.len());
    let mut unseen = BTreeSet::new();
    for (path, pointer) in &found {
        let mut other = world.clone();
        changed(other.pointer_mut(pointer).expect("the pointer was made from the world"));
        // What is listed need not be tried.
        let listed = IGNORED.iter().chain(GENERATED).any(|(pattern, _)| fits(pattern, path));
        if !listed && differences_to(&normal, &other, How::Whole).is_empty() {
            unseen.insert(path);
        }
    }
    assert!(unseen.is_empty(), "changed, and the comparison says nothing: {unseen:#?}");
}

#[test]
fn the_written_list_names_nothing_that_is_not_there() {
    let mut found = BTreeMap::new();
    leaves(&reference().done, "", "", &mut found);
    // Only who went back has deregistered something.
    let went_back = crate::support::paused(async {
        let lab = super::common::lab();
        super::common::done(lab.run().await);
        lab.roll_back(None).await;
        lab.world()
    });
    leaves(&went_back, "", "", &mut found);
    leaves(&repaired(), "", "", &mut found);
    for (pattern, _) in IGNORED.iter().chain(GENERATED) {
        assert!(found.keys().any(|path| fits(pattern, path)), "nothing is ignored by `{pattern}`");
    }
}

#[test]
fn what_is_missing_or_too_much_counts() {
    let world = &reference().done;
    for list in ["/ecs/services", "/ecs/tasks", "/ecs/taskDefinitions", "/servicediscovery/services", "/logs/logGroups"] {
        let mut less = world.clone();
        less.pointer_mut(list).and_then(Value::as_array_mut).expect("a list").pop();
        assert_ne!(differences(world, &less, How::Whole), Vec::<String>::new(), "one less in {list}");
        assert_ne!(differences(&less, world, How::Whole), Vec::<String>::new(), "one more in {list}");
    }
    assert_ne!(differences(&reference().start, world, How::WentBack), Vec::<String>::new());
    assert_ne!(differences(&reference().start, world, How::BackAndForth), Vec::<String>::new());
    assert_eq!(differences(world, world, How::Whole), Vec::<String>::new());
}

#[test]
fn which_run_made_it_counts_unless_it_is_set_aside() {
    let world = &reference().done;
    let mut other = world.clone();
    let groups = other["logs"]["tags"].as_object_mut().expect("tags by log group");
    let tags = groups.values_mut().find(|tags| tags["sidestep:run"].is_string()).expect("the run's own log group");
    tags["sidestep:run"] = Value::from("another");
    assert_ne!(differences(world, &other, How::Whole), Vec::<String>::new());
    assert_eq!(differences(world, &other, How::AnotherRun), Vec::<String>::new());
    // The rest counts as ever, revisions that are INACTIVE included.
    let revisions = other["ecs"]["taskDefinitions"].as_array_mut().expect("task definitions");
    let mut more = revisions[0].clone();
    more["taskDefinition"]["status"] = Value::from("INACTIVE");
    revisions.push(more);
    assert_ne!(differences(world, &other, How::AnotherRun), Vec::<String>::new());
}
