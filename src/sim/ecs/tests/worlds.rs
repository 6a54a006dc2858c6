//! The shipped worlds load, stay as they are, and are saved as they were.

use super::*;

#[test]
fn the_shipped_worlds_stay_as_they_are_for_an_hour() {
    for (world, environment) in [(STAGING, "staging"), (DEV, "dev")] {
        let mut lab = Lab::of(world, environment);
        let before = lab.service(&lab.api.clone());
        let tasks = lab.tasks(&lab.api.clone(), "RUNNING");
        lab.pass(3600);
        let api = lab.api.clone();
        assert_eq!(lab.service(&api), before, "{environment}");
        assert_eq!(lab.tasks(&api, "RUNNING"), tasks);
        assert_eq!(lab.tasks(&api, "STOPPED"), Vec::<Value>::new());
        assert!(lab.settled(&format!("nexus-ai-frontend-{environment}")));
    }
}

#[test]
fn a_steady_state_is_said_again_after_six_hours() {
    let mut lab = Lab::staging();
    let api = lab.api.clone();
    let events = lab.messages(&api).len();
    lab.pass(7 * 3600);
    assert_eq!(lab.messages(&api).len(), events + 1);
    assert_eq!(lab.messages(&api)[0], "(service nexus-ai-api-staging) has reached a steady state.");
}

/// Takes off what AWS derives and a world file may leave out.
fn without_derived(mut part: Value) -> Value {
    for member in ["serviceDeployments", "serviceRevisions"] {
        super::super::json::remove(&mut part, member);
    }
    for service in part["services"].as_array_mut().into_iter().flatten() {
        for member in ["currentServiceDeployment", "currentServiceRevisions"] {
            super::super::json::remove(service, member);
        }
    }
    part
}

#[test]
fn an_untouched_world_is_saved_as_it_was_with_unknown_members() {
    let mut world: Value = serde_json::from_str(STAGING).expect("JSON");
    world["ecs"]["novelties"] = json!([{ "name": "new" }]);
    world["ecs"]["clusters"][0]["novelty"] = json!(1);
    world["ecs"]["taskDefinitions"][1]["taskDefinition"]["containerDefinitions"][0]["novelty"] = json!({ "a": [1, null] });
    world["ecs"]["services"][0]["novelty"] = json!("kept");
    world["ecs"]["services"][0]["deployments"][0]["novelty"] = json!("kept");
    world["ecs"]["tasks"][0]["containers"][0]["novelty"] = json!("kept");
    let state = State::load(&world, 1).expect("loads");
    assert_eq!(without_derived(super::super::save(&state)), world["ecs"]);
}

#[test]
fn what_was_saved_loads_with_the_same_deployments_and_revisions() {
    let mut lab = Lab::staging();
    let arn = lab.register(|_| {});
    lab.ok("UpdateService", lab.update(json!({ "taskDefinition": arn })));
    lab.pass(30);
    let saved = super::super::save(&lab.state);
    let again = State::load(&lab.state.save(), 99).expect("loads");
    let reloaded = super::super::save(&again);
    assert_eq!(reloaded["services"], saved["services"]);
    assert_eq!(reloaded["serviceRevisions"], saved["serviceRevisions"]);
    let mut again = Lab { state: again, ..Lab::staging() };
    again.wait(600, |lab| lab.settled(&lab.api.clone()));
    assert_eq!(again.service(&again.api.clone())["taskDefinition"], json!(arn));
}

#[test]
fn times_as_the_cli_prints_them_become_epoch_seconds() {
    let mut world: Value = serde_json::from_str(STAGING).expect("JSON");
    world["ecs"]["services"][0]["createdAt"] = json!("2025-12-02T08:00:00.250000+00:00");
    world["ecs"]["services"][0]["events"][0]["createdAt"] = json!("2025-12-02T10:05:00+02:00");
    world["ecs"]["tasks"][0]["startedAt"] = json!("2025-12-02T08:00:41Z");
    let mut lab = Lab { state: State::load(&world, 1).expect("loads"), ..Lab::staging() };
    let api = lab.api.clone();
    assert_eq!(lab.service(&api)["createdAt"], json!(1_764_662_400.25));
    assert_eq!(lab.service(&api)["events"][0]["createdAt"], json!(1_764_662_700.0));
    assert_eq!(lab.tasks(&api, "RUNNING")[0]["startedAt"], json!(1_764_662_441.0));
}

#[test]
fn a_world_without_tasks_and_deployments_gets_those_it_must_have_had() {
    let mut world: Value = serde_json::from_str(STAGING).expect("JSON");
    world["ecs"]["tasks"] = json!([]);
    super::super::json::remove(&mut world["ecs"]["services"][0], "deployments");
    let mut lab = Lab { state: State::load(&world, 1).expect("loads"), ..Lab::staging() };
    let api = lab.api.clone();
    let service = lab.service(&api);
    assert_eq!((&service["runningCount"], &service["deployments"][0]["rolloutState"]), (&json!(2), &json!("COMPLETED")));
    let first = lab.tasks(&api, "RUNNING");
    assert_ne!(first[0]["availabilityZone"], first[1]["availabilityZone"], "spread over the subnets");
    lab.pass(600);
    let ids = |tasks: &[Value]| tasks.iter().map(|task| task["taskArn"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&lab.tasks(&api, "RUNNING")), ids(&first), "nothing was replaced");
}

#[test]
fn a_broken_world_is_refused_with_the_place() {
    let mut world: Value = serde_json::from_str(STAGING).expect("JSON");
    super::super::json::remove(&mut world["ecs"]["services"][1], "serviceArn");
    let error = State::load(&world, 1).expect_err("refused");
    assert!(error.contains("`ecs.services[1]`"), "{error}");
    world["ecs"]["services"] = json!({});
    assert!(State::load(&world, 1).expect_err("refused").contains("`ecs.services` is not a list"));
}

#[test]
fn the_same_seed_gives_the_same_world_and_another_seed_another_one() {
    let run = |seed: u64| {
        let world: Value = serde_json::from_str(STAGING).expect("JSON");
        let mut lab = Lab { state: State::load(&world, seed).expect("loads"), ..Lab::staging() };
        lab.ok("UpdateService", lab.update(json!({ "forceNewDeployment": true })));
        lab.pass(400);
        lab.state.save()
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}
