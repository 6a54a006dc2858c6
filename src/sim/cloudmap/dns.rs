//! What names resolve to.

use serde_json::{Value, json};

use super::instances::{is_healthy, word};
use super::{CloudMap, Instance, member, namespace_of, required};
use crate::sim::values::{Object, list, number, text};
use crate::sim::{ApiError, State};

/// How many addresses one answer holds at most. `[D]`
const MOST_ANSWERS: usize = 8;

impl CloudMap {
    /// The addresses that `host` resolves to inside the VPC: `None` when there is no such name (or no namespace of the VPC has
    /// it); healthy instances, or all of them while none is healthy, eight at most; with the record's TTL in seconds.
    pub(in crate::sim) fn resolve(&self, vpc_id: &str, host: &str) -> Option<(Vec<String>, u32)> {
        if self.vpcs_without_dns.iter().any(|vpc| vpc == vpc_id) {
            return None;
        }
        let host = host.trim_end_matches('.').to_lowercase();
        // The most specific zone of the VPC answers, as Route 53 does it.
        let namespace = self
            .namespaces
            .iter()
            .filter(|namespace| member(namespace, "Type") == "DNS_PRIVATE")
            .filter(|namespace| {
                // Cloud Map does not say which VPCs a zone belongs to: where nobody does, it is the one that asks.
                namespace.get("VpcIds").is_none_or(|ids| ids.as_array().is_some_and(|ids| ids.contains(&json!(vpc_id))))
            })
            .filter(|namespace| host.ends_with(&format!(".{}", member(namespace, "Name").to_lowercase())))
            .max_by_key(|namespace| member(namespace, "Name").len())?;
        let label = &host[..host.len() - member(namespace, "Name").len() - 1];
        let service = self.services.iter().find(|service| {
            namespace_of(service) == member(namespace, "Id") && member(service, "Name").eq_ignore_ascii_case(label)
        })?;
        let ttl = record_ttl(service)?;
        let with_address: Vec<&Instance> =
            self.listed(member(service, "Id")).filter(|instance| instance.attribute("AWS_INSTANCE_IPV4").is_some()).collect();
        let healthy: Vec<&Instance> = with_address.iter().copied().filter(|instance| is_healthy(service, instance)).collect();
        let answered = if healthy.is_empty() { with_address } else { healthy };
        if answered.is_empty() {
            return None;
        }
        let most = if policy(service) == "WEIGHTED" { 1 } else { MOST_ANSWERS };
        let addresses = answered.into_iter().take(most).filter_map(|instance| instance.attribute("AWS_INSTANCE_IPV4"));
        Some((addresses.map(str::to_owned).collect(), ttl))
    }
}

/// The TTL of a service's A record; `None` when it has none.
fn record_ttl(service: &Object) -> Option<u32> {
    let record = list(service.get("DnsConfig")?, "DnsRecords").iter().find(|record| text(record, "Type") == Some("A"))?;
    u32::try_from(number(record, "TTL")?).ok()
}

fn policy(service: &Object) -> &str {
    service.get("DnsConfig").and_then(|dns| text(dns, "RoutingPolicy")).unwrap_or("MULTIVALUE")
}

/// DiscoverInstances, of the data plane.
pub(super) fn discover(state: &State, input: &Value) -> Result<Value, ApiError> {
    let (namespace_name, service_name) = (required(input, "NamespaceName")?, required(input, "ServiceName")?);
    let map = &state.cloudmap;
    let http_name = |namespace: &&Object| {
        let http = namespace.get("Properties").and_then(|properties| properties.get("HttpProperties"));
        http.and_then(|http| text(http, "HttpName")).unwrap_or(member(namespace, "Name")) == namespace_name
    };
    let namespace = map
        .namespaces
        .iter()
        .find(http_name)
        .ok_or_else(|| ApiError::new("NamespaceNotFound", format!("Namespace not found. Name: {namespace_name}")))?;
    let of_name = |service: &&Object| namespace_of(service) == member(namespace, "Id") && member(service, "Name") == service_name;
    let service = map.services.iter().find(of_name);
    let service = service.ok_or_else(|| ApiError::new("ServiceNotFound", format!("Service not found. Name: {service_name}")))?;
    let all: Vec<&Instance> = map.listed(member(service, "Id")).collect();
    let any_healthy = all.iter().any(|instance| is_healthy(service, instance));
    let wanted = |instance: &&Instance| match text(input, "HealthStatus").unwrap_or("HEALTHY_OR_ELSE_ALL") {
        "HEALTHY" => is_healthy(service, instance),
        "UNHEALTHY" => !is_healthy(service, instance),
        "ALL" => true,
        _ => !any_healthy || is_healthy(service, instance),
    };
    let most = number(input, "MaxResults").and_then(|n| usize::try_from(n).ok()).unwrap_or(100);
    let found = all.into_iter().filter(wanted).take(most).map(|instance| {
        json!({
            "InstanceId": instance.id(),
            "NamespaceName": namespace_name,
            "ServiceName": service_name,
            "HealthStatus": word(service, instance),
            "Attributes": instance.object.get("Attributes"),
        })
    });
    Ok(json!({"Instances": found.collect::<Vec<_>>(), "InstancesRevision": map.generation}))
}
