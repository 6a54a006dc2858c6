//! Stage kind `dns`: a Cloud Map name, and the service registered under it. Placed before the `service` stage, it only makes the
//! name, and the registry is attached when the service is created.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::facts::{Facts, Wants};
use super::findings::{NAME_FOREIGN, NAMESPACE_AMBIGUOUS, NAMESPACE_MISSING, Seen};
use super::kind::{Known, LaneBuilder, Planning, Seconds, StageKind, checked, later, settings, stage_plan, usual_rollout, wanted};
use super::permits;
use super::subject::{Name, Subject};
use crate::model::{Change, Disposition, Problem, Resource, StageDecl, StagePlan, StepClass};

/// See the module's text.
pub struct Dns;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    namespace: String,
    name: String,
    service: String,
    #[serde(default = "ten")]
    ttl: u64,
    #[serde(default = "multivalue")]
    routing_policy: String,
    #[serde(default = "a_record")]
    record_type: String,
    #[serde(default = "usual_rollout")]
    rollout_timeout: Seconds,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

fn ten() -> u64 {
    10
}
fn multivalue() -> String {
    "MULTIVALUE".to_owned()
}
fn a_record() -> String {
    "A".to_owned()
}

impl StageKind for Dns {
    fn kind(&self) -> &'static str {
        "dns"
    }

    fn check(&self, decl: &StageDecl) -> Vec<Problem> {
        let settings: Settings = match settings(decl) {
            Ok(settings) => settings,
            Err(problems) => return problems,
        };
        let mut problems = Vec::new();
        if settings.record_type != "A" {
            let hint = Some("write \"A\": an SRV record does not serve a plain host name".to_owned());
            problems.push(decl.problem_at(
                "/record_type",
                format!("record type `{}` is not supported", settings.record_type),
                hint,
            ));
        }
        if !["MULTIVALUE", "WEIGHTED"].contains(&settings.routing_policy.as_str()) {
            let message = format!("routing policy `{}` is not known", settings.routing_policy);
            problems.push(decl.problem_at("/routing_policy", message, Some("write \"MULTIVALUE\" or \"WEIGHTED\"".to_owned())));
        }
        let valid = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
        if settings.name.is_empty() || settings.name.len() > 63 || !settings.name.chars().all(valid) {
            problems.push(decl.problem_at("/name", format!("`{}` cannot be a DNS label", settings.name), None));
        }
        problems
    }

    fn wants(&self, decl: &StageDecl, wants: &mut Wants) {
        let settings: Settings = checked(decl);
        permits::makes_name(wants, &settings.namespace);
        permits::updates(wants, &settings.service);
        wants.names.insert((settings.namespace, settings.name));
        wants.possible_services.insert(settings.service);
    }

    fn subject<'a>(&self, decl: &'a StageDecl, _facts: &Facts, subject: &mut Subject<'a>) {
        let settings: Settings = checked(decl);
        subject.names.push(Name { decl, namespace: settings.namespace, label: settings.name, service: settings.service });
    }

    fn way_back(&self) -> &'static str {
        "detaches the service, waits until no instance is left, and deletes the name if the run created it"
    }

    fn plan(&self, decl: &StageDecl, planning: &mut Planning<'_>) -> StagePlan {
        let settings: Settings = checked(decl);
        let Some(namespace) = namespace(decl, &settings, planning) else { return stage_plan(decl, Vec::new(), Vec::new()) };
        planning.closing.insert("namespace_id".to_owned(), json!(namespace));
        let host = format!("{}.{}", settings.name, settings.namespace);
        planning.sketch.hosts.insert(settings.service.clone(), host.clone());
        let config = json!({ "RoutingPolicy": settings.routing_policy, "DnsRecords": [{ "Type": settings.record_type, "TTL": settings.ttl }] });
        let mut lane = LaneBuilder::new(decl, &host);
        let found = planning.facts.names.get(&(namespace.clone(), settings.name.clone())).cloned();
        let mut resources = Vec::new();
        let (registry, service_id) = match &found {
            Some(found) if fits(found, &config) => {
                resources.push(resource("DNS name", &host, Disposition::AlreadySo, Vec::new()));
                (Known::Now(found["Arn"].clone()), Known::Now(found["Id"].clone()))
            }
            Some(found) => {
                let words = format!(
                    "Cloud Map service `{}` ({}) exists with other records or type",
                    settings.name,
                    found["Id"].as_str().unwrap_or_default()
                );
                let fix = format!("choose another name with {}, or remove the service if nobody uses it", decl.setting("/name"));
                planning.raise(&NAME_FOREIGN, Seen::new(&host, words, "its record type cannot be changed afterwards", fix));
                return stage_plan(decl, vec![resource("DNS name", &host, Disposition::Foreign, Vec::new())], Vec::new());
            }
            None => {
                let params = json!({ "namespaceId": namespace, "name": settings.name, "dnsConfig": config, "customHealth": true, "tags": settings.tags });
                let title = format!("create the name {host}");
                let step = lane.step("create", "servicediscovery.create-service", StepClass::Mutation, title, params, Vec::new());
                let change = |path: &str, to: Value| Change { path: path.to_owned(), from: None, to: Some(to) };
                let changes = vec![
                    change("routingPolicy", json!(settings.routing_policy)),
                    change("record", json!(format!("{} TTL {}", settings.record_type, settings.ttl))),
                ];
                resources.push(resource("DNS name", &host, Disposition::Create, changes));
                (later(&step, "/registryArn"), later(&step, "/serviceId"))
            }
        };
        attach(&settings, planning, &mut lane, &mut resources, &registry, &service_id);
        stage_plan(decl, resources, lane.build().into_iter().collect())
    }
}

fn resource(kind: &str, name: &str, disposition: Disposition, changes: Vec<Change>) -> Resource {
    Resource { kind: kind.to_owned(), name: name.to_owned(), disposition, changes }
}

/// The id of the one private DNS namespace of this name.
fn namespace(decl: &StageDecl, settings: &Settings, planning: &mut Planning<'_>) -> Option<String> {
    let private: Vec<&Value> = planning
        .facts
        .namespaces
        .iter()
        .filter(|namespace| namespace["Name"] == *settings.namespace && namespace["Type"] == "DNS_PRIVATE")
        .collect();
    let name = settings.namespace.clone();
    match private.as_slice() {
        [one] => one["Id"].as_str().map(str::to_owned),
        [] => {
            let words = format!("there is no private DNS namespace `{name}`");
            let fix = format!(
                "create it (in Terraform: aws_service_discovery_private_dns_namespace), or name another with {}",
                decl.setting("/namespace")
            );
            planning.raise(&NAMESPACE_MISSING, Seen::new(&name, words, "the shared service could not get a name", fix));
            None
        }
        several => {
            let ids: Vec<_> = several.iter().filter_map(|namespace| namespace["Id"].as_str()).collect();
            let words = format!("{} namespaces are called `{name}`: {}", ids.len(), ids.join(", "));
            let fix = "remove all but one".to_owned();
            planning.raise(&NAMESPACE_AMBIGUOUS, Seen::new(&name, words, "the wrong VPC could get the name", fix));
            None
        }
    }
}

/// Whether a Cloud Map service is what would be created.
fn fits(found: &Value, config: &Value) -> bool {
    let records = |value: &Value| {
        let list = value["DnsRecords"].as_array().cloned().unwrap_or_default();
        list.iter().map(|record| (record["Type"].to_string(), record["TTL"].to_string())).collect::<Vec<_>>()
    };
    let policy = |value: &Value| value["RoutingPolicy"].as_str().unwrap_or("MULTIVALUE").to_owned();
    records(&found["DnsConfig"]) == records(config) && policy(&found["DnsConfig"]) == policy(config)
}

/// Puts the service under the name: now by an update, or, when it does not exist yet, at its creation.
fn attach(
    settings: &Settings,
    planning: &mut Planning<'_>,
    lane: &mut LaneBuilder,
    resources: &mut Vec<Resource>,
    registry: &Known,
    service_id: &Known,
) {
    let (service, cluster) = (&settings.service, planning.facts.cluster.clone());
    let existing = planning.facts.services.get(service).cloned();
    let Some(created) = planning.sketch.created.get(service).cloned() else {
        if existing.is_none() {
            planning.sketch.registries.insert(service.clone(), registry.clone());
        }
        return;
    };
    let before = existing.as_ref().map_or_else(|| json!([]), |found| found["serviceRegistries"].clone());
    let attached =
        registry.now().is_some_and(|arn| before.as_array().into_iter().flatten().any(|entry| entry["registryArn"] == *arn));
    if attached || planning.sketch.registries.contains_key(service) {
        resources.push(resource("service registry", service, Disposition::AlreadySo, Vec::new()));
        return;
    }
    let params = json!({ "cluster": cluster, "service": service, "set": { "serviceRegistries": [{}] },
        "expect": { "loadBalancers": created.load_balancers, "serviceRegistries": before }, "containers": created.containers });
    let inputs =
        vec![("/set/serviceRegistries/0/registryArn", registry.clone()), ("/expect/taskDefinition", created.revision.clone())];
    let title = format!("register {service} under the name");
    let step = lane.step("attach", "ecs.update-service", StepClass::Mutation, title, params, inputs);
    let deadline = settings.rollout_timeout.0;
    let params = json!({ "cluster": cluster, "service": service, "want": { "loadBalancers": created.load_balancers, "serviceRegistries": [{}] } });
    let inputs = vec![
        ("/deployment", later(&step, "/deployment")),
        ("/want/taskDefinition", created.revision.clone()),
        ("/want/serviceRegistries/0/registryArn", registry.clone()),
    ];
    let (want, wanted) = (params["want"].clone(), wanted(&inputs));
    lane.step("rollout", "ecs.await-rollout", StepClass::Wait, format!("wait for the rollout of {service}"), params, inputs);
    lane.deadline(deadline);
    lane.serves((&cluster, service), &created.containers, &want, wanted, deadline);
    let params = json!({ "cluster": cluster, "service": service, "count": created.desired });
    let inputs = vec![("/serviceId", service_id.clone())];
    lane.step(
        "answers",
        "servicediscovery.await-instances",
        StepClass::Wait,
        "wait until the name answers".to_owned(),
        params,
        inputs,
    );
    lane.deadline(deadline);
    let to = registry.now().cloned().unwrap_or_else(|| json!("known when the name is created"));
    let from = before.as_array().is_some_and(|list| !list.is_empty()).then_some(before);
    let change = Change { path: "serviceRegistries".to_owned(), from, to: Some(to) };
    resources.push(resource("service", service, Disposition::Update, vec![change]));
}
