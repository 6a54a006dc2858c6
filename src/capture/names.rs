//! Cloud Map: the namespaces that the runbook names, those of the services' registries, and what is in them.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::reader::{Reader, each};
use super::{Scope, entries};
use crate::aws::CallError;

/// The world file's `servicediscovery`.
pub(super) async fn read(reader: &Reader<'_>, scope: &Scope, ecs: &Value) -> Result<Value, CallError> {
    let mut namespaces = Vec::new();
    let wanted: BTreeSet<&String> = scope.wants.names.iter().map(|(namespace, _)| namespace).collect();
    for name in wanted {
        let input = json!({ "Filters": [{ "Name": "NAME", "Values": [name], "Condition": "EQ" }] });
        namespaces.extend(reader.list("servicediscovery:ListNamespaces", name, input, "Namespaces", "NextToken").await?);
    }
    let mut services = Vec::new();
    for namespace in &namespaces {
        let id = namespace["Id"].as_str().unwrap_or_default();
        let input = json!({ "Filters": [{ "Name": "NAMESPACE_ID", "Values": [id], "Condition": "EQ" }] });
        let listed = reader.list("servicediscovery:ListServices", id, input, "Services", "NextToken").await?;
        let ids: Vec<String> = listed.iter().filter_map(|brief| brief["Id"].as_str().map(str::to_owned)).collect();
        services.extend(each(ids, async |id| read_service(reader, &id).await).await?.into_iter().flatten());
    }
    for id in registries(ecs) {
        if !services.iter().any(|service| service["Id"] == *id)
            && let Some(service) = read_service(reader, &id).await?
        {
            let of = namespace_of(&service).unwrap_or_default().to_owned();
            if !namespaces.iter().any(|namespace| namespace["Id"] == *of) {
                let answer = reader.read("servicediscovery:GetNamespace", &of, json!({ "Id": of })).await?;
                namespaces.extend(answer.map(|mut answer| answer["Namespace"].take()));
            }
            services.push(service);
        }
    }
    let namespaces = each(namespaces, async |namespace| with_vpcs(reader, namespace).await).await?;
    let mut part = json!({ "namespaces": namespaces, "services": services });
    read_instances(reader, &services, &mut part).await?;
    let tags = read_tags(reader, namespaces.iter().chain(&services)).await?;
    if !tags.is_empty() {
        part["tags"] = Value::Object(tags);
    }
    Ok(part)
}

async fn read_service(reader: &Reader<'_>, id: &str) -> Result<Option<Value>, CallError> {
    let answer = reader.read("servicediscovery:GetService", id, json!({ "Id": id })).await?;
    Ok(answer.map(|mut answer| answer["Service"].take()))
}

/// Which VPCs a private zone belongs to is Route 53's to say; it stands beside what Cloud Map says of the namespace.
async fn with_vpcs(reader: &Reader<'_>, mut namespace: Value) -> Result<Value, CallError> {
    let zone = namespace["Properties"]["DnsProperties"]["HostedZoneId"].as_str().map(str::to_owned);
    if let Some(zone) = zone.filter(|_| namespace["Type"] == "DNS_PRIVATE") {
        let answer = reader.aws().zone_vpcs(&zone).await;
        if let Some(vpcs) = reader.kept("route53:GetHostedZone", &zone, answer)? {
            namespace["VpcIds"] = json!(vpcs);
        }
    }
    Ok(namespace)
}

fn namespace_of(service: &Value) -> Option<&str> {
    service["NamespaceId"].as_str().or_else(|| service["DnsConfig"]["NamespaceId"].as_str())
}

/// The ids of the names that services are registered under: `arn:…:service/srv-…`.
fn registries(ecs: &Value) -> BTreeSet<String> {
    let entries = entries(&ecs["services"]).flat_map(|service| entries(&service["serviceRegistries"]));
    let arns = entries.filter_map(|entry| entry["registryArn"].as_str());
    arns.filter_map(|arn| arn.rsplit('/').next()).map(str::to_owned).collect()
}

async fn read_instances(reader: &Reader<'_>, services: &[Value], part: &mut Value) -> Result<(), CallError> {
    let ids = services.iter().filter_map(|service| service["Id"].as_str().map(str::to_owned));
    let read = each(ids, async |id| {
        let input = json!({ "ServiceId": id });
        let instances = reader.list("servicediscovery:ListInstances", &id, input.clone(), "Instances", "NextToken").await?;
        // Without an instance this read is an error.
        let health = match instances.is_empty() {
            true => None,
            false => reader.read("servicediscovery:GetInstancesHealthStatus", &id, input).await?,
        };
        Ok((id, instances, health.map(|mut answer| answer["Status"].take())))
    });
    let (mut instances, mut healths) = (Map::new(), Map::new());
    for (id, found, health) in read.await? {
        if let Some(health) = health.filter(Value::is_object) {
            healths.insert(id.clone(), health);
        }
        if !found.is_empty() {
            instances.insert(id, json!(found));
        }
    }
    part["instances"] = Value::Object(instances);
    if !healths.is_empty() {
        part["instancesHealth"] = Value::Object(healths);
    }
    Ok(())
}

async fn read_tags(reader: &Reader<'_>, objects: impl Iterator<Item = &Value>) -> Result<Map<String, Value>, CallError> {
    let arns = objects.filter_map(|object| object["Arn"].as_str().map(str::to_owned));
    let read = each(arns, async |arn| {
        let answer = reader.read("servicediscovery:ListTagsForResource", &arn, json!({ "ResourceARN": arn })).await?;
        Ok(answer.map(|mut answer| (arn, answer["Tags"].take())))
    });
    Ok(read.await?.into_iter().flatten().filter(|(_, tags)| entries(tags).next().is_some()).collect())
}
