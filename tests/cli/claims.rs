//! Two laptops: state directories that know nothing of each other, and one account.

use insta::assert_snapshot;
use serde_json::json;

use crate::cli_support::{Desk, Ran};

const API: &str = "nexus-ai-api-staging";

/// A command of Bob's, with state of his own.
fn bobs(desk: &Desk, words: &[&str]) -> Ran {
    let state = desk.path("bobs-state");
    let mut command = desk.live(words);
    command.env("USER", "bob").env("AWS_ACCESS_KEY_ID", "AKIAI44QH8DHBEXAMPLE").args(["--state", &state]);
    desk.end(command)
}

/// The claims on the API service.
fn claims(desk: &Desk) -> Vec<String> {
    let api = desk.sim.service(API).expect("it is there");
    let tags = api["tags"].as_array().into_iter().flatten();
    let keys = tags.filter_map(|tag| tag["key"].as_str()?.strip_prefix("sidestep:claim:"));
    keys.map(str::to_owned).collect()
}

/// Without times and hosts.
fn shown(desk: &Desk, ran: &Ran) -> String {
    let text = desk.ending(ran);
    let words = text.split(", since ").enumerate().map(|(index, part)| match (index, part.split_once('\n')) {
        (0, _) | (_, None) => part.to_owned(),
        (_, Some((_, rest))) => format!(", since TIME\n{rest}"),
    });
    words.collect()
}

#[test]
fn a_run_elsewhere_meets_the_claim_and_leaves_the_services_alone() {
    let desk = Desk::new();
    let alices = desk.frozen_in_stage_3();
    assert_eq!(claims(&desk), [desk.run_id()]);
    let status = desk.call(&["status"]);
    assert!(status.out.contains(&format!("  claim         held on {API} since ")), "{}", status.out);
    assert!(alices.err().contains(&format!("{API} is claimed")), "{}", alices.err());
    let before = desk.sim.effects();

    let ran = bobs(&desk, &["run", "--yes"]);
    assert_snapshot!(shown(&desk, &ran), @r#"
    exit 9
    error: service `nexus-ai-api-staging` is claimed by run `RUN` of alice@HOST, since TIME
      Caused by: it is removed when that run is over; if that run is known to be dead, remove it with `aws ecs untag-resource --resource-arn arn:aws:ecs:us-west-2:111122223333:service/nexus-ai-cluster-staging/nexus-ai-api-staging --tag-keys sidestep:claim:RUN --region us-west-2 --endpoint-url http://ENDPOINT`

    hint: when that run is over, run the same command again
    "#);
    assert_eq!(desk.sim.effects(), before, "nothing was changed");

    desk.sim.thaw();
    let ran = alices.wait();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.err.contains(&format!("{API} is no longer claimed")), "{}", ran.err);
    assert_eq!(claims(&desk), Vec::<String>::new());
    let ran = bobs(&desk, &["run", "--yes"]);
    assert_eq!(ran.code, Some(0), "nothing is left to do: {}", ran.err);
}

#[test]
fn a_claim_that_appears_stops_a_run_which_goes_on_when_it_is_gone() {
    let desk = Desk::new();
    let ran = desk.end(desk.live(&["run", "--yes", "--pause-before", "create-service"]));
    assert_eq!(ran.code, Some(6), "{}", ran.err);
    let arn = desk.sim.service(API).expect("it is there")["serviceArn"].clone();
    let tags = json!([{ "key": "sidestep:claim:s3m9", "value": "carol@laptop 2001-01-01T00:00:00Z" }]);
    desk.sim.foreign("TagResource", &json!({ "resourceArn": arn, "tags": tags }));
    // What AWS shows may be a few seconds old.
    desk.sim.advance(10);
    let ran = bobs(&desk, &["plan"]);
    assert_eq!(ran.code, Some(4), "{}", ran.err);
    assert!(ran.out.contains("blocker claimed: nexus-ai-api-staging"), "{}", ran.out);
    let ran = bobs(&desk, &["run", "--yes", "--accept", "claimed"]);
    assert_eq!(ran.code, Some(9), "it cannot be accepted away: {}", ran.err);
    for words in [&["resume", "--yes"], &["rollback", "--yes"]] {
        let ran = desk.call(words);
        assert_eq!(ran.code, Some(9), "{words:?}: {}", ran.err);
        assert!(ran.err.contains("is claimed by run `s3m9` of carol@laptop, since 2001-01-01T00:00:00Z"), "{}", ran.err);
        assert!(ran.err.contains("--tag-keys sidestep:claim:s3m9 --region us-west-2 --endpoint-url http"), "{}", ran.err);
        assert!(ran.err.contains("when that run is over, run `sidestep resume"), "{}", ran.err);
    }
    desk.sim.foreign("UntagResource", &json!({ "resourceArn": arn, "tagKeys": ["sidestep:claim:s3m9"] }));
    desk.sim.advance(10);
    let ran = desk.call(&["resume", "--yes"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(desk.status()["status"], "rolled-back");
    assert_eq!(claims(&desk), Vec::<String>::new());
}

#[test]
fn who_gives_a_run_up_frees_its_services() {
    let desk = Desk::new();
    let ran = desk.end(desk.live(&["run", "--yes", "--pause-before", "register-task-definition"]));
    assert_eq!(ran.code, Some(6), "{}", ran.err);
    let run = desk.run_id();
    assert_eq!(claims(&desk), [run.as_str()], "a run that is paused is not over");
    let ran = desk.call(&["abandon", "--reason", "enough"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.err.contains(&format!("{API} is no longer claimed")), "{}", ran.err);
    assert_eq!(claims(&desk), Vec::<String>::new());
}

#[test]
fn who_gives_a_run_up_and_cannot_free_its_services_is_told_how() {
    let desk = Desk::new();
    let ran = desk.end(desk.live(&["run", "--yes", "--pause-before", "register-task-definition"]));
    assert_eq!(ran.code, Some(6), "{}", ran.err);
    let run = desk.run_id();
    desk.sim.fault(&json!({ "action": "ecs:UntagResource", "nth": 1, "fault": "refuse-tags" }));
    let ran = desk.call(&["abandon", "--reason", "enough"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.err.contains("warning: the claim on nexus-ai-api-staging could not be removed"), "{}", ran.err);
    let words = ran.err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(&format!("--tag-keys sidestep:claim:{run} --region us-west-2 --endpoint-url http")), "{words}");
    let status = desk.call(&["status", &run]);
    assert!(status.out.contains("  claim         left on nexus-ai-api-staging: "), "{}", status.out);
}

#[test]
fn where_tagging_is_not_permitted_it_is_said_and_the_run_goes_on() {
    let desk = Desk::new();
    desk.sim.fault(&json!({ "action": "ecs:TagResource", "nth": 1, "fault": "refuse-tags" }));
    let ran = desk.end(desk.live(&["run", "--yes"]));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let words = ran.err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("warning: nexus-ai-api-staging is not claimed, so a run elsewhere would not know of this one"),
        "{words}"
    );
    assert_eq!(desk.sim.count("TagResource"), 0);
}
