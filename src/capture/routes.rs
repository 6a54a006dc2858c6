//! The ways in: target groups of the services, the load balancers before them, and the network that lets traffic through.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::reader::{Reader, each};
use super::{Scope, entries, texts};
use crate::aws::{CallError, Parameters, numbered};

/// DescribeTargetGroups, DescribeLoadBalancers and DescribeTags take twenty ARNs.
const ARNS: usize = 20;
/// EC2's filters take two hundred values.
const FILTERED: usize = 200;

/// The world file's `elbv2` and `ec2`.
pub(super) async fn read(reader: &Reader<'_>, scope: &Scope, ecs: &Value) -> Result<(Value, Value), CallError> {
    let elbv2 = read_elb(reader, scope, ecs).await?;
    let mut ec2 = read_ec2(reader, ecs, &elbv2).await?;
    let rules = read_rules(reader, scope, &ec2).await?;
    if !rules.is_empty() {
        ec2["securityGroupRules"] = json!(rules);
    }
    Ok((elbv2, ec2))
}

async fn read_elb(reader: &Reader<'_>, scope: &Scope, ecs: &Value) -> Result<Value, CallError> {
    let of_services = entries(&ecs["services"]).flat_map(|service| entries(&service["loadBalancers"]));
    let arns: BTreeSet<String> = of_services.filter_map(|entry| entry["targetGroupArn"].as_str().map(str::to_owned)).collect();
    let mut groups = by_arns(reader, "DescribeTargetGroups", "TargetGroupArns", "TargetGroups", arns).await?;
    for name in &scope.wants.target_groups {
        let named = numbered("Names.member", std::slice::from_ref(name));
        let found = reader.list_xml("DescribeTargetGroups", name, named, "TargetGroups").await?.unwrap_or_default();
        groups.extend(found.into_iter().filter(|found| !groups.contains(found)).collect::<Vec<_>>());
    }
    let balancers: BTreeSet<String> =
        groups.iter().flat_map(|group| texts(&group["LoadBalancerArns"])).map(str::to_owned).collect();
    let balancers = by_arns(reader, "DescribeLoadBalancers", "LoadBalancerArns", "LoadBalancers", balancers).await?;
    let mut listeners = Vec::new();
    for arn in arns_of(&balancers, "LoadBalancerArn") {
        let of = vec![("LoadBalancerArn".to_owned(), arn.clone())];
        listeners.extend(reader.list_xml("DescribeListeners", &arn, of, "Listeners").await?.unwrap_or_default());
    }
    let rules = each(arns_of(&listeners, "ListenerArn"), async |arn| {
        let of = vec![("ListenerArn".to_owned(), arn.clone())];
        reader.list_xml("DescribeRules", &arn, of, "Rules").await
    });
    let rules: Vec<Value> = rules.await?.into_iter().flatten().flatten().collect();
    let attributes = by_group(reader, "DescribeTargetGroupAttributes", "Attributes", &groups).await?;
    let health = by_group(reader, "DescribeTargetHealth", "TargetHealthDescriptions", &groups).await?;
    let mut tagged = arns_of(&groups, "TargetGroupArn");
    tagged.extend(arns_of(&balancers, "LoadBalancerArn"));
    let tags = read_tags(reader, &tagged).await?;
    let mut part = json!({ "loadBalancers": balancers, "targetGroups": groups, "targetGroupAttributes": attributes,
        "targetHealth": health, "listeners": listeners, "rules": rules });
    if !tags.is_empty() {
        part["tags"] = Value::Object(tags);
    }
    Ok(part)
}

fn arns_of(objects: &[Value], name: &str) -> Vec<String> {
    objects.iter().filter_map(|object| object[name].as_str().map(str::to_owned)).collect()
}

/// Objects by ARN. One that is gone refuses the whole request: then each is asked for alone.
async fn by_arns(
    reader: &Reader<'_>,
    operation: &'static str,
    parameter: &str,
    list: &str,
    arns: BTreeSet<String>,
) -> Result<Vec<Value>, CallError> {
    let arns: Vec<String> = arns.into_iter().collect();
    let member = format!("{parameter}.member");
    let mut found = Vec::new();
    for chunk in arns.chunks(ARNS) {
        match reader.list_xml(operation, &chunk.join(", "), numbered(&member, chunk), list).await? {
            Some(objects) => found.extend(objects),
            None if reader.is_refused(operation) => break,
            None => {
                for arn in chunk {
                    let alone = numbered(&member, std::slice::from_ref(arn));
                    found.extend(reader.list_xml(operation, arn, alone, list).await?.unwrap_or_default());
                }
            }
        }
    }
    Ok(found)
}

/// What an operation says of each target group, by ARN.
async fn by_group(
    reader: &Reader<'_>,
    operation: &'static str,
    list: &str,
    groups: &[Value],
) -> Result<Map<String, Value>, CallError> {
    let answers = each(arns_of(groups, "TargetGroupArn"), async |arn| {
        let of = vec![("TargetGroupArn".to_owned(), arn.clone())];
        let answer = reader.read_xml(operation, &arn, of).await?;
        Ok(answer.map(|mut answer| (arn, answer[list].take())))
    });
    Ok(answers.await?.into_iter().flatten().collect())
}

async fn read_tags(reader: &Reader<'_>, arns: &[String]) -> Result<Map<String, Value>, CallError> {
    let mut tags = Map::new();
    for chunk in arns.chunks(ARNS) {
        let of = numbered("ResourceArns.member", chunk);
        let answer = reader.read_xml("DescribeTags", &chunk.join(", "), of).await?.unwrap_or_default();
        for described in entries(&answer["TagDescriptions"]).filter(|described| entries(&described["Tags"]).next().is_some()) {
            if let Some(arn) = described["ResourceArn"].as_str() {
                tags.insert(arn.to_owned(), described["Tags"].clone());
            }
        }
    }
    Ok(tags)
}

async fn read_ec2(reader: &Reader<'_>, ecs: &Value, elbv2: &Value) -> Result<Value, CallError> {
    let of_services = |name: &str| -> BTreeSet<String> {
        let placed = entries(&ecs["services"]).flat_map(|service| {
            let deployed = entries(&service["deployments"]).map(|deployment| &deployment["networkConfiguration"]);
            deployed.chain([&service["networkConfiguration"]])
        });
        placed.flat_map(|network| texts(&network["awsvpcConfiguration"][name])).map(str::to_owned).collect()
    };
    let balancers = || entries(&elbv2["loadBalancers"]);
    let mut groups = of_services("securityGroups");
    groups.extend(balancers().flat_map(|balancer| texts(&balancer["SecurityGroups"])).map(str::to_owned));
    let mut subnets = of_services("subnets");
    let zones = balancers().flat_map(|balancer| entries(&balancer["AvailabilityZones"]));
    subnets.extend(zones.filter_map(|zone| zone["SubnetId"].as_str()).map(str::to_owned));

    let security_groups = read_security_groups(reader, groups).await?;
    let mut found = filtered(reader, "DescribeSubnets", "subnet-id", "Subnets", &subnets).await?;
    if reader.is_refused("DescribeSubnets") {
        found = subnets_by_name(elbv2, &subnets);
        reader.note(
            "DescribeSubnets",
            "subnets in use",
            "only their ids are known, with the VPC of the load balancing before them",
        );
    }
    let in_use = entries(&elbv2["targetGroups"]).chain(balancers()).chain(&found);
    let vpcs: BTreeSet<String> = in_use.filter_map(|object| object["VpcId"].as_str().map(str::to_owned)).collect();
    let tables = filtered(reader, "DescribeRouteTables", "vpc-id", "RouteTables", &vpcs).await?;
    let vpcs = read_vpcs(reader, &vpcs).await?;
    let mut part = json!({ "securityGroups": security_groups, "subnets": found, "vpcs": vpcs });
    if !tables.is_empty() {
        part["routeTables"] = json!(tables);
    }
    Ok(part)
}

/// By filter: an id that is not there, or another account's, leaves a gap and refuses nothing.
async fn filtered(
    reader: &Reader<'_>,
    operation: &'static str,
    filter: &str,
    list: &str,
    ids: &BTreeSet<String>,
) -> Result<Vec<Value>, CallError> {
    let ids: Vec<String> = ids.iter().cloned().collect();
    let mut found = Vec::new();
    for chunk in ids.chunks(FILTERED) {
        let mut parameters: Parameters = vec![("Filter.1.Name".to_owned(), filter.to_owned())];
        parameters.extend(numbered("Filter.1.Value", chunk));
        found.extend(reader.list_xml(operation, &chunk.join(", "), parameters, list).await?.unwrap_or_default());
    }
    Ok(found)
}

/// The groups, and those that their rules name.
async fn read_security_groups(reader: &Reader<'_>, ids: BTreeSet<String>) -> Result<Vec<Value>, CallError> {
    let named = |group: &Value| -> Vec<String> {
        let rules = ["IpPermissions", "IpPermissionsEgress"].into_iter().flat_map(|list| entries(&group[list]));
        let pairs = rules.flat_map(|rule| entries(&rule["UserIdGroupPairs"]));
        pairs.filter_map(|pair| pair["GroupId"].as_str().map(str::to_owned)).collect()
    };
    let mut found = filtered(reader, "DescribeSecurityGroups", "group-id", "SecurityGroups", &ids).await?;
    let more: BTreeSet<String> = found.iter().flat_map(named).filter(|id| !ids.contains(id)).collect();
    found.extend(filtered(reader, "DescribeSecurityGroups", "group-id", "SecurityGroups", &more).await?);
    Ok(found)
}

/// The rules of the groups with their ids and tags, by which a run knows its own; for runbooks that add rules.
async fn read_rules(reader: &Reader<'_>, scope: &Scope, ec2: &Value) -> Result<Vec<Value>, CallError> {
    const OPERATION: &str = "DescribeSecurityGroupRules";
    if !scope.wants.permissions.iter().any(|permission| permission.action.ends_with(OPERATION)) {
        return Ok(Vec::new());
    }
    let groups = entries(&ec2["securityGroups"]).filter_map(|group| group["GroupId"].as_str()).map(str::to_owned).collect();
    filtered(reader, OPERATION, "group-id", "SecurityGroupRules", &groups).await
}

/// Subnets that nobody may look at: they are there, for tasks run in them.
fn subnets_by_name(elbv2: &Value, ids: &BTreeSet<String>) -> Vec<Value> {
    let vpc = entries(&elbv2["targetGroups"]).chain(entries(&elbv2["loadBalancers"])).find_map(|object| object["VpcId"].as_str());
    let zone_of = |id: &str| {
        let zones = entries(&elbv2["loadBalancers"]).flat_map(|balancer| entries(&balancer["AvailabilityZones"]));
        zones.into_iter().find(|zone| zone["SubnetId"] == *id).map(|zone| zone["ZoneName"].clone())
    };
    let subnet = |id: &String| {
        let mut subnet = json!({ "SubnetId": id });
        if let Some(vpc) = vpc {
            subnet["VpcId"] = json!(vpc);
        }
        if let Some(zone) = zone_of(id) {
            subnet["AvailabilityZone"] = zone;
        }
        subnet
    };
    ids.iter().map(subnet).collect()
}

/// With what DescribeVpcAttribute says of their resolvers.
async fn read_vpcs(reader: &Reader<'_>, ids: &BTreeSet<String>) -> Result<Vec<Value>, CallError> {
    let mut found = filtered(reader, "DescribeVpcs", "vpc-id", "Vpcs", ids).await?;
    if reader.is_refused("DescribeVpcs") {
        found = ids.iter().map(|id| json!({ "VpcId": id })).collect();
    }
    let answered = each(found, async |mut vpc: Value| {
        let id = vpc["VpcId"].as_str().unwrap_or_default().to_owned();
        for (attribute, name) in [("enableDnsSupport", "EnableDnsSupport"), ("enableDnsHostnames", "EnableDnsHostnames")] {
            let of = vec![("VpcId".to_owned(), id.clone()), ("Attribute".to_owned(), attribute.to_owned())];
            let answer = reader.read_xml("DescribeVpcAttribute", &id, of).await?.unwrap_or_default();
            if answer[name]["Value"].is_boolean() {
                vpc[name] = answer[name]["Value"].clone();
            }
        }
        Ok(vpc)
    });
    answered.await
}
