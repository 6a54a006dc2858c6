//! CreateService, UpdateService, DeleteService and what is read: refusals, replay, names, stale reads.

use super::*;

const INVALID: &str = "InvalidParameterException: ";

#[test]
fn a_wrong_update_is_refused_with_aws_words() {
    let mut lab = Lab::staging();
    let api = lab.api.clone();
    let balancers = lab.service(&api)["loadBalancers"].clone();
    let closed = lab.register(|request| request["containerDefinitions"][1]["portMappings"] = json!([{ "containerPort": 4318 }]));
    let stripped = lab.register(|request| {
        let api = request["containerDefinitions"][0].clone();
        request["containerDefinitions"] = json!([api]);
    });
    let update = lab.update(json!({ "taskDefinition": stripped }));
    assert_eq!(
        lab.refused("UpdateService", update),
        format!("{INVALID}The container jaeger does not exist in the task definition.")
    );
    let update = lab.update(json!({ "taskDefinition": closed }));
    assert_eq!(
        lab.refused("UpdateService", update),
        format!("{INVALID}The container jaeger did not have a container port 16686 defined.")
    );
    let strategy = lab.update(json!({ "capacityProviderStrategy": [{ "capacityProvider": "FARGATE", "weight": 1 }] }));
    assert!(lab.refused("UpdateService", strategy).ends_with("you must force a new deployment."));
    let mut network = lab.service(&api)["networkConfiguration"].clone();
    network["awsvpcConfiguration"]["subnets"] = json!(["subnet-none"]);
    let update = lab.update(json!({ "networkConfiguration": network }));
    assert!(
        lab.refused("UpdateService", update)
            .contains("The subnet ID 'subnet-none' does not exist (ErrorCode: InvalidSubnetID.NotFound)")
    );
    let unknown = lab.update(json!({ "taskDefinition": "nexus-ai-api-staging:99" }));
    assert_eq!(lab.refused("UpdateService", unknown), "ClientException: TaskDefinition not found.");
    let missing = json!({ "cluster": lab.cluster, "service": "none" });
    assert_eq!(lab.refused("UpdateService", missing), "ServiceNotFoundException: Service not found.");
    assert_eq!(
        lab.refused("UpdateService", json!({ "cluster": "none", "service": api })),
        "ClusterNotFoundException: Cluster not found."
    );
    assert_eq!(lab.refused("Improvise", json!({})), "UnknownOperationException: ");

    // Container and load balancer go together, and the service keeps the rest.
    let only = json!([balancers[0]]);
    let answer = lab.ok("UpdateService", lab.update(json!({ "taskDefinition": stripped, "loadBalancers": only })));
    assert_eq!(answer["service"]["loadBalancers"], only);
    assert_eq!(list(&answer["service"], "serviceRegistries").len(), 1);
}

#[test]
fn an_absent_list_stays_and_an_empty_one_removes() {
    let mut lab = Lab::staging();
    let api = lab.api.clone();
    let before = lab.service(&api);
    let answer = lab.ok("UpdateService", lab.update(json!({ "healthCheckGracePeriodSeconds": 5 })));
    assert_eq!(answer["service"]["loadBalancers"], before["loadBalancers"]);
    assert_eq!(list(&answer["service"], "deployments").len(), 1, "no deployment");
    let same = lab.ok(
        "UpdateService",
        lab.update(json!({ "taskDefinition": before["taskDefinition"], "loadBalancers": before["loadBalancers"] })),
    );
    assert_eq!(list(&same["service"], "deployments").len(), 1, "nothing changed");
    let answer = lab.ok("UpdateService", lab.update(json!({ "loadBalancers": [], "serviceRegistries": [] })));
    assert_eq!((&answer["service"]["loadBalancers"], &answer["service"]["serviceRegistries"]), (&json!([]), &json!([])));
    assert_eq!(list(&answer["service"], "deployments").len(), 2);
    let forced = lab.ok("UpdateService", lab.update(json!({ "forceNewDeployment": true })));
    assert_eq!(list(&forced["service"], "deployments").len(), 3);
}

#[test]
fn creation_is_replayed_by_token_and_refused_otherwise() {
    let mut lab = Lab::staging();
    let name = lab.shared_jaeger();
    let effects = lab.state.ledger.len();
    let mut request = lab.jaeger_service();
    let replayed = lab.ok("CreateService", request.clone());
    assert_eq!(replayed["service"]["serviceName"], json!(name));
    assert_eq!(lab.state.ledger.len(), effects, "a replay has no effect");
    request["desiredCount"] = json!(2);
    assert_eq!(lab.refused("CreateService", request.clone()), format!("{INVALID}Creation of service was not idempotent."));
    request["clientToken"] = json!("token-2");
    assert_eq!(lab.refused("CreateService", request.clone()), format!("{INVALID}Creation of service was not idempotent."));

    let delete = json!({ "cluster": lab.cluster, "service": name });
    assert_eq!(
        lab.refused("DeleteService", delete.clone()),
        format!("{INVALID}The service cannot be stopped while it is scaled above 0.")
    );
    lab.ok("UpdateService", json!({ "cluster": lab.cluster, "service": name, "desiredCount": 0 }));
    lab.ok("DeleteService", delete);
    lab.pass(5);
    assert_eq!(lab.service(&name)["status"], "DRAINING");
    assert_eq!(
        lab.refused("CreateService", request.clone()),
        format!("{INVALID}Unable to Start a service that is still Draining.")
    );
    let update = json!({ "cluster": lab.cluster, "service": name, "desiredCount": 1 });
    assert_eq!(lab.refused("UpdateService", update), "ServiceNotActiveException: Service was not ACTIVE.");
    lab.wait(200, |lab| lab.service(&name)["status"] == "INACTIVE");
    let listed = lab.ok("ListServices", json!({ "cluster": lab.cluster }));
    assert_eq!(list(&listed, "serviceArns").len(), 2, "INACTIVE is described, not listed");
    lab.ok("CreateService", request);
    lab.wait(200, |lab| lab.service(&name)["status"] == "ACTIVE");
}

#[test]
fn a_wrong_creation_is_refused() {
    let mut lab = Lab::staging();
    let definition = lab.jaeger_definition("jaegertracing/all-in-one:latest");
    lab.ok("RegisterTaskDefinition", definition);
    let good = lab.jaeger_service();
    let refused = |lab: &mut Lab, members: Value| {
        let mut request = good.clone();
        for (member, value) in members.as_object().into_iter().flatten() {
            request[member] = value.clone();
        }
        lab.refused("CreateService", request)
    };
    assert!(refused(&mut lab, json!({ "availabilityZoneRebalancing": "ENABLED" })).contains("Availability Zone rebalancing"));
    assert!(refused(&mut lab, json!({ "capacityProviderStrategy": [{ "capacityProvider": "FARGATE" }] })).contains("not both"));
    assert_eq!(
        refused(&mut lab, json!({ "networkConfiguration": null })),
        format!("{INVALID}Network Configuration must be provided when networkMode 'awsvpc' is specified.")
    );
    let nowhere = json!({ "awsvpcConfiguration": { "subnets": [] } });
    assert_eq!(refused(&mut lab, json!({ "networkConfiguration": nowhere })), format!("{INVALID}subnets can not be empty."));
    let registries = json!([{ "registryArn": "arn:aws:servicediscovery:us-west-2:111122223333:service/srv-none" }]);
    assert!(refused(&mut lab, json!({ "serviceRegistries": registries })).contains("srv-none"));
    lab.state.assume.compute.rebalancing_refuses_100 = false;
    let mut request = good.clone();
    request["availabilityZoneRebalancing"] = json!("ENABLED");
    lab.ok("CreateService", request);
}

#[test]
fn a_change_is_seen_after_a_moment_only() {
    let mut lab = Lab::staging();
    let api = lab.api.clone();
    let before = lab.service(&api);
    let answer = lab.ok("UpdateService", lab.update(json!({ "forceNewDeployment": true })));
    assert_eq!(lab.service(&api), before, "the view of before");
    lab.pass(4);
    assert_eq!(lab.service(&api)["deployments"][0]["id"], answer["service"]["deployments"][0]["id"]);
    super::super::force_stale(&mut lab.state, 1);
    assert_eq!(lab.service(&api), before);
    assert_ne!(lab.service(&api), before);

    let definition = lab.jaeger_definition("jaegertracing/all-in-one:latest");
    lab.ok("RegisterTaskDefinition", definition);
    let request = lab.jaeger_service();
    lab.ok("CreateService", request);
    let asked = json!({ "cluster": lab.cluster, "services": ["nexus-ai-jaeger-staging"] });
    let answer = lab.ok("DescribeServices", asked.clone());
    assert_eq!(answer["failures"][0]["reason"], "MISSING");
    lab.pass(4);
    let answer = lab.ok("DescribeServices", asked);
    assert_eq!((answer["services"].as_array().map(Vec::len), &answer["failures"]), (Some(1), &json!([])));
    assert!(answer["services"][0].get("tags").is_none(), "only with include");
}

#[test]
fn revisions_and_tags_are_described() {
    let mut lab = Lab::staging();
    let api = lab.api.clone();
    let service = lab.service(&api);
    let revision = &service["currentServiceRevisions"][0]["arn"];
    let answer = lab.ok("DescribeServiceRevisions", json!({ "serviceRevisionArns": [revision] }));
    let described = &answer["serviceRevisions"][0];
    for member in ["taskDefinition", "loadBalancers", "serviceRegistries", "networkConfiguration"] {
        assert_eq!(described[member], service[member], "{member}");
    }
    let answer = lab.ok("ListServiceDeployments", json!({ "cluster": lab.cluster, "service": api }));
    assert_eq!(answer["serviceDeployments"][0]["serviceDeploymentArn"], service["currentServiceDeployment"]);
    assert_eq!(answer["serviceDeployments"][0]["status"], "SUCCESSFUL");

    let arn = service["serviceArn"].clone();
    lab.ok(
        "TagResource",
        json!({ "resourceArn": arn, "tags": [{ "key": "claim", "value": "run" }, { "key": "Project", "value": "other" }] }),
    );
    let tags = lab.ok("ListTagsForResource", json!({ "resourceArn": arn }));
    assert!(list(&tags, "tags").contains(&json!({ "key": "Project", "value": "other" })));
    lab.ok("UntagResource", json!({ "resourceArn": arn, "tagKeys": ["claim"] }));
    lab.pass(20);
    assert!(!lab.service(&api)["tags"].to_string().contains("claim"));
    assert!(at(&service["createdAt"]) < lab.state.now);
}
