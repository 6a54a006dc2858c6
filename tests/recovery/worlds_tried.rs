//! Other worlds and another order of stages.

use super::case;
use super::common::{back_to, done, uninterrupted};
use crate::support::{Case, Depth, Lab, paused, worlds};

pub fn cases() -> [Case; 3] {
    [
        case("two API services", worlds::two_apis(), worlds::for_two_apis()),
        case("dns before service", worlds::start(), worlds::dns_first()),
        case("adopted log group", worlds::log_group_exists(), worlds::shipped("")),
    ]
}

#[test]
fn two_api_services() {
    let [case, ..] = cases();
    let reference = uninterrupted(case.start.clone(), &case.runbook);
    for name in [worlds::API, worlds::SECOND_API] {
        let api = super::common::service(&reference.done, name);
        assert_eq!(api["loadBalancers"].as_array().map(Vec::len), Some(1), "{name} is stripped");
    }
    super::check(&case, super::choice(1), Depth::Once);
}

#[test]
fn dns_before_service() {
    let [_, case, _] = cases();
    super::check(&case, super::choice(1), Depth::Once);
}

#[test]
fn a_log_group_that_exists_is_adopted_and_given_back() {
    paused(async {
        let lab = Lab::on(worlds::log_group_exists(), &worlds::shipped(""), 1);
        let start = Lab::on(worlds::log_group_exists(), &worlds::shipped(""), 1).settled().await;
        done(lab.run().await);
        let retention = |world: &serde_json::Value| {
            let groups = world["logs"]["logGroups"].as_array().cloned().unwrap_or_default();
            groups.iter().find(|group| group["logGroupName"] == worlds::LOG_GROUP).map(|group| group["retentionInDays"].clone())
        };
        assert_eq!(retention(&lab.world()), Some(serde_json::json!(7)));
        back_to(&lab, &start).await;
        assert_eq!(retention(&lab.world()), Some(serde_json::json!(14)));
        let deleted = lab.sim.ledger().iter().any(|effect| effect.action == "DeleteLogGroup");
        assert!(!deleted, "it is somebody else's");
    });
    let [.., case] = cases();
    super::check(&case, super::choice(1), Depth::Once);
}
