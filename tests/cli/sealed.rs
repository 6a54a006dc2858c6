//! A plan that is sealed in a file is carried out as it is, or not at all.

use serde_json::{Value, json};

use crate::cli_support::{Desk, Ran};

const API: &str = "nexus-ai-api-staging";
const CLUSTER: &str = "nexus-ai-cluster-staging";

/// A plan, sealed; the arguments that carry it out.
fn sealed(desk: &Desk) -> String {
    let file = desk.dir.path().join("plan.json").display().to_string();
    let ran = desk.end(desk.live(&["plan", "--out", &file]));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("Carry out exactly this plan with `sidestep run --plan "), "{}", ran.out);
    file
}

/// Without the variables, which the plan has.
fn run(desk: &Desk, file: &str) -> Ran {
    desk.call(&["run", "--plan", file, "--yes", "--pause-before", "create-service"])
}

fn read(file: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(file).expect("a file")).expect("JSON")
}

#[test]
fn exactly_the_sealed_plan_is_carried_out_and_once() {
    let desk = Desk::new();
    let file = sealed(&desk);
    let planned = read(&file)["plan"]["run"].as_str().expect("a run").to_owned();
    let ran = run(&desk, &file);
    assert_eq!(ran.code, Some(6), "{}", ran.err);
    assert!(desk.call(&["runs"]).out.contains(&planned), "the run has the id that was planned");
    let again = run(&desk, &file);
    assert_eq!(again.code, Some(4), "{}", again.err);
    assert!(again.err.contains(&format!("it was carried out already: see `sidestep status {planned}`")), "{}", again.err);
}

#[test]
fn a_plan_whose_ground_has_shifted_is_refused_and_says_where() {
    let desk = Desk::new();
    let file = sealed(&desk);
    desk.sim.foreign("UpdateService", &json!({ "cluster": CLUSTER, "service": API, "desiredCount": 3 }));
    let before = desk.sim.effects();
    let ran = run(&desk, &file);
    assert_eq!(ran.code, Some(4), "{}", ran.err);
    assert!(ran.err.contains(&format!("service {API}: desiredCount 2 → 3")), "{}", ran.err);
    assert_eq!(desk.sim.effects(), before, "nothing was changed");
}

#[test]
fn what_is_no_sealed_plan_is_refused() {
    let desk = Desk::new();
    let file = sealed(&desk);
    let whole = read(&file);
    let mut altered = whole.clone();
    altered["plan"]["target"]["cluster"] = json!("another");
    let mut older = whole.clone();
    older["version"] = json!(0);
    let mut more = whole.clone();
    more["plan"]["surprise"] = json!(1);
    for (text, why) in [
        (altered.to_string(), "it was altered"),
        (more.to_string(), "it was altered"),
        (older.to_string(), "its version is 0, this program reads 1"),
        (json!({ "format": "sidestep-world" }).to_string(), "its format is sidestep-world"),
        ("{".to_owned(), "it is no JSON"),
    ] {
        std::fs::write(&file, text).expect("written");
        let ran = run(&desk, &file);
        assert_eq!(ran.code, Some(3), "{why}: {}", ran.err);
        assert!(ran.err.contains(why), "{why}: {}", ran.err);
    }
    assert_eq!(desk.call(&["run", "--plan", &file, "--var", "a=b", "--yes"]).code, Some(2));
    assert_eq!(desk.sim.effects(), Vec::<String>::new());
    // A slip of the keyboard costs no other file.
    let runbook = desk.dir.path().join("notes.txt");
    std::fs::write(&runbook, "mine").expect("written");
    let ran = desk.end(desk.live(&["plan", "--out", &runbook.display().to_string()]));
    assert_eq!((ran.code, std::fs::read_to_string(&runbook).expect("a file").as_str()), (Some(2), "mine"), "{}", ran.err);
}
