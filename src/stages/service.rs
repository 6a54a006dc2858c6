//! Stage kind `service`: the shared ECS service, placed as a service that it is like, in a target group on one port.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::facts::{self, Facts, Wants};
use super::findings::{SERVICE_DRAINING, SERVICE_FOREIGN, Seen, TARGET_GROUP_MISSING, TARGET_GROUP_UNKNOWN};
use super::gone::spoken;
use super::kind::{
    Created, Known, LaneBuilder, Planning, Seconds, StageKind, checked, later, place, settings, stage_plan, usual_rollout, wanted,
};
use super::permits;
use super::port::Port;
use super::steps::same_list;
use super::subject::{Shared, Subject};
use crate::aws::task_definition::family_of;
use crate::model::{Change, Disposition, Problem, Resource, StageDecl, StagePlan, StepClass};

/// See the module's text.
pub struct Service;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    name: String,
    /// The family that it runs.
    task_definition: String,
    desired_count: u64,
    like_service: String,
    #[serde(default)]
    deployment_minimum_healthy_percent: u64,
    #[serde(default = "hundred")]
    deployment_maximum_percent: u64,
    #[serde(default = "disabled")]
    availability_zone_rebalancing: String,
    #[serde(default)]
    deployment_circuit_breaker: Breaker,
    #[serde(default = "a_minute")]
    health_check_grace_period_seconds: u64,
    #[serde(default)]
    load_balancer: Option<LoadBalancer>,
    #[serde(default = "usual_rollout")]
    rollout_timeout: Seconds,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Breaker {
    enable: bool,
    rollback: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoadBalancer {
    container_name: String,
    container_port: u16,
    #[serde(default)]
    from_sidecar: String,
    #[serde(default)]
    target_group: String,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { enable: true, rollback: true }
    }
}

fn disabled() -> String {
    "DISABLED".to_owned()
}
fn hundred() -> u64 {
    100
}
fn a_minute() -> u64 {
    60
}

impl StageKind for Service {
    fn kind(&self) -> &'static str {
        "service"
    }

    fn check(&self, decl: &StageDecl) -> Vec<Problem> {
        let settings: Settings = match settings(decl) {
            Ok(settings) => settings,
            Err(problems) => return problems,
        };
        let mut problems = Vec::new();
        if settings.desired_count == 0 {
            let hint = Some("write 1; a service without a task receives nothing".to_owned());
            problems.push(decl.problem_at("/desired_count", "desired_count is at least 1", hint));
        }
        let (low, high) = (settings.deployment_minimum_healthy_percent, settings.deployment_maximum_percent);
        if low > 100 || high < 100 || (low == 100 && high == 100) {
            let message = format!(
                "with deployment_minimum_healthy_percent {low} and deployment_maximum_percent {high} ECS can neither start nor stop a task"
            );
            problems.push(decl.problem_at(
                "/deployment_maximum_percent",
                message,
                Some("write 0 and 100 (stop first), or 100 and 200 (start first)".to_owned()),
            ));
        }
        if !["DISABLED", "ENABLED"].contains(&settings.availability_zone_rebalancing.as_str())
            || (settings.availability_zone_rebalancing == "ENABLED" && high == 100)
        {
            let message = "availability_zone_rebalancing is \"DISABLED\", or \"ENABLED\" with a maximum above 100 percent";
            problems.push(decl.problem_at("/availability_zone_rebalancing", message, None));
        }
        if let Some(balancer) = &settings.load_balancer
            && balancer.from_sidecar.is_empty() == balancer.target_group.is_empty()
        {
            let hint = Some(
                "from_sidecar = \"CONTAINER\" finds it through the sidecar's load-balancer entry; target_group = \"name\" by name"
                    .to_owned(),
            );
            problems.push(decl.problem_at(
                "/load_balancer",
                "exactly one of from_sidecar and target_group says which target group",
                hint,
            ));
        }
        problems
    }

    fn wants(&self, decl: &StageDecl, wants: &mut Wants) {
        let settings: Settings = checked(decl);
        let service = facts::Resource::Service(settings.name.clone());
        wants.permit("ecs:CreateService", service.clone());
        wants.permit_back("ecs:DeleteService", service);
        permits::updates(wants, &settings.name);
        if settings.load_balancer.is_some() {
            wants.permit("elasticloadbalancing:DescribeTargetHealth", facts::Resource::Any);
        }
        wants.possible_services.insert(settings.name);
        wants.services.insert(settings.like_service);
        wants.families.insert(settings.task_definition);
        if let Some(balancer) = settings.load_balancer.filter(|balancer| !balancer.target_group.is_empty()) {
            wants.target_groups.insert(balancer.target_group);
        }
    }

    fn subject<'a>(&self, decl: &'a StageDecl, facts: &Facts, subject: &mut Subject<'a>) {
        let settings: Settings = checked(decl);
        let group = settings
            .load_balancer
            .as_ref()
            .map(|balancer| (Port::tcp(balancer.container_port), find_target_group(&settings, balancer, facts)));
        subject.shared.push(Shared {
            decl,
            due: !facts.services.contains_key(&settings.name),
            name: settings.name,
            family: settings.task_definition,
            like: settings.like_service,
            desired: settings.desired_count,
            balancer: group,
        });
    }

    fn way_back(&self) -> &'static str {
        "takes the service to 0 tasks and deletes it if the run created it; what it kept in memory goes with it"
    }

    fn plan(&self, decl: &StageDecl, planning: &mut Planning<'_>) -> StagePlan {
        let settings: Settings = checked(decl);
        let group = settings.load_balancer.as_ref().and_then(|balancer| target_group(decl, &settings, balancer, planning));
        let balancers = match (&settings.load_balancer, &group) {
            (Some(balancer), Some(arn)) => {
                json!([{ "targetGroupArn": arn, "containerName": balancer.container_name, "containerPort": balancer.container_port }])
            }
            _ => json!([]),
        };
        let revision = planning.sketch.revisions.get(&settings.task_definition).cloned().unwrap_or_else(|| {
            Known::Now(planning.facts.newest.get(&settings.task_definition).map_or(Value::Null, |found| json!(found.arn())))
        });
        for (key, value) in [("service", json!(settings.name)), ("target_group_arn", json!(group))] {
            planning.closing.insert(key.to_owned(), value);
        }
        let found = planning.facts.services.get(&settings.name).cloned();
        planning.sketch.created.insert(
            settings.name.clone(),
            Created {
                desired: settings.desired_count,
                revision: revision.clone(),
                containers: containers(&settings, planning),
                load_balancers: balancers.clone(),
                exists: found.is_some(),
            },
        );
        match found {
            None if planning.is_hindered(&settings.name) => {
                let name = settings.name.clone();
                let resource =
                    Resource { kind: "service".to_owned(), name, disposition: Disposition::Foreign, changes: Vec::new() };
                stage_plan(decl, vec![resource], Vec::new())
            }
            None => create(decl, &settings, planning, &revision, balancers, group.as_deref()),
            Some(found) => adopt(decl, &settings, planning, &revision, &balancers, &found),
        }
    }
}

/// The target group's ARN: by name, or through the sidecar's entry of the service it is like (or, when the sidecar is gone
/// already, through the shared service's own).
fn find_target_group(settings: &Settings, balancer: &LoadBalancer, facts: &Facts) -> Option<String> {
    if !balancer.target_group.is_empty() {
        return facts.target_group_named(&balancer.target_group).map(|group| group.arn.clone());
    }
    let entry = |service: &str, container: &str| {
        let list = facts.services.get(service)?["loadBalancers"].as_array()?;
        let group = list.iter().find(|entry| entry["containerName"] == container)?["targetGroupArn"].as_str();
        // Nothing can be put into one that was deleted.
        group.filter(|arn| !facts.gone.target_groups.contains(*arn)).map(str::to_owned)
    };
    entry(&settings.like_service, &balancer.from_sidecar).or_else(|| entry(&settings.name, &balancer.container_name))
}

/// The entry through which the target group would be found, with its service, where that group was deleted.
fn lost_entry(settings: &Settings, balancer: &LoadBalancer, facts: &Facts) -> Option<(String, Value)> {
    let pairs = [(&settings.like_service, &balancer.from_sidecar), (&settings.name, &balancer.container_name)];
    pairs.into_iter().find_map(|(service, container)| {
        let lost = facts.gone.balancers(facts.services.get(service)?).lost;
        lost.into_iter().find(|entry| entry["containerName"] == **container).map(|entry| (service.clone(), entry))
    })
}

/// The same; a finding says that there is none.
fn target_group(decl: &StageDecl, settings: &Settings, balancer: &LoadBalancer, planning: &mut Planning<'_>) -> Option<String> {
    let found = find_target_group(settings, balancer, planning.facts);
    if found.is_some() {
        return found;
    }
    if !balancer.target_group.is_empty() {
        let words = format!("there is no target group `{}`", balancer.target_group);
        let fix = format!("name an existing one with {}", decl.setting("/load_balancer/target_group"));
        planning.raise(&TARGET_GROUP_MISSING, Seen::new(&balancer.target_group, words, "the UI would not be reachable", fix));
        return None;
    }
    if let Some((service, entry)) = lost_entry(settings, balancer, planning.facts) {
        let words = format!("service `{service}` has the load-balancer entry {}: that target group was deleted", spoken(&[entry]));
        let fix = format!(
            "make a target group, and name it: write target_group = \"NAME\" instead of from_sidecar, in the load_balancer block of stage `{}`",
            decl.id
        );
        planning.raise(&TARGET_GROUP_MISSING, Seen::new(&service, words, "the shared service could not join it", fix));
        return None;
    }
    let words = format!("service `{}` has no load-balancer entry of container `{}`", settings.like_service, balancer.from_sidecar);
    let fix = format!(
        "name the sidecar's container with {}; or write target_group = \"NAME\" instead, in the load_balancer block of stage `{}`",
        decl.setting("/load_balancer/from_sidecar"),
        decl.id
    );
    let consequence = "the shared service would not be reachable";
    planning.raise(&TARGET_GROUP_UNKNOWN, Seen::new(&settings.like_service, words, consequence, fix));
    None
}

fn create(
    decl: &StageDecl,
    settings: &Settings,
    planning: &mut Planning<'_>,
    revision: &Known,
    balancers: Value,
    group: Option<&str>,
) -> StagePlan {
    let name = &settings.name;
    let like = planning.facts.services.get(&settings.like_service).cloned().unwrap_or(Value::Null);
    let mut input = json!({
        "desiredCount": settings.desired_count,
        "networkConfiguration": like["networkConfiguration"],
        "deploymentConfiguration": {
            "minimumHealthyPercent": settings.deployment_minimum_healthy_percent,
            "maximumPercent": settings.deployment_maximum_percent,
            "deploymentCircuitBreaker": { "enable": settings.deployment_circuit_breaker.enable, "rollback": settings.deployment_circuit_breaker.rollback },
        },
        // Always sent: ECS would turn it on by default, and refuses it together with a maximum of 100 percent.
        "availabilityZoneRebalancing": settings.availability_zone_rebalancing,
        "loadBalancers": balancers,
    });
    let strategy = &like["capacityProviderStrategy"];
    match strategy.as_array().is_some_and(|list| !list.is_empty()) {
        true => input["capacityProviderStrategy"] = strategy.clone(),
        false => input["launchType"] = like["launchType"].as_str().map_or(json!("FARGATE"), |kind| json!(kind)),
    }
    if like["platformVersion"].is_string() {
        input["platformVersion"] = like["platformVersion"].clone();
    }
    if group.is_some() {
        input["healthCheckGracePeriodSeconds"] = json!(settings.health_check_grace_period_seconds);
    }
    let mut inputs = vec![("/input/taskDefinition", revision.clone())];
    let registry = planning.sketch.registries.get(name).cloned();
    if let Some(registry) = &registry {
        input["serviceRegistries"] = json!([{}]);
        inputs.push(("/input/serviceRegistries/0/registryArn", registry.clone()));
    }
    let mut lane = LaneBuilder::new(decl, name);
    let params = json!({ "cluster": planning.facts.cluster, "service": name, "input": input, "tags": settings.tags,
        "containers": containers(settings, planning) });
    let step = lane.step("create", "ecs.create-service", StepClass::Mutation, format!("create service {name}"), params, inputs);
    let mut want = vec![("/deployment", later(&step, "/deployment")), ("/want/taskDefinition", revision.clone())];
    let mut wanted = json!({ "loadBalancers": balancers });
    if let Some(registry) = registry {
        wanted["serviceRegistries"] = json!([{}]);
        want.push(("/want/serviceRegistries/0/registryArn", registry));
    }
    waits(&mut lane, settings, planning, &wanted, want);
    let change = |path: &str, to: Value| Change { path: path.to_owned(), from: None, to: Some(to) };
    let mut changes = vec![change("desiredCount", json!(settings.desired_count))];
    if group.is_some() {
        changes.push(change("loadBalancers", json!(entries(&balancers))));
    }
    changes.push(change("networkConfiguration", json!(format!("as {}", settings.like_service))));
    let resource = Resource { kind: "service".to_owned(), name: name.clone(), disposition: Disposition::Create, changes };
    stage_plan(decl, vec![resource], lane.build().into_iter().collect())
}

/// Load-balancer entries as people say them.
fn entries(list: &Value) -> String {
    let entry = |entry: &Value| {
        let group = entry["targetGroupArn"].as_str().and_then(|arn| arn.split('/').nth(1)).unwrap_or("a load balancer");
        format!("{}:{} in {group}", entry["containerName"].as_str().unwrap_or_default(), entry["containerPort"])
    };
    let all: Vec<String> = list.as_array().into_iter().flatten().map(entry).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

/// The containers that the shared service's tasks are to run.
fn containers(settings: &Settings, planning: &Planning<'_>) -> Vec<String> {
    planning.sketch.containers.get(&settings.task_definition).cloned().unwrap_or_default()
}

/// Waits for the rollout, and until the service is seen to serve: each container of its tasks, and its targets.
fn waits(lane: &mut LaneBuilder, settings: &Settings, planning: &Planning<'_>, want: &Value, inputs: Vec<(&str, Known)>) {
    let (name, cluster) = (&settings.name, &planning.facts.cluster);
    let deadline = settings.rollout_timeout.0;
    let params = json!({ "cluster": cluster, "service": name, "want": want });
    let (title, later) = (format!("wait for the rollout of {name}"), wanted(&inputs));
    lane.step("rollout", "ecs.await-rollout", StepClass::Wait, title, params, inputs);
    lane.deadline(deadline);
    lane.serves((cluster, name), &containers(settings, planning), want, later, deadline);
}

/// The service is there: as wanted, to be brought up to date, or somebody else's.
fn adopt(
    decl: &StageDecl,
    settings: &Settings,
    planning: &mut Planning<'_>,
    revision: &Known,
    balancers: &Value,
    found: &Value,
) -> StagePlan {
    let name = &settings.name;
    let runs = found["taskDefinition"].as_str().unwrap_or_default();
    let resource = |disposition, changes| Resource { kind: "service".to_owned(), name: name.clone(), disposition, changes };
    if found["status"] == "DRAINING" {
        let words = format!("service `{name}` is DRAINING");
        let fix =
            format!("wait until `aws ecs describe-services --cluster {} --services {name}` shows INACTIVE", planning.facts.cluster);
        planning.raise(&SERVICE_DRAINING, Seen::new(name, words, "ECS does not create a service of that name now", fix));
        return stage_plan(decl, vec![resource(Disposition::Foreign, Vec::new())], Vec::new());
    }
    if family_of(runs) != settings.task_definition {
        let words = format!("service `{name}` exists and runs `{}`", family_of(runs));
        let fix = format!("choose another name for the shared service with {}", decl.setting("/name"));
        planning.raise(&SERVICE_FOREIGN, Seen::new(name, words, "it is somebody else's and is left alone", fix));
        return stage_plan(decl, vec![resource(Disposition::Foreign, Vec::new())], Vec::new());
    }
    let same_revision = revision.now().is_some_and(|arn| *arn == found["taskDefinition"]);
    let same_balancers = same_list("loadBalancers", balancers, found);
    let same_count = found["desiredCount"].as_u64() == Some(settings.desired_count);
    if same_revision && same_balancers && same_count {
        return stage_plan(decl, vec![resource(Disposition::AlreadySo, Vec::new())], Vec::new());
    }
    let mut lane = LaneBuilder::new(decl, name);
    let mut changes = Vec::new();
    let mut set = json!({});
    let mut inputs = Vec::new();
    if !same_revision {
        inputs.push(("/set/taskDefinition", revision.clone()));
        changes.push(Change {
            path: "taskDefinition".to_owned(),
            from: Some(json!(runs)),
            to: Some(revision.now().cloned().unwrap_or_else(|| json!("known when it is registered"))),
        });
    }
    if !same_balancers {
        place(&mut set, "/loadBalancers", balancers.clone());
        let (from, to) = (Some(json!(entries(&found["loadBalancers"]))), Some(json!(entries(balancers))));
        changes.push(Change { path: "loadBalancers".to_owned(), from, to });
    }
    if !same_count {
        place(&mut set, "/desiredCount", json!(settings.desired_count));
        changes.push(Change {
            path: "desiredCount".to_owned(),
            from: Some(found["desiredCount"].clone()),
            to: Some(json!(settings.desired_count)),
        });
    }
    let expect =
        json!({ "taskDefinition": runs, "loadBalancers": found["loadBalancers"], "serviceRegistries": found["serviceRegistries"] });
    let params = json!({ "cluster": planning.facts.cluster, "service": name, "set": set, "expect": expect,
        "containers": containers(settings, planning) });
    let step = lane.step("update", "ecs.update-service", StepClass::Mutation, format!("update service {name}"), params, inputs);
    let want = vec![("/deployment", later(&step, "/deployment")), ("/want/taskDefinition", revision.clone())];
    waits(&mut lane, settings, planning, &json!({ "loadBalancers": balancers }), want);
    stage_plan(decl, vec![resource(Disposition::Adopt, changes)], lane.build().into_iter().collect())
}
