//! Rules of security groups: what they let through, and each by itself, as DescribeSecurityGroupRules gives them.

use std::net::Ipv4Addr;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Ec2, member};
use crate::sim::Millis;
use crate::sim::sender::Transport;
use crate::sim::values::{Object, list, number, text};

/// The lists of a permission that name its peers, with the member that names one.
pub(super) const PEERS: [(&str, &str); 4] =
    [("IpRanges", "CidrIp"), ("Ipv6Ranges", "CidrIpv6"), ("PrefixListIds", "PrefixListId"), ("UserIdGroupPairs", "GroupId")];

/// Whether a permission is for this port.
pub(super) fn covers_port(permission: &Value, (transport, port): (Transport, u16)) -> bool {
    match text(permission, "IpProtocol") {
        Some("-1") => true,
        Some(word) if transport.words().contains(&word) => {
            let from = number(permission, "FromPort").unwrap_or(-1);
            let to = number(permission, "ToPort").unwrap_or(from);
            from == -1 || (from..=to).contains(&i64::from(port))
        }
        _ => false,
    }
}

/// Whether a permission names the peer, by a CIDR or by one of its groups.
pub(super) fn names_peer(permission: &Value, ip: &str, groups: &[String]) -> bool {
    let by_group = list(permission, "UserIdGroupPairs")
        .iter()
        .filter_map(|pair| text(pair, "GroupId"))
        .any(|id| groups.iter().any(|g| g == id));
    by_group || list(permission, "IpRanges").iter().filter_map(|range| text(range, "CidrIp")).any(|cidr| in_cidr(ip, cidr))
}

fn in_cidr(ip: &str, cidr: &str) -> bool {
    let read = || {
        let (network, bits) = cidr.split_once('/').unwrap_or((cidr, "32"));
        let mask = match bits.parse::<u32>().ok()? {
            0 => 0,
            bits @ 1..=32 => u32::MAX << (32 - bits),
            _ => return None,
        };
        let network: Ipv4Addr = network.parse().ok()?;
        let ip: Ipv4Addr = ip.parse().ok()?;
        Some(u32::from(ip) & mask == u32::from(network) & mask)
    };
    read().unwrap_or(false)
}

/// A rule whose description lags behind the change of it: EC2's answers are eventually consistent.
#[derive(Clone, Debug)]
pub(super) struct Unsettled {
    /// From when on descriptions are right.
    pub(super) until: Millis,
    pub(super) rule: Object,
    /// Whether it was added; else it was taken away.
    pub(super) added: bool,
}

/// The rules of all groups as descriptions show them at `now`.
pub(super) fn described(ec2: &Ec2, now: Millis) -> Vec<Object> {
    let mut rules: Vec<Object> = ec2.security_groups.iter().flat_map(|group| of_group(ec2, group)).collect();
    for late in ec2.unsettled.iter().filter(|late| late.until > now) {
        let is_it = |rule: &Object| id(rule) == id(&late.rule);
        if late.added {
            rules.retain(|rule| !is_it(rule));
        } else if !rules.iter().any(is_it) {
            rules.push(late.rule.clone());
        }
    }
    rules
}

fn id(rule: &Object) -> &str {
    member(rule, "SecurityGroupRuleId")
}

/// The rules of a group one by one. Of those that were here when the account began, and of which it said no more, the ids follow
/// from what they say.
pub(super) fn of_group(ec2: &Ec2, group: &Object) -> Vec<Object> {
    let mut rules = Vec::new();
    for (direction, egress) in [("IpPermissions", false), ("IpPermissionsEgress", true)] {
        for permission in group.get(direction).and_then(Value::as_array).into_iter().flatten() {
            for (peers, _) in PEERS {
                let each = list(permission, peers).iter().map(|peer| rule(group, permission, peers, peer, egress));
                rules.extend(each.map(|rule| ec2.rules.iter().find(|known| same(known, &rule)).cloned().unwrap_or(rule)));
            }
        }
    }
    rules
}

/// Whether two descriptions are of one rule: it is in the same group, for the same ports and peer.
pub(super) fn same(one: &Object, other: &Object) -> bool {
    let members = ["GroupId", "IsEgress", "IpProtocol", "FromPort", "ToPort", "CidrIpv4", "CidrIpv6", "PrefixListId"];
    let peer = |rule: &Object| rule.get("ReferencedGroupInfo").and_then(|info| info.get("GroupId")).cloned();
    members.iter().all(|name| one.get(*name) == other.get(*name)) && peer(one) == peer(other)
}

fn rule(group: &Object, permission: &Value, peers: &str, peer: &Value, egress: bool) -> Object {
    let id = member(group, "GroupId");
    let mut rule = json!({
        "GroupId": id,
        "GroupOwnerId": member(group, "OwnerId"),
        "IsEgress": egress,
        "IpProtocol": text(permission, "IpProtocol").unwrap_or("-1"),
        "FromPort": number(permission, "FromPort").unwrap_or(-1),
        "ToPort": number(permission, "ToPort").unwrap_or(-1),
        "Tags": [],
    });
    match peers {
        "IpRanges" => rule["CidrIpv4"] = peer["CidrIp"].clone(),
        "Ipv6Ranges" => rule["CidrIpv6"] = peer["CidrIpv6"].clone(),
        "PrefixListIds" => rule["PrefixListId"] = peer["PrefixListId"].clone(),
        _ => rule["ReferencedGroupInfo"] = json!({"GroupId": peer["GroupId"], "UserId": peer["UserId"]}),
    }
    if let Some(description) = text(peer, "Description") {
        rule["Description"] = json!(description);
    }
    let digest = Sha256::digest(rule.to_string().as_bytes());
    let hex: String = digest.iter().take(9).map(|byte| format!("{byte:02x}")).collect();
    rule["SecurityGroupRuleId"] = json!(format!("sgr-{}", &hex[..17]));
    rule.as_object().cloned().unwrap_or_default()
}
