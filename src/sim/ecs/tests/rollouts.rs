//! Rolling deployments: percentages, failures, circuit breaker, superseding, replacement.

use super::super::{ImageFault, set_image_fault};
use super::*;

fn ids(tasks: &[Value]) -> Vec<String> {
    tasks.iter().map(|task| text(task, "taskArn").to_owned()).collect()
}

fn breaker(lab: &mut Lab, rollback: bool) {
    let breaker = json!({ "deploymentCircuitBreaker": { "enable": true, "rollback": rollback } });
    lab.ok("UpdateService", lab.update(json!({ "deploymentConfiguration": breaker })));
}

#[test]
fn a_rolling_update_starts_first_and_never_falls_below_the_minimum() {
    let mut lab = Lab::staging();
    let api = lab.api.clone();
    let old = ids(&lab.tasks(&api, "RUNNING"));
    let arn = lab.register(|_| {});
    let answer = lab.ok("UpdateService", lab.update(json!({ "taskDefinition": arn })));
    let mine = text(&answer["service"]["deployments"][0], "id").to_owned();
    assert_eq!(answer["service"]["deployments"][0]["rolloutState"], "IN_PROGRESS");
    assert_eq!(answer["service"]["deployments"][1]["status"], "ACTIVE");
    let mut most = 0;
    let took = lab.wait(600, |lab| {
        let service = lab.service(&lab.api.clone());
        assert!(service["runningCount"].as_i64() >= Some(2), "{service:#}");
        text(&service["deployments"][0], "id") == mine && lab.settled(&lab.api.clone())
    });
    for task in &lab.state.ecs.tasks {
        most += i64::from(task.service_arn.as_deref().is_some_and(|arn| arn.ends_with("/nexus-ai-api-staging")));
    }
    assert!((100..300).contains(&took), "{took} s");
    assert_eq!(most, 4, "two new for two old");
    let new = lab.tasks(&api, "RUNNING");
    assert!(
        new.iter().all(|task| task["startedBy"] == *mine && task["taskDefinitionArn"] == *arn && task["healthStatus"] == "HEALTHY")
    );
    let stopped = lab.tasks(&api, "STOPPED");
    assert_eq!(ids(&stopped).len(), 2);
    assert!(ids(&stopped).iter().all(|id| old.contains(id)));
    assert_eq!(stopped[0]["stopCode"], "ServiceSchedulerInitiated");
    assert_eq!(stopped[0]["stoppedReason"], json!(format!("Scaling activity initiated by (deployment {mine})")));
    let messages = lab.messages(&api);
    assert_eq!(messages[0], format!("(service {api}) has reached a steady state."));
    assert_eq!(messages[1], format!("(service {api}) (deployment {mine}) deployment completed."));
    assert!(messages.iter().any(|message| message.starts_with(&format!("(service {api}) has started 2 tasks: (task "))));
    lab.pass(3700);
    assert_eq!(lab.tasks(&api, "STOPPED"), Vec::<Value>::new(), "stopped tasks are kept for an hour");
}

#[test]
fn a_service_that_may_not_exceed_its_count_stops_first() {
    let mut lab = Lab::staging();
    let name = lab.shared_jaeger();
    let update = json!({ "cluster": lab.cluster, "service": name, "forceNewDeployment": true });
    lab.ok("UpdateService", update);
    let mut least = i64::MAX;
    for _ in 0..200 {
        lab.pass(1);
        let occupied = lab.state.ecs.tasks.iter().filter(|task| task.occupies() && task.group().ends_with(&*name)).count();
        assert!(occupied <= 1, "never two at once");
        least = least.min(lab.service(&name)["runningCount"].as_i64().unwrap_or(0));
    }
    assert_eq!(least, 0);
    assert!(lab.settled(&name));
}

#[test]
fn percentages_that_allow_nothing_are_complained_about_once() {
    let mut lab = Lab::staging();
    let api = lab.api.clone();
    let configuration = json!({ "minimumHealthyPercent": 100, "maximumPercent": 100 });
    let update =
        json!({ "deploymentConfiguration": configuration, "availabilityZoneRebalancing": "DISABLED", "forceNewDeployment": true });
    lab.ok("UpdateService", lab.update(update));
    lab.pass(900);
    let messages = lab.messages(&api);
    let stuck = messages.iter().filter(|message| message.contains("was unable to stop or start tasks during a deployment"));
    assert_eq!(stuck.count(), 1);
    assert_eq!(lab.service(&api)["deployments"][0]["rolloutState"], "IN_PROGRESS");
}

#[test]
fn the_breaker_rolls_back_with_load_balancers_and_registries() {
    let mut lab = Lab::staging();
    let api = lab.api.clone();
    breaker(&mut lab, true);
    lab.pass(5);
    let before = lab.service(&api);
    let old_id = text(&before["deployments"][0], "id").to_owned();
    set_image_fault(&mut lab.state, "broken:1", Some(ImageFault::CannotPull));
    let arn = lab.register(|request| {
        request["containerDefinitions"] = json!([{
            "name": "api", "image": "broken:1", "portMappings": [{ "containerPort": 8000 }],
        }])
    });
    let targets = json!([before["loadBalancers"][0]]);
    let update = json!({ "taskDefinition": arn, "loadBalancers": targets, "serviceRegistries": [] });
    let answer = lab.ok("UpdateService", lab.update(update));
    let mine = text(&answer["service"]["deployments"][0], "id").to_owned();
    let record = text(&answer["service"], "currentServiceDeployment").to_owned();
    lab.pass(5);
    assert_eq!(lab.service(&api)["deployments"][0]["id"], json!(mine));
    lab.wait(400, |lab| lab.service(&lab.api.clone())["deployments"][0]["id"] == *old_id);
    lab.wait(400, |lab| lab.settled(&lab.api.clone()));
    let after = lab.service(&api);
    for member in ["taskDefinition", "loadBalancers", "serviceRegistries", "networkConfiguration"] {
        assert_eq!(after[member], before[member], "{member}");
    }
    let messages = lab.messages(&api);
    let failed = messages
        .iter()
        .position(|message| *message == format!("(service {api}) (deployment {mine}) deployment failed: tasks failed to start."));
    let rolled = messages.iter().position(|message| *message == format!("(service {api}) rolling back to deployment {old_id}."));
    assert_eq!(rolled.map(|index| index + 1), failed, "{messages:#?}");
    let described = lab.ok("DescribeServiceDeployments", json!({ "serviceDeploymentArns": [record] }));
    let record = &described["serviceDeployments"][0];
    assert_eq!(
        (&record["status"], &record["deploymentCircuitBreaker"]["status"]),
        (&json!("ROLLBACK_SUCCESSFUL"), &json!("TRIGGERED"))
    );
    assert_eq!(record["deploymentCircuitBreaker"]["failureCount"], record["deploymentCircuitBreaker"]["threshold"]);
    let stopped = lab.tasks(&api, "STOPPED");
    let failed = stopped.iter().find(|task| task["startedBy"] == *mine).expect("a failed task");
    assert_eq!(failed["stopCode"], "TaskFailedToStart");
    assert!(text(failed, "stoppedReason").starts_with("CannotPullContainerError: pull image manifest"), "{failed:#}");
    assert_eq!(failed["containers"][0]["reason"], failed["stoppedReason"]);
}

#[test]
fn the_breaker_without_rollback_leaves_the_old_tasks() {
    let mut lab = Lab::staging();
    let api = lab.api.clone();
    breaker(&mut lab, false);
    set_image_fault(&mut lab.state, "broken:1", Some(ImageFault::Exits));
    let arn = lab.register(|request| request["containerDefinitions"][0]["image"] = json!("broken:1"));
    let old = ids(&lab.tasks(&api, "RUNNING"));
    lab.ok("UpdateService", lab.update(json!({ "taskDefinition": arn })));
    lab.wait(600, |lab| lab.service(&lab.api.clone())["deployments"][0]["rolloutState"] == "FAILED");
    lab.pass(3600);
    let service = lab.service(&api);
    assert_eq!(service["taskDefinition"], json!(arn), "nothing is rolled back");
    assert_eq!(service["deployments"][0]["rolloutStateReason"], "ECS deployment circuit breaker: tasks failed to start.");
    assert_eq!((&service["deployments"][1]["rolloutState"], &service["runningCount"]), (&json!("COMPLETED"), &json!(2)));
    assert_eq!(ids(&lab.tasks(&api, "RUNNING")), old);
}

#[test]
fn without_a_breaker_a_failing_rollout_goes_on_in_silence_and_backs_off() {
    let mut lab = Lab::staging();
    let api = lab.api.clone();
    set_image_fault(&mut lab.state, "broken:1", Some(ImageFault::CannotPull));
    let arn = lab.register(|request| request["containerDefinitions"][0]["image"] = json!("broken:1"));
    lab.ok("UpdateService", lab.update(json!({ "taskDefinition": arn })));
    lab.pass(600);
    let early = lab.service(&api)["deployments"][0]["failedTasks"].as_i64().unwrap_or(0);
    lab.pass(6 * 3600);
    let service = lab.service(&api);
    let failed = service["deployments"][0]["failedTasks"].as_i64().unwrap_or(0);
    assert_eq!(service["deployments"][0]["rolloutState"], "IN_PROGRESS");
    assert_eq!(service["deployments"][1]["runningCount"], 2);
    assert!(early >= 4, "{early}");
    // Two tasks at a time, every 27 minutes at last.
    assert!((early + 16..early + 60).contains(&failed), "{failed}");
    let throttled =
        lab.messages(&api).iter().filter(|message| message.contains("is unable to consistently start tasks successfully")).count();
    assert!((1..=2).contains(&throttled), "{throttled}");
    set_image_fault(&mut lab.state, "broken:1", None);
    lab.wait(28 * 60 + 300, |lab| lab.settled(&lab.api.clone()));
    assert_eq!(lab.service(&api)["deployments"][0]["failedTasks"], 0);
}

#[test]
fn a_first_deployment_that_fails_stalls_until_it_is_deployed_anew() {
    let mut lab = Lab::staging();
    let definition = lab.jaeger_definition("jaegertracing/all-in-one:9.99");
    lab.ok("RegisterTaskDefinition", definition);
    set_image_fault(&mut lab.state, "jaegertracing/all-in-one:9.99", Some(ImageFault::CannotPull));
    let request = lab.jaeger_service();
    lab.ok("CreateService", request);
    lab.pass(3600);
    let name = "nexus-ai-jaeger-staging";
    let service = lab.service(name);
    assert_eq!((&service["status"], &service["runningCount"]), (&json!("ACTIVE"), &json!(0)));
    assert_eq!(service["deployments"][0]["rolloutState"], "FAILED");
    assert_eq!(service["deployments"][0]["failedTasks"], 3);
    let reason = text(&lab.tasks(name, "STOPPED").first().cloned().unwrap_or_default(), "stoppedReason").to_owned();
    assert!(
        reason.is_empty()
            || reason.contains(
                "failed to resolve ref docker.io/jaegertracing/all-in-one:9.99: docker.io/jaegertracing/all-in-one:9.99: not found"
            )
    );
    set_image_fault(&mut lab.state, "jaegertracing/all-in-one:9.99", None);
    lab.pass(600);
    assert_eq!(lab.service(name)["runningCount"], 0, "no more launches");
    lab.ok("UpdateService", json!({ "cluster": lab.cluster, "service": name, "forceNewDeployment": true }));
    lab.wait(300, |lab| lab.settled(name));
}

#[test]
fn a_missing_log_group_keeps_tasks_from_starting() {
    let mut lab = Lab::staging();
    let api = lab.api.clone();
    let arn =
        lab.register(|request| request["containerDefinitions"][0]["logConfiguration"]["options"]["awslogs-group"] = json!("/none"));
    lab.ok("UpdateService", lab.update(json!({ "taskDefinition": arn })));
    lab.wait(300, |lab| !lab.tasks(&lab.api.clone(), "STOPPED").is_empty());
    let stopped = lab.tasks(&api, "STOPPED");
    let reason = text(&stopped[0], "stoppedReason");
    assert!(
        reason.starts_with("ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times")
    );
    assert!(reason.contains("ResourceNotFoundException: The specified log group does not exist."), "{reason}");
    assert!(
        lab.messages(&api)
            .iter()
            .any(|message| message.contains("was unable to place a task. Reason: ResourceInitializationError"))
    );
}

#[test]
fn a_newer_deployment_supersedes_the_one_under_way() {
    let mut lab = Lab::staging();
    let api = lab.api.clone();
    let (second, third) = (lab.register(|_| {}), lab.register(|_| {}));
    let answer = lab.ok("UpdateService", lab.update(json!({ "taskDefinition": second })));
    let record = text(&answer["service"], "currentServiceDeployment").to_owned();
    lab.pass(20);
    lab.ok("UpdateService", lab.update(json!({ "taskDefinition": third })));
    lab.pass(5);
    let states: Vec<Value> =
        list(&lab.service(&api), "deployments").iter().map(|deployment| deployment["status"].clone()).collect();
    assert_eq!(states, ["PRIMARY", "ACTIVE", "ACTIVE"]);
    let described = lab.ok("DescribeServiceDeployments", json!({ "serviceDeploymentArns": [record] }));
    assert_eq!(described["serviceDeployments"][0]["status"], "STOPPED");
    lab.wait(600, |lab| lab.settled(&lab.api.clone()));
    assert!(lab.tasks(&api, "RUNNING").iter().all(|task| task["taskDefinitionArn"] == *third));
}

#[test]
fn a_stopped_deployment_rolls_back_on_request() {
    let mut lab = Lab::staging();
    let api = lab.api.clone();
    let before = lab.service(&api);
    let arn = lab.register(|_| {});
    let answer = lab.ok("UpdateService", lab.update(json!({ "taskDefinition": arn })));
    let record = text(&answer["service"], "currentServiceDeployment").to_owned();
    lab.pass(30);
    lab.ok("StopServiceDeployment", json!({ "serviceDeploymentArn": record, "stopType": "ROLLBACK" }));
    let described = lab.ok("DescribeServiceDeployments", json!({ "serviceDeploymentArns": [record] }));
    assert_eq!(described["serviceDeployments"][0]["status"], "ROLLBACK_REQUESTED");
    lab.wait(400, |lab| lab.settled(&lab.api.clone()));
    assert_eq!(lab.service(&api)["taskDefinition"], before["taskDefinition"]);
    let described = lab.ok("DescribeServiceDeployments", json!({ "serviceDeploymentArns": [record] }));
    assert_eq!(described["serviceDeployments"][0]["status"], "ROLLBACK_SUCCESSFUL");
    let again = lab.refused("StopServiceDeployment", json!({ "serviceDeploymentArn": record }));
    assert!(again.starts_with("ConflictException"), "{again}");
}

#[test]
fn an_unhealthy_target_group_or_container_check_replaces_the_task() {
    for image in ["111122223333.dkr.ecr.us-west-2.amazonaws.com/nexus-ai-api:latest", "jaegertracing/all-in-one:latest"] {
        let mut lab = Lab::staging();
        let api = lab.api.clone();
        let old = ids(&lab.tasks(&api, "RUNNING"));
        set_image_fault(&mut lab.state, image, Some(ImageFault::Unhealthy));
        lab.wait(400, |lab| !lab.tasks(&lab.api.clone(), "STOPPED").is_empty());
        let stopped = lab.tasks(&api, "STOPPED");
        let reason = text(&stopped[0], "stoppedReason").to_owned();
        let expected =
            if image.contains("jaeger") { "Task failed ELB health checks in (target-group arn:" } else { "Task failed " };
        assert!(reason.starts_with(expected), "{reason}");
        set_image_fault(&mut lab.state, image, None);
        lab.wait(900, |lab| lab.settled(&lab.api.clone()));
        let running = ids(&lab.tasks(&api, "RUNNING"));
        assert_eq!(running.len(), 2);
        assert!(!running.contains(&ids(&stopped)[0]) && old.contains(&ids(&stopped)[0]));
    }
}

#[test]
fn a_container_check_that_the_image_cannot_run_fails_the_deployment() {
    let mut lab = Lab::staging();
    let mut definition = lab.jaeger_definition("jaegertracing/all-in-one:latest");
    definition["containerDefinitions"][0]["healthCheck"]["command"] =
        json!(["CMD-SHELL", "curl -f http://localhost:14269/ || exit 1"]);
    lab.ok("RegisterTaskDefinition", definition);
    let request = lab.jaeger_service();
    lab.ok("CreateService", request);
    let name = "nexus-ai-jaeger-staging";
    lab.wait(900, |lab| {
        let service = lab.service(name);
        service.is_object() && service["deployments"][0]["rolloutState"] == "FAILED"
    });
    let stopped = lab.tasks(name, "STOPPED");
    assert!(stopped.iter().all(|task| task["stoppedReason"] == "Task failed container health checks"), "{stopped:#?}");
    assert!(lab.messages(name).iter().any(|message| message.ends_with("failed container health checks.")));
}

#[test]
fn desired_count_changes_without_a_deployment() {
    let mut lab = Lab::staging();
    let api = lab.api.clone();
    let before = lab.service(&api)["deployments"][0]["id"].clone();
    lab.ok("UpdateService", lab.update(json!({ "desiredCount": 3 })));
    lab.wait(200, |lab| lab.service(&lab.api.clone())["runningCount"] == 3);
    lab.ok("UpdateService", lab.update(json!({ "desiredCount": 1 })));
    lab.wait(200, |lab| lab.service(&lab.api.clone())["runningCount"] == 1);
    let service = lab.service(&api);
    assert_eq!((list(&service, "deployments").len(), &service["deployments"][0]["id"]), (1, &before));
}

#[test]
fn a_stripped_sidecar_leaves_its_target_group_to_the_shared_service() {
    let mut lab = Lab::staging();
    let api = lab.api.clone();
    let balancers = lab.service(&api)["loadBalancers"].clone();
    let (name, group) = ("nexus-ai-jaeger-staging", text(&balancers[1], "targetGroupArn").to_owned());
    let definition = lab.jaeger_definition("jaegertracing/all-in-one:latest");
    lab.ok("RegisterTaskDefinition", definition);
    let mut request = lab.jaeger_service();
    request["loadBalancers"] = json!([balancers[1]]);
    lab.ok("CreateService", request);
    lab.wait(400, |lab| lab.service(name).is_object() && lab.settled(name));
    let address = |task: &Value| text(&task["containers"][0]["networkInterfaces"][0], "privateIpv4Address").to_owned();
    let shared = address(&lab.tasks(name, "RUNNING")[0]);
    let sidecars: Vec<String> = lab.tasks(&api, "RUNNING").iter().map(address).collect();
    let target = |lab: &Lab, ip: &str| lab.state.elbv2.target_state(&group, ip, 16_686).map(|target| target.state);
    assert_eq!(target(&lab, &shared).as_deref(), Some("healthy"), "complete means healthy in every group");
    assert_eq!(target(&lab, &sidecars[0]).as_deref(), Some("healthy"), "sidecars sit in the same group");

    let stripped = lab.register(|request| {
        let api = request["containerDefinitions"][0].clone();
        request["containerDefinitions"] = json!([api]);
    });
    lab.ok("UpdateService", lab.update(json!({ "taskDefinition": stripped, "loadBalancers": [balancers[0]] })));
    lab.pass(5);
    let took = lab.wait(600, |lab| lab.settled(&lab.api.clone()));
    assert!(took > 100, "targets are healthy first, old ones drain: {took} s");
    assert!(sidecars.iter().all(|ip| target(&lab, ip).is_none()), "drained and gone");
    assert_eq!(target(&lab, &shared).as_deref(), Some("healthy"));
    let stopped = lab.tasks(&api, "STOPPED");
    let (stopping, exited) = (at(&stopped[0]["stoppingAt"]), at(&stopped[0]["executionStoppedAt"]));
    assert!(exited - stopping >= 30_000, "its container is stopped after the deregistration delay only");
    assert!(lab.messages(&api).iter().any(|message| message.contains("has begun draining connections on 1 tasks.")));
}
