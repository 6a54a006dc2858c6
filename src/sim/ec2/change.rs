//! How rules of security groups are added and taken away.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::describe::missing_parameter;
use super::rules::{self, PEERS, Unsettled};
use super::{Ec2, member};
use crate::sim::values::{Object, list, number, text, texts};
use crate::sim::wire::Service;
use crate::sim::{ApiError, Call, State, iam};

pub(super) fn authorize(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    let asked = permissions(input, &state.account)?;
    let tags = tags(input)?;
    if !tags.is_empty() {
        iam::permit(state, Service::Ec2, "CreateTags")?;
    }
    for permission in &asked {
        check(&state.ec2, permission)?;
    }
    let most = state.assume.control.rules_per_group;
    let seen = state.now + state.assume.control.rule_seen_after;
    let at = place_of_group(&state.ec2, input)?;
    let before = rules::of_group(&state.ec2, &state.ec2.security_groups[at]);
    let group = &mut state.ec2.security_groups[at];
    for permission in &asked {
        if let Some(peer) =
            peers(permission).find(|peer| group_permissions(group).iter().any(|known| same(known, permission) && has(known, peer)))
        {
            let message = format!("the specified rule \"peer: {}, {}, ALLOW\" already exists", peer.name, ports(permission));
            return Err(ApiError::new("InvalidPermission.Duplicate", message));
        }
    }
    let ingress = before.iter().filter(|rule| rule["IsEgress"] == false).count();
    if ingress + asked.iter().map(|permission| peers(permission).count()).sum::<usize>() > most {
        let message = "The maximum number of rules per security group has been reached.";
        return Err(ApiError::new("RulesPerSecurityGroupLimitExceeded", message));
    }
    asked.into_iter().for_each(|permission| add(group, permission));
    let ec2 = &mut state.ec2;
    let after = rules::of_group(ec2, &ec2.security_groups[at]);
    let mut added: Vec<Object> = after.into_iter().filter(|rule| !before.iter().any(|known| rules::same(known, rule))).collect();
    for rule in &mut added {
        ec2.made += 1;
        rule.insert("SecurityGroupRuleId".to_owned(), json!(new_id(rule, ec2.made)));
        rule.insert("Tags".to_owned(), json!(tags));
        ec2.rules.push(rule.clone());
        ec2.unsettled.push(Unsettled { until: seen, rule: rule.clone(), added: true });
    }
    state.note_effect(call, None, ids(&added));
    Ok(json!({"Return": true, "SecurityGroupRules": added}))
}

/// No two rules have one id, even where one says what an earlier one said.
fn new_id(rule: &Object, made: u64) -> String {
    let digest = Sha256::digest(format!("{made} {}", json!(rule)).as_bytes());
    let hex: String = digest.iter().take(9).map(|byte| format!("{byte:02x}")).collect();
    format!("sgr-{}", &hex[..17])
}

fn ids(rules: &[Object]) -> String {
    rules.iter().map(|rule| member(rule, "SecurityGroupRuleId")).collect::<Vec<_>>().join(", ")
}

pub(super) fn revoke(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    let at = place_of_group(&state.ec2, input)?;
    let before = rules::of_group(&state.ec2, &state.ec2.security_groups[at]);
    let wanted = texts(input, "SecurityGroupRuleIds");
    let asked = if wanted.is_empty() { permissions(input, &state.account)? } else { by_ids(&before, &wanted)? };
    let group = &mut state.ec2.security_groups[at];
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
    let seen = state.now + state.assume.control.rule_seen_after;
    let ec2 = &mut state.ec2;
    let after = rules::of_group(ec2, &ec2.security_groups[at]);
    let gone: Vec<Object> = before.into_iter().filter(|rule| !after.iter().any(|left| rules::same(left, rule))).collect();
    ec2.rules.retain(|known| !gone.iter().any(|rule| rules::same(known, rule)));
    ec2.unsettled.extend(gone.iter().map(|rule| Unsettled { until: seen, rule: rule.clone(), added: false }));
    state.note_effect(call, None, ids(&gone));
    Ok(json!({"Return": true, "RevokedSecurityGroupRules": gone.iter().map(revoked).collect::<Vec<_>>()}))
}

/// A rule as the answer to its revocation gives it.
fn revoked(rule: &Object) -> Value {
    let mut told = rule.clone();
    let referenced = told.remove("ReferencedGroupInfo");
    for name in ["GroupOwnerId", "Tags"] {
        told.remove(name);
    }
    if let Some(group) = referenced.and_then(|info| info.get("GroupId").cloned()) {
        told.insert("ReferencedGroupId".to_owned(), group);
    }
    Value::Object(told)
}

/// The permissions that rules of these ids are.
fn by_ids(rules: &[Object], wanted: &[String]) -> Result<Vec<Value>, ApiError> {
    let find = |wanted: &String| {
        let fits = |rule: &&Object| member(rule, "SecurityGroupRuleId") == wanted && rule["IsEgress"] == false;
        let rule = rules.iter().find(fits).ok_or_else(|| {
            let message = format!("The security group rule ID '{wanted}' does not exist");
            ApiError::new("InvalidSecurityGroupRuleId.NotFound", message)
        })?;
        let mut permission = json!({"IpProtocol": rule["IpProtocol"]});
        for port in ["FromPort", "ToPort"] {
            if rule["IpProtocol"] != "-1" {
                permission[port] = rule[port].clone();
            }
        }
        let peer = |name: &str| rule.get(name).cloned();
        for (list, key) in PEERS {
            let found = match list {
                "IpRanges" => peer("CidrIpv4"),
                "UserIdGroupPairs" => peer("ReferencedGroupInfo").and_then(|info| info.get("GroupId").cloned()),
                _ => peer(key),
            };
            permission[list] = found.map_or_else(|| json!([]), |found| json!([{ key: found }]));
        }
        Ok(permission)
    };
    wanted.iter().map(find).collect()
}

/// The tags that new rules get.
fn tags(input: &Value) -> Result<Vec<Value>, ApiError> {
    let mut tags = Vec::new();
    for specification in list(input, "TagSpecifications") {
        let kind = text(specification, "ResourceType").unwrap_or_default();
        if kind != "security-group-rule" {
            let message = format!("'{kind}' is not a valid taggable resource type for this operation.");
            return Err(ApiError::new("InvalidParameterValue", message));
        }
        tags.extend_from_slice(list(specification, "Tags"));
    }
    Ok(tags)
}

/// What EC2 refuses in a permission, whatever group it is for.
fn check(ec2: &Ec2, permission: &Value) -> Result<(), ApiError> {
    let named = list(permission, "UserIdGroupPairs").iter().filter_map(|pair| text(pair, "GroupId"));
    if let Some(unknown) = named.into_iter().find(|id| !ec2.security_group_exists(id)) {
        return Err(no_group(unknown));
    }
    let range = [number(permission, "FromPort"), number(permission, "ToPort")];
    if let ([Some(from), Some(to)], Some("tcp" | "6" | "udp" | "17")) = (range, text(permission, "IpProtocol"))
        && !(0 <= from && from <= to && to <= 65_535)
    {
        let message = format!("Invalid value '{from}-{to}' for port range. Must be in the range 0-65535.");
        return Err(ApiError::new("InvalidParameterValue", message));
    }
    let described = PEERS.iter().flat_map(|(peers, _)| list(permission, peers)).filter_map(|peer| text(peer, "Description"));
    let fine = |letter: char| letter.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(letter);
    for description in described {
        if description.len() > 255 || !description.chars().all(fine) {
            let message = "Invalid rule description. Valid descriptions are strings less than 256 characters from the following \
                           set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*";
            return Err(ApiError::new("InvalidParameterValue", message));
        }
    }
    Ok(())
}

fn no_group(id: &str) -> ApiError {
    ApiError::new("InvalidGroup.NotFound", format!("The security group '{id}' does not exist"))
}

fn place_of_group(ec2: &Ec2, input: &Value) -> Result<usize, ApiError> {
    let id = text(input, "GroupId").ok_or_else(|| missing_parameter("groupId"))?;
    ec2.security_groups.iter().position(|group| member(group, "GroupId") == id).ok_or_else(|| no_group(id))
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
