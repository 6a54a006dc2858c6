//! Stage kind `retarget_env`: an environment variable of API services pointed at the shared service, and proof that it works.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::api_service::{copy_base, edited};
use super::edit::{Adding, Edit};
use super::facts::{self, Facts, Wants};
use super::findings::{ENDPOINT_UNEXPECTED, Seen};
use super::kind::{LaneBuilder, Planning, Seconds, StageKind, checked, later, settings, stage_plan, usual_rollout, wanted};
use super::spans_arrive::{Rollout, Sender};
use super::subject::{self, Retarget, Subject};
use super::verify::Verify;
use crate::model::{Disposition, Lane, Problem, Resource, StageDecl, StagePlan, StepClass};

/// See the module's text.
pub struct RetargetEnv;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    services: Vec<String>,
    sidecar: String,
    set: BTreeMap<String, Set>,
    #[serde(default = "usual_rollout")]
    rollout_timeout: Seconds,
    #[serde(default)]
    verify: Verify,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Set {
    from: String,
    to: String,
    /// Whether a program that is not told takes `from` by itself: then the variable is added where it is not set.
    #[serde(default)]
    from_is_default: bool,
    /// The containers to which it is added; empty: each but the sidecar.
    #[serde(default)]
    containers: Vec<String>,
}

impl Set {
    fn adding(&self) -> Adding {
        match (self.from_is_default, self.containers.is_empty()) {
            (false, _) => Adding::Nowhere,
            (true, true) => Adding::Each,
            (true, false) => Adding::To(self.containers.clone()),
        }
    }
}

impl StageKind for RetargetEnv {
    fn kind(&self) -> &'static str {
        "retarget_env"
    }

    fn check(&self, decl: &StageDecl) -> Vec<Problem> {
        let settings: Settings = match settings(decl) {
            Ok(settings) => settings,
            Err(problems) => return problems,
        };
        let mut problems = Vec::new();
        if settings.services.is_empty() {
            problems.push(decl.problem_at("/services", "no service to retarget", Some("name at least one".to_owned())));
        }
        if settings.set.is_empty() {
            problems.push(decl.problem_at(
                "",
                "no variable to set",
                Some("add a block: set \"NAME\" { from = …  to = … }".to_owned()),
            ));
        }
        for (name, _) in settings.set.iter().filter(|(_, set)| !set.from_is_default && !set.containers.is_empty()) {
            let message = format!("`containers` of {name} says where it is added, and it is added nowhere");
            let hint = Some("write from_is_default = true, if a program that is not told takes `from` by itself".to_owned());
            problems.push(decl.problem_at(&format!("/set/{name}/containers"), message, hint));
        }
        problems.extend(settings.verify.check(decl));
        problems
    }

    fn wants(&self, decl: &StageDecl, wants: &mut Wants) {
        let settings: Settings = checked(decl);
        facts::changes_services(wants, &settings.services);
        wants.services.extend(settings.services);
        wants.possible_services.extend(settings.verify.receiver().map(|receiver| receiver.service));
    }

    fn subject<'a>(&self, decl: &'a StageDecl, facts: &Facts, subject: &mut Subject<'a>) {
        let settings: Settings = checked(decl);
        let receiver = settings.verify.receiver();
        let set = |(variable, set): (&String, &Set)| subject::Set {
            variable: variable.clone(),
            from: set.from.clone(),
            adding: set.adding(),
            to: set.to.clone(),
        };
        for service in &settings.services {
            let due = !matches!(look(facts, &settings, service), Now::Already);
            let sets = settings.set.iter().map(set).collect();
            let (sidecar, receiver) = (settings.sidecar.clone(), receiver.clone());
            subject.moved.entry(service.clone()).or_default().retarget = Some(Retarget { decl, sidecar, sets, receiver, due });
        }
    }

    fn way_back(&self) -> &'static str {
        "puts each service back on the revision that it runs now: one rollout"
    }

    fn plan(&self, decl: &StageDecl, planning: &mut Planning<'_>) -> StagePlan {
        let settings: Settings = checked(decl);
        let mut resources = Vec::new();
        let mut lanes = Vec::new();
        planning.closing.insert("api_services".to_owned(), json!(settings.services));
        planning.closing.insert("sidecar".to_owned(), json!(settings.sidecar));
        for service in &settings.services {
            let (resource, lane) = plan_service(decl, &settings, planning, service);
            resources.push(resource);
            lanes.extend(lane);
        }
        stage_plan(decl, resources, lanes)
    }
}

/// What a service's containers say now.
enum Now {
    /// They have the expected value.
    Expected,
    /// They have the new value already.
    Already,
    /// Neither: what was found.
    Other(String),
}

fn look(facts: &Facts, settings: &Settings, service: &str) -> Now {
    let Some(definition) = facts.definition_of(service) else { return Now::Other("its task definition cannot be read".to_owned()) };
    let (mut expected, mut already) = (0_u32, 0_u32);
    for (variable, set) in &settings.set {
        for container in definition.containers().filter(|container| container["name"] != *settings.sidecar) {
            let name = container["name"].as_str().unwrap_or_default();
            if set.adding().adds_to(container, variable) {
                expected += 1;
            }
            let pairs = container["environment"].as_array().into_iter().flatten();
            for pair in pairs.filter(|pair| pair["name"] == **variable) {
                let value = pair["value"].as_str().unwrap_or_default();
                if value == set.from {
                    expected += 1;
                } else if value == set.to {
                    already += 1;
                } else {
                    return Now::Other(format!("{variable} of container `{name}` is `{value}`, not `{}`", set.from));
                }
            }
        }
    }
    match (expected, already) {
        (1.., _) => Now::Expected,
        (0, 0) => Now::Other(format!(
            "no container but `{}` has {}",
            settings.sidecar,
            settings.set.keys().cloned().collect::<Vec<_>>().join(", ")
        )),
        (0, _) => Now::Already,
    }
}

fn plan_service(decl: &StageDecl, settings: &Settings, planning: &mut Planning<'_>, service: &str) -> (Resource, Option<Lane>) {
    let resource = |disposition, changes| Resource { kind: "service".to_owned(), name: service.to_owned(), disposition, changes };
    match look(planning.facts, settings, service) {
        // Whoever pointed it there: while the sidecar is still beside it, the gate before the next stage stands.
        Now::Already => return (resource(Disposition::AlreadySo, Vec::new()), gate(decl, settings, planning, service)),
        Now::Other(found) => {
            let expected = settings.set.keys().next().map(|name| decl.setting(&format!("/set/{name}/from"))).unwrap_or_default();
            let fix = format!("expect the value in use with {expected}, or give the service the expected one");
            planning
                .raise(&ENDPOINT_UNEXPECTED, Seen::new(service, found, "the service would not be pointed at the shared one", fix));
            return (resource(Disposition::Foreign, Vec::new()), None);
        }
        Now::Expected => {}
    }
    if planning.is_hindered(service) {
        return (resource(Disposition::Foreign, Vec::new()), None);
    }
    let own = |name: &str| settings.set.contains_key(name);
    let changes = edited(planning.facts, service, &edits(settings), &own);
    let lane = lane(decl, settings, planning, service);
    (resource(Disposition::Update, changes), lane)
}

/// The edits of a service's task definition.
fn edits(settings: &Settings) -> Vec<Edit> {
    settings
        .set
        .iter()
        .map(|(name, set)| Edit::SetEnv {
            except: settings.sidecar.clone(),
            name: name.clone(),
            from: set.from.clone(),
            to: set.to.clone(),
            add: set.adding(),
        })
        .collect()
}

fn lane(decl: &StageDecl, settings: &Settings, planning: &mut Planning<'_>, service: &str) -> Option<Lane> {
    let cluster = planning.facts.cluster.clone();
    let found = planning.facts.services.get(service).cloned().unwrap_or(Value::Null);
    let digest = planning.facts.definition_of(service).map(|definition| definition.content_digest());
    let edits = edits(settings);
    let mut lane = LaneBuilder::new(decl, service);
    let traffic = settings.verify.before(&mut lane, &sender(settings, planning, service));
    let base = found["taskDefinition"].clone();
    copy_base(&mut lane, planning, service);
    let params = json!({ "base": base, "baseDigest": digest, "edits": edits, "cluster": cluster, "usedBy": [service] });
    let title = format!("register a revision of {service} with the new endpoint");
    let register = lane.step("register", "ecs.register-edited-task-definition", StepClass::Mutation, title, params, Vec::new());
    let revision = later(&register, "/taskDefinition");
    let params = json!({ "base": base, "edits": edits });
    let inputs = vec![("/taskDefinition", revision.clone())];
    lane.step(
        "verify",
        "ecs.verify-task-definition",
        StepClass::Verify,
        "check that nothing else changed".to_owned(),
        params,
        inputs,
    );
    let expect =
        json!({ "taskDefinition": base, "loadBalancers": found["loadBalancers"], "serviceRegistries": found["serviceRegistries"] });
    let deadline = settings.rollout_timeout.0;
    let params = json!({ "cluster": cluster, "service": service, "set": {}, "expect": expect, "deadline_s": deadline });
    let title = format!("point {service} at the shared service");
    let update = lane.step(
        "update",
        "ecs.update-service",
        StepClass::Mutation,
        title,
        params,
        vec![("/set/taskDefinition", revision.clone())],
    );
    let want = json!({ "loadBalancers": found["loadBalancers"], "serviceRegistries": found["serviceRegistries"] });
    let params = json!({ "cluster": cluster, "service": service, "want": want });
    let inputs = vec![("/deployment", later(&update, "/deployment")), ("/want/taskDefinition", revision.clone())];
    let (want, wanted) = (params["want"].clone(), wanted(&inputs));
    let rollout =
        lane.step("rollout", "ecs.await-rollout", StepClass::Wait, format!("wait for the rollout of {service}"), params, inputs);
    lane.deadline(deadline);
    lane.serves((&cluster, service), &[], &want, wanted, deadline);
    let sender = sender(settings, planning, service);
    settings.verify.arrive(decl, &mut lane, &sender, Rollout::of_step(&rollout), traffic.as_ref());
    planning.sketch.changed.insert(service.to_owned(), revision);
    lane.build()
}

/// The gate alone, for a service that is pointed at the shared one already and still has its sidecar.
fn gate(decl: &StageDecl, settings: &Settings, planning: &Planning<'_>, service: &str) -> Option<Lane> {
    planning.facts.definition_of(service)?.container(&settings.sidecar)?;
    let rollout = Rollout::last_of(planning.facts.services.get(service)?);
    let mut lane = LaneBuilder::new(decl, service);
    settings.verify.arrive(decl, &mut lane, &sender(settings, planning, service), rollout, None);
    lane.build()
}

/// A service whose spans are looked for.
fn sender<'a>(settings: &'a Settings, planning: &'a Planning<'_>, service: &'a str) -> Sender<'a> {
    let of = |service: &'a str| Sender {
        cluster: &planning.facts.cluster,
        service,
        sidecar: &settings.sidecar,
        variables: settings.set.iter().map(|(name, set)| (name.as_str(), set.adding())).collect(),
        definition: planning.facts.definition_of(service),
        others: Vec::new(),
        hosts: Vec::new(),
    };
    let shared = settings.verify.receiver().map(|receiver| receiver.service).unwrap_or_default();
    let others = settings.services.iter().filter(|other| *other != service).map(|other| of(other).names()).collect();
    Sender { others, hosts: planning.sketch.hosts.get(&shared).cloned().into_iter().collect(), ..of(service) }
}
