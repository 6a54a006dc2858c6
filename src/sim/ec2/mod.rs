//! The little of EC2 that the migration looks at: security groups, subnets, VPCs, route tables. Of it, rules of security groups can
//! be changed.

mod change;
mod describe;
mod rules;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use super::sender::Transport;
use super::values::{Object, list};
use super::{ApiError, Call, State};

/// `ec2` of a world file. Objects have the member names that the CLI prints; [`super::wire`] knows the wire's.
#[derive(Clone, Debug, Default)]
pub(super) struct Ec2 {
    security_groups: Vec<Object>,
    subnets: Vec<Object>,
    vpcs: Vec<Object>,
    /// Whoever wrote the world file could not read security groups: they let everything through.
    groups_unseen: bool,
    route_tables: Vec<Object>,
    /// Rules as DescribeSecurityGroupRules gives them, where something is known that the groups do not say: ids and tags.
    rules: Vec<Object>,
    /// Rules added so far.
    made: u64,
    unsettled: Vec<rules::Unsettled>,
    /// Members of the world file that nothing here knows.
    extra: Object,
}

/// A subnet.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SubnetInfo {
    pub(super) vpc_id: String,
    pub(super) zone: String,
    /// For example `10.0.10.0/24`.
    pub(super) cidr: String,
}

/// Answers one EC2 operation. Input and output use the member names of AWS's model as JSON (lists as arrays).
pub(super) fn call(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    if super::values::flag(input, "DryRun") == Some(true) {
        let message = "Request would have succeeded, but DryRun flag is set.";
        return Err(ApiError::new("DryRunOperation", message).status(412));
    }
    match call.operation.as_str() {
        "DescribeSecurityGroups" => describe::security_groups(&state.ec2, input),
        "DescribeSecurityGroupRules" => describe::security_group_rules(&state.ec2, state.now, input),
        "DescribeSubnets" => describe::subnets(&state.ec2, input),
        "DescribeRouteTables" => describe::route_tables(&state.ec2, input),
        "DescribeVpcs" => describe::vpcs(&state.ec2, input),
        "DescribeVpcAttribute" => describe::vpc_attribute(&state.ec2, input),
        "AuthorizeSecurityGroupIngress" => change::authorize(state, call, input),
        "RevokeSecurityGroupIngress" => change::revoke(state, call, input),
        other => Err(ApiError::new("InvalidAction", format!("The action {other} is not valid for this web service."))),
    }
}

impl Ec2 {
    /// Reads the part. `groups_seen`: whether whoever wrote it could read security groups.
    pub(super) fn load(part: &Value, groups_seen: bool) -> Result<Self, String> {
        let objects = |name: &str, id: &str| -> Result<Vec<Object>, String> {
            let read = |(index, value): (usize, &Value)| {
                let object = value.as_object().filter(|object| object.get(id).is_some_and(Value::is_string));
                object.cloned().ok_or_else(|| format!("ec2.{name}[{index}] has no {id}"))
            };
            list(part, name).iter().enumerate().map(read).collect()
        };
        let known = ["securityGroups", "securityGroupRules", "subnets", "vpcs", "routeTables"];
        let mut extra = part.as_object().cloned().unwrap_or_default();
        extra.retain(|name, _| !known.contains(&name.as_str()));
        Ok(Self {
            security_groups: objects("securityGroups", "GroupId")?,
            subnets: objects("subnets", "SubnetId")?,
            vpcs: objects("vpcs", "VpcId")?,
            groups_unseen: !groups_seen,
            route_tables: objects("routeTables", "RouteTableId")?,
            rules: objects("securityGroupRules", "SecurityGroupRuleId")?,
            made: 0,
            unsettled: Vec::new(),
            extra,
        })
    }

    /// Writes the part.
    pub(super) fn save(&self) -> Value {
        let mut part = self.extra.clone();
        part.insert("securityGroups".to_owned(), json!(self.security_groups));
        part.insert("subnets".to_owned(), json!(self.subnets));
        part.insert("vpcs".to_owned(), json!(self.vpcs));
        if !self.rules.is_empty() {
            part.insert("securityGroupRules".to_owned(), json!(self.rules));
        }
        if !self.route_tables.is_empty() {
            part.insert("routeTables".to_owned(), json!(self.route_tables));
        }
        Value::Object(part)
    }

    /// The subnet of this id.
    pub(super) fn subnet(&self, id: &str) -> Option<SubnetInfo> {
        let subnet = self.subnets.iter().find(|subnet| member(subnet, "SubnetId") == id)?;
        let of = |name| member(subnet, name).to_owned();
        Some(SubnetInfo { vpc_id: of("VpcId"), zone: of("AvailabilityZone"), cidr: of("CidrBlock") })
    }

    /// Whether a security group of this id exists.
    pub(super) fn security_group_exists(&self, id: &str) -> bool {
        self.groups_unseen || self.security_groups.iter().any(|group| member(group, "GroupId") == id)
    }

    /// The VPCs whose resolver does not answer names of private zones.
    pub(super) fn vpcs_without_dns(&self) -> Vec<String> {
        let off = |vpc: &&Object, name: &str| vpc.get(name) == Some(&json!(false));
        let without = self.vpcs.iter().filter(|vpc| off(vpc, "EnableDnsSupport") || off(vpc, "EnableDnsHostnames"));
        without.map(|vpc| member(vpc, "VpcId").to_owned()).collect()
    }

    /// Whether a packet from a network interface with `from_ip` and `from_groups` is let through to `port` of one with `to_groups`:
    /// egress of the sender and ingress of the receiver, rules by group, CIDR and `-1` protocol. A sender without groups is
    /// outside the account: nobody holds its egress back, and no rule names its group.
    pub(super) fn lets_through(
        &self,
        from_ip: &str,
        from_groups: &[String],
        to_ip: &str,
        to_groups: &[String],
        way: (Transport, u16),
    ) -> bool {
        let open = |own: &[String], direction: &str, other_ip: &str, other_groups: &[String]| {
            let groups = self.security_groups.iter().filter(|group| own.iter().any(|id| id == member(group, "GroupId")));
            groups
                .flat_map(|group| group.get(direction).and_then(Value::as_array).into_iter().flatten())
                .any(|permission| rules::covers_port(permission, way) && rules::names_peer(permission, other_ip, other_groups))
        };
        if self.groups_unseen {
            return true;
        }
        let leaves = from_groups.is_empty() || open(from_groups, "IpPermissionsEgress", to_ip, to_groups);
        leaves && open(to_groups, "IpPermissions", from_ip, from_groups)
    }
}

/// A text member of an object, empty when absent.
fn member<'a>(object: &'a Object, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}
