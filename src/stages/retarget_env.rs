//! Stage kind `retarget_env`: an environment variable of API services pointed at the shared service, and proof that it works.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::api_service;
use super::edit::Edit;
use super::facts::{Facts, Wants};
use super::kind::{LaneBuilder, Planning, Seconds, StageKind, checked, later, settings, stage_plan, usual_rollout};
use super::spans_arrive::{self, Rollout, Sender, SpansArrive};
use crate::aws::SecurityRule;
use crate::model::{Change, Disposition, Lane, Problem, Resource, Severity, StageDecl, StagePlan, StepClass};

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
    verify: BTreeMap<String, SpansArrive>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Set {
    from: String,
    to: String,
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
        for (name, verify) in &settings.verify {
            if name == spans_arrive::NAME {
                problems.extend(verify.check(decl));
                continue;
            }
            let message = format!("there is no verification `{name}`");
            let hint = Some(format!("write verify \"{}\"", spans_arrive::NAME));
            problems.push(decl.problem_at(&format!("/verify/{name}"), message, hint));
        }
        problems
    }

    fn wants(&self, decl: &StageDecl, wants: &mut Wants) {
        let settings: Settings = checked(decl);
        wants.services.extend(settings.services);
        wants.possible_services.extend(settings.verify.into_values().map(|verify| verify.service));
    }

    fn plan(&self, decl: &StageDecl, planning: &mut Planning<'_>) -> StagePlan {
        let settings: Settings = checked(decl);
        let mut resources = Vec::new();
        let mut lanes = Vec::new();
        planning.closing.insert("api_services".to_owned(), json!(settings.services));
        planning.closing.insert("sidecar".to_owned(), json!(settings.sidecar));
        for service in &settings.services {
            check_ports(planning, &settings, service);
            let (resource, lane) = plan_service(decl, &settings, planning, service);
            resources.push(resource);
            lanes.extend(lane);
        }
        stage_plan(decl, resources, lanes)
    }
}

/// What a service's containers say now.
enum Now {
    /// They have the expected value: these changes.
    Expected(Vec<Change>),
    /// They have the new value already.
    Already,
    /// Neither: what was found.
    Other(String),
}

fn look(facts: &Facts, settings: &Settings, service: &str) -> Now {
    let Some(definition) = facts.definition_of(service) else { return Now::Other("its task definition cannot be read".to_owned()) };
    let mut changes = Vec::new();
    let mut already = 0;
    for (variable, set) in &settings.set {
        for container in definition.containers().filter(|container| container["name"] != *settings.sidecar) {
            let name = container["name"].as_str().unwrap_or_default();
            let pairs = container["environment"].as_array().into_iter().flatten();
            for pair in pairs.filter(|pair| pair["name"] == **variable) {
                let value = pair["value"].as_str().unwrap_or_default();
                if value == set.from {
                    let path = format!("containerDefinitions[{name}].environment[{variable}]");
                    changes.push(Change { path, from: Some(json!(set.from)), to: Some(json!(set.to)) });
                } else if value == set.to {
                    already += 1;
                } else {
                    return Now::Other(format!("{variable} of container `{name}` is `{value}`, not `{}`", set.from));
                }
            }
        }
    }
    match (changes.is_empty(), already) {
        (false, _) => Now::Expected(changes),
        (true, 0) => Now::Other(format!(
            "no container but `{}` has {}",
            settings.sidecar,
            settings.set.keys().cloned().collect::<Vec<_>>().join(", ")
        )),
        (true, _) => Now::Already,
    }
}

fn plan_service(decl: &StageDecl, settings: &Settings, planning: &mut Planning<'_>, service: &str) -> (Resource, Option<Lane>) {
    let resource = |disposition, changes| Resource { kind: "service".to_owned(), name: service.to_owned(), disposition, changes };
    let changes = match look(planning.facts, settings, service) {
        // Whoever pointed it there: while the sidecar is still beside it, the gate before the next stage stands.
        Now::Already => return (resource(Disposition::AlreadySo, Vec::new()), gate(decl, settings, planning, service)),
        Now::Other(found) => {
            let expected = settings.set.keys().next().map(|name| decl.setting(&format!("/set/{name}/from"))).unwrap_or_default();
            let fix = format!("expect the value in use with {expected}, or give the service the expected one");
            planning.block("endpoint-unexpected", service, found, "the service would not be pointed at the shared one", fix);
            return (resource(Disposition::Foreign, Vec::new()), None);
        }
        Now::Expected(changes) => changes,
    };
    if !api_service::check(planning, service) {
        return (resource(Disposition::Foreign, Vec::new()), None);
    }
    let lane = lane(decl, settings, planning, service);
    (resource(Disposition::Update, changes), lane)
}

fn lane(decl: &StageDecl, settings: &Settings, planning: &mut Planning<'_>, service: &str) -> Option<Lane> {
    let cluster = planning.facts.cluster.clone();
    let found = planning.facts.services.get(service).cloned().unwrap_or(Value::Null);
    let digest = planning.facts.definition_of(service).map(|definition| definition.content_digest());
    let edits: Vec<Edit> = settings
        .set
        .iter()
        .map(|(name, set)| Edit::SetEnv {
            except: settings.sidecar.clone(),
            name: name.clone(),
            from: set.from.clone(),
            to: set.to.clone(),
        })
        .collect();
    let mut lane = LaneBuilder::new(decl, service);
    let verify = settings.verify.get(spans_arrive::NAME);
    let traffic = verify.map(|verify| verify.before(&mut lane, &sender(settings, planning, service)));
    let base = found["taskDefinition"].clone();
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
    let rollout =
        lane.step("rollout", "ecs.await-rollout", StepClass::Wait, format!("wait for the rollout of {service}"), params, inputs);
    lane.deadline(deadline);
    if let Some(verify) = verify {
        let sender = sender(settings, planning, service);
        verify.arrive(decl, &mut lane, &sender, Rollout::of_step(&rollout), traffic.as_ref());
    }
    planning.sketch.changed.insert(service.to_owned(), revision);
    lane.build()
}

/// The gate alone, for a service that is pointed at the shared one already and still has its sidecar.
fn gate(decl: &StageDecl, settings: &Settings, planning: &Planning<'_>, service: &str) -> Option<Lane> {
    let verify = settings.verify.get(spans_arrive::NAME)?;
    planning.facts.definition_of(service)?.container(&settings.sidecar)?;
    let rollout = Rollout::last_of(planning.facts.services.get(service)?);
    let mut lane = LaneBuilder::new(decl, service);
    verify.arrive(decl, &mut lane, &sender(settings, planning, service), rollout, None);
    lane.build()
}

/// A service whose spans are looked for.
fn sender<'a>(settings: &'a Settings, planning: &'a Planning<'_>, service: &'a str) -> Sender<'a> {
    let of = |service: &'a str| Sender {
        cluster: &planning.facts.cluster,
        service,
        sidecar: &settings.sidecar,
        variables: settings.set.keys().map(String::as_str).collect(),
        definition: planning.facts.definition_of(service),
        others: Vec::new(),
        hosts: Vec::new(),
    };
    let shared = settings.verify.get(spans_arrive::NAME).map(|verify| verify.service.as_str()).unwrap_or_default();
    let others = settings.services.iter().filter(|other| *other != service).map(|other| of(other).names()).collect();
    Sender { others, hosts: planning.sketch.hosts.get(shared).cloned().into_iter().collect(), ..of(service) }
}

/// The silent failure: no rule lets the API's tasks in on the ports that spans use. Every rollout would be green.
fn check_ports(planning: &mut Planning<'_>, settings: &Settings, service: &str) {
    let Some(verify) = settings.verify.get(spans_arrive::NAME) else { return };
    let from = planning.facts.groups_of(service);
    let addresses = planning.facts.addresses.get(service).cloned().unwrap_or_default();
    let created = planning.sketch.created.get(&verify.service);
    let to = match created {
        Some(created) if !created.exists => created.security_groups.clone(),
        _ => planning.facts.groups_of(&verify.service),
    };
    let mut ports = span_ports(planning, settings, verify);
    ports.retain(|port| !to.iter().any(|group| lets_in(planning.facts, group, *port, &from, &addresses)));
    if ports.is_empty() {
        return;
    }
    if to.iter().any(|group| !planning.facts.security_groups.contains_key(group)) {
        let found = format!("the security groups {} could not be read", to.join(", "));
        let fix = "allow ec2:DescribeSecurityGroups, or check the rules by hand".to_owned();
        planning.find(
            "security-groups-unread",
            Severity::Warning,
            &to.join(", "),
            found,
            "whether spans get through is not known",
            fix,
        );
        return;
    }
    let list: Vec<String> = ports.iter().map(ToString::to_string).collect();
    let group = to.first().cloned().unwrap_or_default();
    let found = format!(
        "no rule of {} lets the tasks of `{service}` ({}) in on TCP {}",
        to.join(", "),
        from.join(", "),
        list.join(" and ")
    );
    let source = from.first().cloned().unwrap_or_default();
    let fix = ports
        .iter()
        .map(|port| {
            format!(
                "aws ec2 authorize-security-group-ingress --group-id {group} --protocol tcp --port {port} --source-group {source}"
            )
        })
        .collect::<Vec<_>>()
        .join(" && ");
    let consequence = "every rollout would be green and every span would be lost";
    planning.find("otlp-port-closed", Severity::Blocker, &group, found, consequence, fix);
}

/// The ports that spans use: that of each new value, and the other receiver ports of the shared service.
fn span_ports(planning: &Planning<'_>, settings: &Settings, verify: &SpansArrive) -> Vec<i64> {
    let mut ports: Vec<i64> = planning.sketch.ports.get(&verify.service).cloned().unwrap_or_default();
    ports.retain(|port| *port != i64::from(verify.port));
    ports.extend(
        settings
            .set
            .values()
            .filter_map(|set| set.to.rsplit(':').next().and_then(|port| port.trim_end_matches('/').parse::<i64>().ok())),
    );
    ports.sort_unstable();
    ports.dedup();
    ports
}

fn lets_in(facts: &Facts, group: &str, port: i64, from: &[String], addresses: &[String]) -> bool {
    let Some(group) = facts.security_groups.get(group) else { return false };
    group
        .ingress
        .iter()
        .any(|rule| covers(rule, port) && (rule.groups.iter().any(|known| from.contains(known)) || in_ranges(rule, addresses)))
}

fn covers(rule: &SecurityRule, port: i64) -> bool {
    rule.protocol == "-1"
        || (matches!(rule.protocol.as_str(), "tcp" | "6")
            && rule.from_port.unwrap_or(0) <= port
            && port <= rule.to_port.unwrap_or(65_535))
}

fn in_ranges(rule: &SecurityRule, addresses: &[String]) -> bool {
    !addresses.is_empty() && addresses.iter().all(|address| rule.ranges.iter().any(|range| in_range(range, address)))
}

fn in_range(range: &str, address: &str) -> bool {
    let (Some((network, bits)), Ok(address)) = (range.split_once('/'), address.parse::<std::net::Ipv4Addr>()) else { return false };
    let (Ok(network), Ok(bits)) = (network.parse::<std::net::Ipv4Addr>(), bits.parse::<u32>()) else { return false };
    let mask = if bits == 0 { 0 } else { u32::MAX.checked_shl(32_u32.saturating_sub(bits)).unwrap_or(0) };
    bits <= 32 && u32::from(network) & mask == u32::from(address) & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_held_against_ranges() {
        assert!(in_range("10.0.0.0/16", "10.0.11.22"));
        assert!(!in_range("10.1.0.0/16", "10.0.11.22"));
        assert!(in_range("0.0.0.0/0", "192.0.2.1"));
        assert!(!in_range("10.0.0.0", "10.0.0.0"));
    }

    #[test]
    fn rules_cover_ports_by_range_or_for_everything() {
        let rule = |protocol: &str, from, to| SecurityRule {
            protocol: protocol.into(),
            from_port: from,
            to_port: to,
            ..SecurityRule::default()
        };
        assert!(covers(&rule("tcp", Some(4317), Some(4318)), 4318));
        assert!(!covers(&rule("tcp", Some(8000), Some(8000)), 4318));
        assert!(!covers(&rule("udp", Some(4318), Some(4318)), 4318));
        assert!(covers(&rule("-1", None, None), 4318));
    }
}
