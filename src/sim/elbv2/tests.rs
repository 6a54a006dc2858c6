use serde_json::json;

use super::*;
use crate::sim::tests::world;

const GROUP: &str = "nexus-ai-jaeger-tg-staging";
/// An address that no task has: what asks it waits in vain.
const NOBODY: &str = "10.0.10.250";

fn loaded(change: impl FnOnce(&mut Value)) -> (State, String) {
    let mut world = world();
    change(&mut world);
    let state = State::load(&world, 5).expect("it loads");
    let group = state.elbv2.groups.iter().find(|group| member(&group.object, "TargetGroupName") == GROUP).expect("the group");
    let arn = group.arn().to_owned();
    (state, arn)
}

fn seconds(state: &mut State, seconds: i64) {
    let then = state.now + seconds * 1000;
    state.advance(then);
}

fn word(state: &State, arn: &str) -> Option<(String, Option<String>)> {
    state.elbv2.target_state(arn, NOBODY, 16686).map(|target| (target.state, target.reason))
}

fn is(state: &str, reason: &str) -> Option<(String, Option<String>)> {
    Some((state.to_owned(), Some(reason.to_owned())))
}

#[test]
fn a_target_that_never_answers_becomes_unhealthy_after_its_threshold() {
    let (mut state, arn) = loaded(|_| ());
    register_target(&mut state, &arn, NOBODY, 16686, "us-west-2a");
    assert_eq!(word(&state, &arn), is("initial", "Elb.RegistrationInProgress"));
    seconds(&mut state, 35);
    assert_eq!(word(&state, &arn), is("initial", "Elb.InitialHealthChecking"));
    register_target(&mut state, &arn, NOBODY, 16686, "us-west-2a");
    seconds(&mut state, 55);
    assert_eq!(word(&state, &arn), is("unhealthy", "Target.Timeout"));
    let pending = state.elbv2.group(&arn).and_then(|group| group.target(NOBODY, 16686)).map(|target| target.checking);
    assert_eq!(pending, Some(false), "a settled target costs nothing");
}

#[test]
fn a_target_drains_for_the_groups_delay() {
    let (mut state, arn) = loaded(|_| ());
    register_target(&mut state, &arn, NOBODY, 16686, "us-west-2a");
    seconds(&mut state, 5);
    deregister_target(&mut state, &arn, NOBODY, 16686);
    seconds(&mut state, 29);
    assert_eq!(word(&state, &arn), is("draining", "Target.DeregistrationInProgress"));
    seconds(&mut state, 1);
    assert_eq!(word(&state, &arn), None);
}

#[test]
fn a_target_that_comes_back_while_draining_is_not_taken_by_the_old_drain() {
    let (mut state, arn) = loaded(|_| ());
    register_target(&mut state, &arn, NOBODY, 16686, "us-west-2a");
    deregister_target(&mut state, &arn, NOBODY, 16686);
    register_target(&mut state, &arn, NOBODY, 16686, "us-west-2a");
    seconds(&mut state, 60);
    assert!(word(&state, &arn).is_some());
}

#[test]
fn a_target_in_a_zone_without_the_load_balancer_is_never_used() {
    let (mut state, arn) = loaded(|_| ());
    register_target(&mut state, &arn, NOBODY, 16686, "us-west-2c");
    seconds(&mut state, 600);
    assert_eq!(word(&state, &arn), is("unused", "Target.NotInUse"));
    deregister_target(&mut state, &arn, NOBODY, 16686);
    assert_eq!(word(&state, &arn), None, "nothing drains");
}

#[test]
fn a_group_that_nothing_forwards_to_says_so() {
    let (state, arn) = loaded(|world| {
        for group in world["elbv2"]["targetGroups"].as_array_mut().into_iter().flatten() {
            group["LoadBalancerArns"] = json!([]);
        }
    });
    assert_eq!(state.elbv2.target_group(&arn).map(|group| group.has_load_balancer), Some(false));
}

#[test]
fn states_change_after_enough_checks_of_one_kind_in_a_row() {
    let why = || TargetState::new("unhealthy", "Target.ResponseCodeMismatch", "Health checks failed with these codes: [404]");
    let mut target = Target {
        id: "i".to_owned(),
        port: 1,
        zone: String::new(),
        state: TargetState::new("initial", "", ""),
        passes: 0,
        fails: 0,
        anchor: 0,
        checking: true,
        generation: 0,
        extra: Object::new(),
    };
    let mut judged = |passes: &str| {
        for check in passes.chars() {
            target.judge(if check == '+' { Ok(()) } else { Err(why()) }, 2, 3);
        }
        (target.state.state.clone(), target.checking)
    };
    assert_eq!(judged("+-+"), ("initial".to_owned(), true));
    assert_eq!(judged("+"), ("healthy".to_owned(), false));
    assert_eq!(judged("--"), ("healthy".to_owned(), true));
    assert_eq!(judged("+--"), ("healthy".to_owned(), true), "a pass in between begins anew");
    assert_eq!(judged("-"), ("unhealthy".to_owned(), false));
    assert_eq!(judged("+"), ("unhealthy".to_owned(), true));
    assert_eq!(judged("+"), ("healthy".to_owned(), false));
}

#[test]
fn matchers_are_codes_lists_and_ranges() {
    let (state, arn) = loaded(|_| ());
    let mut group = state.elbv2.group(&arn).expect("the group").clone();
    let mut fits = |codes: &str, code: u16| {
        group.object.insert("Matcher".to_owned(), json!({"HttpCode": codes}));
        group.matches(code)
    };
    assert!(fits("200", 200) && fits("200,307", 307) && fits("200-399", 307));
    assert!(!fits("200", 307) && !fits("200-299,401", 400) && !fits("x", 200));
}

#[test]
fn asking_for_an_unknown_target_says_not_registered() {
    let (state, arn) = loaded(|_| ());
    let input = json!({"TargetGroupArn": arn, "Targets": [{"Id": NOBODY}]});
    let described = describe::target_health(&state.elbv2, &input).expect("a description");
    let described = &described["TargetHealthDescriptions"][0];
    assert_eq!(
        (&described["Target"]["Port"], &described["TargetHealth"]["Reason"]),
        (&json!(16686), &json!("Target.NotRegistered"))
    );
}

#[test]
fn rules_belong_to_their_listener() {
    let (state, _) = loaded(|_| ());
    let listener = member(&state.elbv2.listeners[0], "ListenerArn").to_owned();
    let rules = describe::rules(&state.elbv2, &json!({"ListenerArn": listener})).expect("rules");
    assert_eq!(rules["Rules"].as_array().map(Vec::len), Some(state.elbv2.rules.len()));
    let error = describe::rules(&state.elbv2, &json!({"ListenerArn": format!("{listener}0")})).expect_err("no such listener");
    assert_eq!(error.code, "ListenerNotFound");
}

#[test]
fn targets_at_rest_stay_healthy_and_cost_no_checks() {
    let (mut state, arn) = loaded(|_| ());
    seconds(&mut state, 3600);
    let group = state.elbv2.group(&arn).expect("the group");
    assert!(group.targets.iter().all(|target| target.state.state == "healthy" && !target.checking), "{:?}", group.targets);
    assert!(!group.targets.is_empty());
}

#[test]
fn targets_behind_a_closed_port_become_unhealthy_on_their_own_rhythm() {
    let (mut state, arn) = loaded(|_| ());
    let tasks: Vec<(String, u16)> = state
        .elbv2
        .group(&arn)
        .into_iter()
        .flat_map(|group| &group.targets)
        .map(|target| (target.id.clone(), target.port))
        .collect();
    let call = Call {
        operation: "RevokeSecurityGroupIngress".to_owned(),
        request_id: "r".to_owned(),
        invocation_id: None,
        attempt: 1,
        access_key: "A".to_owned(),
    };
    let rule = json!({"GroupId": "sg-05687f8926f501d48", "IpPermissions": [{
        "IpProtocol": "tcp", "FromPort": 16686, "ToPort": 16686, "UserIdGroupPairs": [{"GroupId": "sg-74358c0093bff1415"}],
    }]});
    crate::sim::ec2::call(&mut state, &call, &rule).expect("the rule is there");
    look_again(&mut state);
    let reasons = |state: &State| -> Vec<Option<String>> {
        tasks.iter().filter_map(|(ip, port)| state.elbv2.target_state(&arn, ip, *port)).map(|target| target.reason).collect()
    };
    seconds(&mut state, 59);
    assert_eq!(reasons(&state), [None, None], "two checks are not enough");
    seconds(&mut state, 31);
    assert!(!reasons(&state).contains(&None), "{:?}", reasons(&state));
}
