//! Registration of task definitions: what is refused, what is filled in, what is kept.

use super::*;

/// The words with which a registration of the API's definition is refused after an edit.
#[track_caller]
fn refused(edit: impl FnOnce(&mut Value)) -> String {
    let mut lab = Lab::staging();
    let mut request = lab.api_definition();
    edit(&mut request);
    lab.refused("RegisterTaskDefinition", request)
}

#[test]
fn a_wrong_definition_is_refused_with_aws_words() {
    assert_eq!(refused(|request| request["tags"] = json!([])), "ClientException: Tags can not be empty.");
    assert_eq!(
        refused(
            |request| request["containerDefinitions"][0]["dependsOn"] = json!([{ "containerName": "gone", "condition": "START" }])
        ),
        "ClientException: Cannot depend on container + 'gone' because it does not exist"
    );
    assert_eq!(
        refused(
            |request| request["containerDefinitions"][1]["dependsOn"] = json!([{ "containerName": "api", "condition": "SUCCESS" }])
        ),
        "ClientException: A dependency container with SUCCESS or COMPLETE condition cannot be an essential container"
    );
    assert_eq!(
        refused(|request| request["memory"] = json!("2048")),
        "ClientException: No Fargate configuration exists for given values."
    );
    assert_eq!(refused(|request| request["cpu"] = json!("lots")), "ClientException: Invalid 'cpu' setting for task.");
    assert_eq!(
        refused(|request| super::super::json::remove(request, "cpu")),
        "ClientException: Fargate requires that 'cpu' be defined at the task level."
    );
    assert_eq!(
        refused(|request| {
            super::super::json::remove(request, "executionRoleArn");
            request["containerDefinitions"][0]["image"] = json!("docker.io/library/api");
        }),
        "ClientException: Fargate requires task definition to have execution role ARN to support log driver awslogs."
    );
    assert_eq!(
        refused(|request| request["containerDefinitions"][0]["image"] = json!("")),
        "ClientException: Container.image should not be null or empty."
    );
    assert!(refused(|request| request["containerDefinitions"][1]["name"] = json!("api")).contains("duplicate"));
    assert!(refused(|request| request["containerDefinitions"][0]["essential"] = json!(false)).contains("At least one container"));
    assert!(refused(|request| request["containerDefinitions"] = json!([])).contains("cannot be empty"));
}

#[test]
fn a_container_on_ec2_needs_memory_of_its_own_or_of_the_task() {
    let message = refused(|request| {
        request["requiresCompatibilities"] = json!(["EC2"]);
        super::super::json::remove(request, "memory");
    });
    assert_eq!(
        message,
        "ClientException: Invalid setting for container 'api'. At least one of 'memory' or 'memoryReservation' must be specified."
    );
}

#[test]
fn describe_shows_defaults_and_keeps_unknown_members() {
    let mut lab = Lab::staging();
    let answer = lab.ok(
        "RegisterTaskDefinition",
        json!({
            "family": "small", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": ".25 vCPU", "memory": "0.5 GB",
            "novelty": { "kept": true },
            "tags": [{ "key": "a", "value": "b" }],
            "containerDefinitions": [{
                "name": "one", "image": "busybox", "portMappings": [{ "containerPort": 80 }], "novelty": 1,
                "healthCheck": { "command": ["CMD", "true"] },
            }],
        }),
    );
    assert_eq!(answer["tags"], json!([{ "key": "a", "value": "b" }]));
    let described = lab.ok("DescribeTaskDefinition", json!({ "taskDefinition": "small" }));
    assert!(described.get("tags").is_none(), "only with include");
    let definition = &described["taskDefinition"];
    assert_eq!((&definition["cpu"], &definition["memory"]), (&json!("256"), &json!("512")));
    assert_eq!((&definition["revision"], &definition["status"]), (&json!(1), &json!("ACTIVE")));
    assert_eq!(definition["novelty"], json!({ "kept": true }));
    let container = &definition["containerDefinitions"][0];
    assert_eq!((&container["cpu"], &container["essential"], &container["novelty"]), (&json!(0), &json!(true), &json!(1)));
    assert_eq!(container["portMappings"], json!([{ "containerPort": 80, "hostPort": 80, "protocol": "tcp" }]));
    assert_eq!(container["healthCheck"], json!({ "command": ["CMD", "true"], "interval": 30, "timeout": 5, "retries": 3 }));
    for member in ["environment", "mountPoints", "volumesFrom", "systemControls"] {
        assert_eq!(container[member], json!([]), "{member}");
    }
}

#[test]
fn a_definition_registered_again_is_the_same_but_for_its_revision() {
    let mut lab = Lab::staging();
    let before = lab.api_definition();
    lab.register(|_| {});
    assert_eq!(lab.api_definition(), before);
}

#[test]
fn revisions_count_up_and_an_inactive_one_cannot_be_deployed() {
    let mut lab = Lab::staging();
    let third = lab.register(|_| {});
    assert!(third.ends_with(":task-definition/nexus-ai-api-staging:3"), "{third}");
    lab.ok("DeregisterTaskDefinition", json!({ "taskDefinition": "nexus-ai-api-staging:3" }));
    let newest = lab.ok("DescribeTaskDefinition", json!({ "taskDefinition": "nexus-ai-api-staging", "include": ["TAGS"] }));
    assert_eq!((&newest["taskDefinition"]["revision"], &newest["tags"][0]["key"]), (&json!(2), &json!("Project")));
    let update = lab.update(json!({ "taskDefinition": third }));
    assert_eq!(lab.refused("UpdateService", update), "ClientException: TaskDefinition is inactive");
    let listed = |lab: &mut Lab, status: &str| {
        let arns =
            lab.ok("ListTaskDefinitions", json!({ "familyPrefix": "nexus-ai-api-staging", "status": status, "sort": "DESC" }));
        arns["taskDefinitionArns"].as_array().map_or(0, Vec::len)
    };
    assert_eq!((listed(&mut lab, "ACTIVE"), listed(&mut lab, "INACTIVE")), (2, 1));
    let prefix = lab.ok("ListTaskDefinitions", json!({ "familyPrefix": "nexus-ai-api" }));
    assert_eq!(prefix["taskDefinitionArns"], json!([]), "the prefix is the whole family");
    lab.ok("DeleteTaskDefinitions", json!({ "taskDefinitions": [third] }));
    assert_eq!(
        lab.refused("DescribeTaskDefinition", json!({ "taskDefinition": third })),
        "ClientException: Unable to describe task definition."
    );
    assert!(lab.register(|_| {}).ends_with(":4"), "numbers are never used again");
}
