//! Stage kind `strip_sidecar`: API services without the sidecar container, what refers to it, and its load-balancer entry. ECS
//! refuses to drop the container and the entry apart from each other, so both go in one update.

use serde::Deserialize;
use serde_json::{Value, json};

use super::api_service;
use super::edit::{Edit, refuses_strip};
use super::facts::{self, Facts, Wants};
use super::findings::{SIDECAR_NEEDED, SIDECAR_REGISTERED, Seen};
use super::kind::{LaneBuilder, Planning, Seconds, StageKind, checked, later, settings, stage_plan, usual_rollout, wanted};
use super::subject::{Strip, Subject};
use crate::model::{Change, Disposition, Lane, Problem, Resource, StageDecl, StagePlan, StepClass};

/// See the module's text.
pub struct StripSidecar;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    services: Vec<String>,
    sidecar: String,
    #[serde(default = "usual_rollout")]
    rollout_timeout: Seconds,
}

impl StageKind for StripSidecar {
    fn kind(&self) -> &'static str {
        "strip_sidecar"
    }

    fn check(&self, decl: &StageDecl) -> Vec<Problem> {
        let settings: Settings = match settings(decl) {
            Ok(settings) => settings,
            Err(problems) => return problems,
        };
        let mut problems = Vec::new();
        if settings.services.is_empty() {
            problems.push(decl.problem_at("/services", "no service to strip", Some("name at least one".to_owned())));
        }
        if settings.sidecar.is_empty() {
            problems.push(decl.problem_at("/sidecar", "the sidecar has no name", None));
        }
        problems
    }

    fn wants(&self, decl: &StageDecl, wants: &mut Wants) {
        let services = checked::<Settings>(decl).services;
        facts::changes_services(wants, &services);
        wants.services.extend(services);
    }

    fn subject<'a>(&self, decl: &'a StageDecl, facts: &Facts, subject: &mut Subject<'a>) {
        let Settings { services, sidecar, .. } = checked(decl);
        for service in services {
            let due = facts.definition_of(&service).is_some_and(|definition| definition.container(&sidecar).is_some());
            subject.moved.entry(service).or_default().strip = Some(Strip { decl, sidecar: sidecar.clone(), due });
        }
    }

    fn way_back(&self) -> &'static str {
        "puts each service back on its revision and load-balancer entries in one update; what the sidecars kept in memory is gone for good"
    }

    fn plan(&self, decl: &StageDecl, planning: &mut Planning<'_>) -> StagePlan {
        let settings: Settings = checked(decl);
        let mut resources = Vec::new();
        let mut lanes = Vec::new();
        for service in &settings.services {
            let (resource, lane) = plan_service(decl, &settings, planning, service);
            resources.push(resource);
            lanes.extend(lane);
        }
        stage_plan(decl, resources, lanes)
    }
}

fn plan_service(decl: &StageDecl, settings: &Settings, planning: &mut Planning<'_>, service: &str) -> (Resource, Option<Lane>) {
    let resource = |disposition, changes| Resource { kind: "service".to_owned(), name: service.to_owned(), disposition, changes };
    let found = planning.facts.services.get(service).cloned().unwrap_or(Value::Null);
    let definition = planning.facts.definition_of(service).cloned();
    let balancers: Vec<Value> = found["loadBalancers"].as_array().cloned().unwrap_or_default();
    let (dropped, kept): (Vec<Value>, Vec<Value>) =
        balancers.into_iter().partition(|entry| entry["containerName"] == *settings.sidecar);
    let Some(definition) = definition.filter(|definition| definition.container(&settings.sidecar).is_some()) else {
        return (resource(Disposition::AlreadySo, Vec::new()), None);
    };
    if let Some(reason) = refuses_strip(&definition.body, &settings.sidecar) {
        let fix = "change the task definition so that nothing needs the sidecar".to_owned();
        planning.raise(&SIDECAR_NEEDED, Seen::new(service, reason, "the sidecar cannot be taken out", fix));
        return (resource(Disposition::Foreign, Vec::new()), None);
    }
    let registered =
        found["serviceRegistries"].as_array().into_iter().flatten().any(|entry| entry["containerName"] == *settings.sidecar);
    if registered {
        let words = format!("its service registry names container `{}`", settings.sidecar);
        let fix = "point the registry at the application's container first".to_owned();
        planning.raise(&SIDECAR_REGISTERED, Seen::new(service, words, "ECS would refuse the update", fix));
        return (resource(Disposition::Foreign, Vec::new()), None);
    }
    if planning.is_hindered(service) {
        return (resource(Disposition::Foreign, Vec::new()), None);
    }
    let edits = [Edit::Strip { container: settings.sidecar.clone() }];
    let mut changes = api_service::edited(planning.facts, service, &edits, &|_| false);
    for entry in &dropped {
        let group = entry["targetGroupArn"].as_str().and_then(|arn| arn.rsplit(':').next()).unwrap_or_default();
        let path = format!("loadBalancers[{}:{}]", settings.sidecar, entry["containerPort"]);
        changes.push(Change { path, from: Some(json!(group)), to: None });
    }
    let lane = lane(decl, settings, planning, service, &found, &dropped, &kept);
    (resource(Disposition::Update, changes), lane)
}

fn lane(
    decl: &StageDecl,
    settings: &Settings,
    planning: &mut Planning<'_>,
    service: &str,
    found: &Value,
    dropped: &[Value],
    kept: &[Value],
) -> Option<Lane> {
    let cluster = planning.facts.cluster.clone();
    let base = api_service::base(planning, service);
    let edits = [Edit::Strip { container: settings.sidecar.clone() }];
    let mut lane = LaneBuilder::new(decl, service);
    api_service::copy_base(&mut lane, planning, service);
    let params = json!({ "edits": edits, "cluster": cluster, "usedBy": [service] });
    let title = format!("register a revision of {service} without {}", settings.sidecar);
    let register = lane.step(
        "register",
        "ecs.register-edited-task-definition",
        StepClass::Mutation,
        title,
        params,
        vec![("/base", base.clone())],
    );
    let revision = later(&register, "/taskDefinition");
    let inputs = vec![("/taskDefinition", revision.clone()), ("/base", base.clone())];
    let title = "check that nothing else changed".to_owned();
    lane.step("verify", "ecs.verify-task-definition", StepClass::Verify, title, json!({ "edits": edits }), inputs);

    let mut set = json!({});
    if !dropped.is_empty() {
        // Absent would keep them all; the list replaces them.
        set["loadBalancers"] = json!(kept);
        if kept.is_empty() && found["healthCheckGracePeriodSeconds"].as_u64().unwrap_or(0) > 0 {
            set["healthCheckGracePeriodSeconds"] = json!(0);
        }
    }
    let deadline = settings.rollout_timeout.0;
    let group = dropped.first().map(|entry| entry["targetGroupArn"].clone()).unwrap_or(Value::Null);
    let params = json!({ "cluster": cluster, "service": service, "set": set, "noteTargets": group, "deadline_s": deadline,
        "expect": { "loadBalancers": found["loadBalancers"], "serviceRegistries": found["serviceRegistries"] } });
    let inputs = vec![("/set/taskDefinition", revision.clone()), ("/expect/taskDefinition", base)];
    let title = match dropped.is_empty() {
        true => format!("update {service} to the revision without {}", settings.sidecar),
        false => format!("update {service}: the container and its load-balancer entry go together"),
    };
    let update = lane.step("update", "ecs.update-service", StepClass::Mutation, title, params, inputs);
    let params = json!({ "cluster": cluster, "service": service, "want": { "loadBalancers": kept, "serviceRegistries": found["serviceRegistries"] } });
    let inputs = vec![("/deployment", later(&update, "/deployment")), ("/want/taskDefinition", revision.clone())];
    let (want, wanted) = (params["want"].clone(), wanted(&inputs));
    lane.step("rollout", "ecs.await-rollout", StepClass::Wait, format!("wait for the rollout of {service}"), params, inputs);
    lane.deadline(deadline);
    lane.serves((&cluster, service), &[], &want, wanted, deadline);
    for (index, entry) in dropped.iter().enumerate() {
        let name = if index == 0 { "drained".to_owned() } else { format!("drained-{}", index + 1) };
        let params = json!({ "targetGroup": entry["targetGroupArn"] });
        let inputs = vec![("/addresses", later(&update, "/addresses"))];
        lane.step(
            &name,
            "elb.await-no-targets",
            StepClass::Wait,
            "wait until no sidecar is left in the target group".to_owned(),
            params,
            inputs,
        );
        lane.deadline(deadline);
    }
    planning.sketch.changed.insert(service.to_owned(), revision);
    lane.build()
}
