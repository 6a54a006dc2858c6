//! Rules of security groups: what they let through, and how they are added and taken away.

use std::net::Ipv4Addr;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::describe::missing_parameter;
use super::member;
use crate::sim::values::{Object, list, number, text};
use crate::sim::{ApiError, Call, State};

/// The lists of a permission that name its peers, with the member that names one.
const PEERS: [(&str, &str); 4] =
    [("IpRanges", "CidrIp"), ("Ipv6Ranges", "CidrIpv6"), ("PrefixListIds", "PrefixListId"), ("UserIdGroupPairs", "GroupId")];

/// Whether a permission is for this TCP port.
pub(super) fn covers_port(permission: &Value, port: u16) -> bool {
    match text(permission, "IpProtocol") {
        Some("-1") => true,
        Some("tcp" | "6") => {
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

/// The rules of a group one by one, as DescribeSecurityGroupRules gives them. Their ids follow from what they say.
pub(super) fn of_group(group: &Object) -> Vec<Object> {
    let mut rules = Vec::new();
    for (direction, egress) in [("IpPermissions", false), ("IpPermissionsEgress", true)] {
        for permission in group.get(direction).and_then(Value::as_array).into_iter().flatten() {
            for (peers, _) in PEERS {
                rules.extend(list(permission, peers).iter().map(|peer| rule(group, permission, peers, peer, egress)));
            }
        }
    }
    rules
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

pub(super) fn authorize(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    let asked = permissions(input, &state.account)?;
    let group = group_of(state, input)?;
    let before = of_group(group);
    for permission in &asked {
        if let Some(peer) =
            peers(permission).find(|peer| group_permissions(group).iter().any(|known| same(known, permission) && has(known, peer)))
        {
            let message = format!("the specified rule \"peer: {}, {}, ALLOW\" already exists", peer.name, ports(permission));
            return Err(ApiError::new("InvalidPermission.Duplicate", message));
        }
    }
    asked.into_iter().for_each(|permission| add(group, permission));
    let added: Vec<Object> = of_group(group).into_iter().filter(|rule| !before.contains(rule)).collect();
    let id = member(group, "GroupId").to_owned();
    state.note_effect(call, None, id);
    Ok(json!({"Return": true, "SecurityGroupRules": added}))
}

pub(super) fn revoke(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    let asked = permissions(input, &state.account)?;
    let group = group_of(state, input)?;
    for permission in &asked {
        let all =
            peers(permission).all(|peer| group_permissions(group).iter().any(|known| same(known, permission) && has(known, &peer)));
        if !all {
            return Err(ApiError::new("InvalidPermission.NotFound", "The specified rule does not exist in this security group."));
        }
    }
    let known = group.get_mut("IpPermissions").and_then(Value::as_array_mut);
    if let Some(known) = known {
        for permission in &asked {
            for entry in known.iter_mut().filter(|entry| same(entry, permission)) {
                remove_peers(entry, permission);
            }
        }
        known.retain(|entry| PEERS.iter().any(|(peers, _)| !list(entry, peers).is_empty()));
    }
    let id = member(group, "GroupId").to_owned();
    state.note_effect(call, None, id);
    Ok(json!({"Return": true}))
}

fn group_of<'a>(state: &'a mut State, input: &Value) -> Result<&'a mut Object, ApiError> {
    let id = text(input, "GroupId").ok_or_else(|| missing_parameter("groupId"))?;
    let missing = || ApiError::new("InvalidGroup.NotFound", format!("The security group '{id}' does not exist"));
    state.ec2.security_groups.iter_mut().find(|group| member(group, "GroupId") == id).ok_or_else(missing)
}

fn group_permissions(group: &Object) -> &[Value] {
    group.get("IpPermissions").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The permissions of a request, in the shape that descriptions have: the list, or the one written flat.
fn permissions(input: &Value, account: &str) -> Result<Vec<Value>, ApiError> {
    let flat = || {
        let mut permission = input.clone();
        if let Some(cidr) = text(input, "CidrIp") {
            permission["IpRanges"] = json!([{"CidrIp": cidr}]);
        }
        vec![permission]
    };
    let sent = list(input, "IpPermissions");
    let sent = if sent.is_empty() { flat() } else { sent.to_vec() };
    sent.iter().map(|permission| shaped(permission, account)).collect()
}

fn shaped(permission: &Value, account: &str) -> Result<Value, ApiError> {
    let protocol = text(permission, "IpProtocol").ok_or_else(|| missing_parameter("ipProtocol"))?;
    let mut shaped = json!({"IpProtocol": protocol});
    for port in ["FromPort", "ToPort"] {
        if let Some(number) = number(permission, port) {
            shaped[port] = json!(number);
        } else if protocol != "-1" {
            return Err(missing_parameter(port));
        }
    }
    for (peers, _) in PEERS {
        shaped[peers] = json!(list(permission, peers));
    }
    for pair in shaped["UserIdGroupPairs"].as_array_mut().into_iter().flatten() {
        if pair.get("UserId").is_none() {
            pair["UserId"] = json!(account);
        }
    }
    Ok(shaped)
}

/// A peer of a permission: in which list it stands and what it is.
struct Peer<'a> {
    list: &'static str,
    key: &'static str,
    name: &'a str,
}

fn peers(permission: &Value) -> impl Iterator<Item = Peer<'_>> {
    let of = move |(peers, key): (&'static str, &'static str)| {
        list(permission, peers).iter().filter_map(move |peer| Some(Peer { list: peers, key, name: text(peer, key)? }))
    };
    PEERS.into_iter().flat_map(of)
}

fn has(permission: &Value, peer: &Peer<'_>) -> bool {
    list(permission, peer.list).iter().any(|known| text(known, peer.key) == Some(peer.name))
}

/// Whether two permissions are for the same protocol and ports.
fn same(a: &Value, b: &Value) -> bool {
    text(a, "IpProtocol") == text(b, "IpProtocol")
        && number(a, "FromPort") == number(b, "FromPort")
        && number(a, "ToPort") == number(b, "ToPort")
}

fn ports(permission: &Value) -> String {
    let protocol = text(permission, "IpProtocol").unwrap_or("-1").to_uppercase();
    let port = |name| number(permission, name).map_or_else(|| "-1".to_owned(), |port| port.to_string());
    format!("{protocol}, from port: {}, to port: {}", port("FromPort"), port("ToPort"))
}

fn add(group: &mut Object, permission: Value) {
    let entry = group.entry("IpPermissions").or_insert_with(|| json!([]));
    let Some(known) = entry.as_array_mut() else { return };
    let Some(into) = known.iter_mut().find(|known| same(known, &permission)) else {
        known.push(permission);
        return;
    };
    for (peers, _) in PEERS {
        let mut all = list(into, peers).to_vec();
        all.extend_from_slice(list(&permission, peers));
        into[peers] = json!(all);
    }
}

fn remove_peers(entry: &mut Value, permission: &Value) {
    for peer in peers(permission) {
        if let Some(list) = entry.get_mut(peer.list).and_then(Value::as_array_mut) {
            list.retain(|known| text(known, peer.key) != Some(peer.name));
        }
    }
}
