//! EC2's own names: on the wire many members are called otherwise than in the model and in what the CLI prints.

use serde_json::Value;

/// Request parameters whose wire name is not the member's. `(wire, member)`.
const REQUEST: &[(&str, &str)] = &[
    ("Filter", "Filters"),
    ("GroupId", "GroupIds"),
    ("GroupName", "GroupNames"),
    ("Groups", "UserIdGroupPairs"),
    ("NetworkInterfaceId", "NetworkInterfaceIds"),
    ("SecurityGroupRuleId", "SecurityGroupRuleIds"),
    ("RouteTableId", "RouteTableIds"),
    ("SubnetId", "SubnetIds"),
    ("Tag", "Tags"),
    ("TagSpecification", "TagSpecifications"),
    ("Value", "Values"),
    ("VpcId", "VpcIds"),
];

/// Answer members whose element is not the member's name with a small first letter: `(parent, member, element)`; the parent is
/// the member (or operation) that holds the structure, `*` any.
const ANSWER: &[(&str, &str, &str)] = &[
    ("*", "Tags", "tagSet"),
    ("*", "UserIdGroupPairs", "groups"),
    ("*", "SecurityGroups", "securityGroupInfo"),
    ("*", "SecurityGroupRules", "securityGroupRuleSet"),
    ("*", "RevokedSecurityGroupRules", "revokedSecurityGroupRuleSet"),
    ("*", "UnknownIpPermissions", "unknownIpPermissionSet"),
    ("*", "NetworkInterfaces", "networkInterfaceSet"),
    ("*", "PrivateIpAddresses", "privateIpAddressesSet"),
    ("*", "Subnets", "subnetSet"),
    ("*", "Vpcs", "vpcSet"),
    ("*", "RouteTables", "routeTableSet"),
    ("RouteTables", "Routes", "routeSet"),
    ("RouteTables", "Associations", "associationSet"),
    ("RouteTables", "PropagatingVgws", "propagatingVgwSet"),
    ("SecurityGroups", "Description", "groupDescription"),
    ("NetworkInterfaces", "Groups", "groupSet"),
];

/// Member names for wire names, where a list was sent (a single `GroupId` of a mutation keeps its name).
pub(super) fn input(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let renamed = members.into_iter().map(|(name, member)| {
                let known = REQUEST.iter().find(|(wire, _)| *wire == name && member.is_array());
                (known.map_or(name, |(_, member)| (*member).to_owned()), input(member))
            });
            Value::Object(renamed.collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(input).collect()),
        leaf => leaf,
    }
}

/// The element that a member is written as inside `parent`.
pub(super) fn element(parent: &str, member: &str) -> String {
    let known = ANSWER.iter().find(|(holder, name, _)| *name == member && (*holder == "*" || *holder == parent));
    if let Some((_, _, element)) = known {
        return (*element).to_owned();
    }
    let mut letters = member.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}
