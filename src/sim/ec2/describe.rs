//! EC2's Describe operations: by id, by filter, in pages.

use serde_json::{Value, json};

use super::{Ec2, member, rules};
use crate::sim::values::{Object, list, number, page, text, texts};
use crate::sim::{ApiError, Millis};

pub(super) fn security_groups(ec2: &Ec2, input: &Value) -> Result<Value, ApiError> {
    let missing = |id: &str| ApiError::new("InvalidGroup.NotFound", format!("The security group '{id}' does not exist"));
    let groups = by_ids(ec2.security_groups.clone(), input, "GroupIds", "GroupId", missing)?;
    let groups = by_ids(groups, input, "GroupNames", "GroupName", missing)?;
    answer("SecurityGroups", groups, input, &[("group-id", "GroupId"), ("group-name", "GroupName"), ("vpc-id", "VpcId")])
}

pub(super) fn security_group_rules(ec2: &Ec2, now: Millis, input: &Value) -> Result<Value, ApiError> {
    let rules = rules::described(ec2, now);
    let missing = |id: &str| {
        ApiError::new("InvalidSecurityGroupRuleId.NotFound", format!("The security group rule ID '{id}' does not exist"))
    };
    let rules = by_ids(rules, input, "SecurityGroupRuleIds", "SecurityGroupRuleId", missing)?;
    answer("SecurityGroupRules", rules, input, &[("group-id", "GroupId"), ("security-group-rule-id", "SecurityGroupRuleId")])
}

pub(super) fn subnets(ec2: &Ec2, input: &Value) -> Result<Value, ApiError> {
    let missing = |id: &str| ApiError::new("InvalidSubnetID.NotFound", format!("The subnet ID '{id}' does not exist"));
    let subnets = by_ids(ec2.subnets.clone(), input, "SubnetIds", "SubnetId", missing)?;
    let filters =
        [("subnet-id", "SubnetId"), ("vpc-id", "VpcId"), ("availability-zone", "AvailabilityZone"), ("cidr-block", "CidrBlock")];
    answer("Subnets", subnets, input, &filters)
}

pub(super) fn route_tables(ec2: &Ec2, input: &Value) -> Result<Value, ApiError> {
    let missing = |id: &str| ApiError::new("InvalidRouteTableID.NotFound", format!("The routeTable ID '{id}' does not exist"));
    let tables = by_ids(ec2.route_tables.clone(), input, "RouteTableIds", "RouteTableId", missing)?;
    answer("RouteTables", tables, input, &[("route-table-id", "RouteTableId"), ("vpc-id", "VpcId")])
}

pub(super) fn vpcs(ec2: &Ec2, input: &Value) -> Result<Value, ApiError> {
    let mut vpcs = by_ids(ec2.vpcs.clone(), input, "VpcIds", "VpcId", no_vpc)?;
    for vpc in &mut vpcs {
        vpc.remove("EnableDnsSupport");
        vpc.remove("EnableDnsHostnames");
    }
    answer("Vpcs", vpcs, input, &[("vpc-id", "VpcId"), ("cidr", "CidrBlock"), ("state", "State")])
}

/// One attribute per call. What the world does not say is AWS's default for a VPC that is not the default one.
pub(super) fn vpc_attribute(ec2: &Ec2, input: &Value) -> Result<Value, ApiError> {
    let id = text(input, "VpcId").ok_or_else(|| missing_parameter("vpcId"))?;
    let vpc = ec2.vpcs.iter().find(|vpc| member(vpc, "VpcId") == id).ok_or_else(|| no_vpc(id))?;
    let attribute = text(input, "Attribute").ok_or_else(|| missing_parameter("attribute"))?;
    let (name, default) = match attribute {
        "enableDnsSupport" => ("EnableDnsSupport", true),
        "enableDnsHostnames" => ("EnableDnsHostnames", false),
        other => {
            let message = format!("Value ({other}) for parameter attribute is invalid. Unknown attribute.");
            return Err(ApiError::new("InvalidParameterValue", message));
        }
    };
    let value = vpc.get(name).and_then(Value::as_bool).unwrap_or(default);
    Ok(json!({"VpcId": id, name: {"Value": value}}))
}

fn no_vpc(id: &str) -> ApiError {
    ApiError::new("InvalidVpcID.NotFound", format!("The vpc ID '{id}' does not exist"))
}

pub(super) fn missing_parameter(name: &str) -> ApiError {
    ApiError::new("MissingParameter", format!("The request must contain the parameter {name}"))
}

/// The objects that are asked for by id, all when none is; one unknown id refuses the whole request.
fn by_ids(
    objects: Vec<Object>,
    input: &Value,
    wanted: &str,
    id: &str,
    missing: impl Fn(&str) -> ApiError,
) -> Result<Vec<Object>, ApiError> {
    let wanted = texts(input, wanted);
    if wanted.is_empty() {
        return Ok(objects);
    }
    if let Some(unknown) = wanted.iter().find(|wanted| !objects.iter().any(|object| member(object, id) == wanted.as_str())) {
        return Err(missing(unknown));
    }
    Ok(objects.into_iter().filter(|object| wanted.iter().any(|wanted| member(object, id) == wanted)).collect())
}

/// Filters and cuts a page. `filters` says which filter looks at which member.
fn answer(name: &str, objects: Vec<Object>, input: &Value, filters: &[(&str, &str)]) -> Result<Value, ApiError> {
    let mut kept = objects;
    for filter in list(input, "Filters") {
        let (filter_name, values) = (text(filter, "Name").unwrap_or_default(), texts(filter, "Values"));
        let fits: Box<dyn Fn(&Object) -> bool> = if let Some(key) = filter_name.strip_prefix("tag:") {
            let key = key.to_owned();
            Box::new(move |object| tag(object, &key).is_some_and(|value| values.iter().any(|pattern| like(pattern, value))))
        } else if let Some((_, member_name)) = filters.iter().find(|(known, _)| *known == filter_name) {
            let member_name = (*member_name).to_owned();
            Box::new(move |object| values.iter().any(|pattern| like(pattern, member(object, &member_name))))
        } else {
            return Err(ApiError::new("InvalidParameterValue", format!("The filter '{filter_name}' is invalid")));
        };
        kept.retain(|object| fits(object));
    }
    let size = match number(input, "MaxResults") {
        None => 1000,
        Some(size) => usize::try_from(size).ok().filter(|size| (5..=1000).contains(size)).ok_or_else(|| {
            ApiError::new(
                "InvalidParameterValue",
                format!("Value ( {size} ) for parameter maxResults is invalid. Expecting a value between 5 and 1000."),
            )
        })?,
    };
    let bad_token = || ApiError::new("InvalidParameterValue", "Value for parameter nextToken is invalid.");
    let page = page(kept, text(input, "NextToken"), size).ok_or_else(bad_token)?;
    let mut output = json!({name: page.items});
    if let Some(next) = page.next {
        output["NextToken"] = json!(next);
    }
    Ok(output)
}

fn tag<'a>(object: &'a Object, key: &str) -> Option<&'a str> {
    let tags = object.get("Tags")?.as_array()?;
    text(tags.iter().find(|tag| text(tag, "Key") == Some(key))?, "Value")
}

/// EC2's filter values know `*` and `?`.
fn like(pattern: &str, value: &str) -> bool {
    fn fits(pattern: &[char], value: &[char]) -> bool {
        match pattern.split_first() {
            None => value.is_empty(),
            Some(('*', rest)) => (0..=value.len()).any(|skip| fits(rest, &value[skip..])),
            Some((first, rest)) => value.split_first().is_some_and(|(c, tail)| (*first == '?' || first == c) && fits(rest, tail)),
        }
    }
    if !pattern.contains(['*', '?']) || pattern.matches('*').count() > 4 {
        return pattern == value;
    }
    fits(&pattern.chars().collect::<Vec<_>>(), &value.chars().collect::<Vec<_>>())
}
