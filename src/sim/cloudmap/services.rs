//! Cloud Map services: their life and tags.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::namespaces::compare;
use super::{cut, invalid, member, namespace_of, required};
use crate::sim::values::{Object, epoch_seconds, list as items, number, serve_seconds, text, texts};
use crate::sim::{ApiError, Call, State};

pub(super) fn list(state: &State, input: &Value) -> Result<Value, ApiError> {
    let page = cut(state.cloudmap.services.iter().collect(), input)?;
    let mut kept = Vec::new();
    for service in page.items {
        let mut fits = true;
        for filter in items(input, "Filters") {
            fits &= match text(filter, "Name").unwrap_or_default() {
                "NAMESPACE_ID" => compare(filter, namespace_of(service))?,
                "RESOURCE_OWNER" => compare(filter, "SELF")?,
                other => return Err(invalid(format!("Unknown filter name: {other}"))),
            };
        }
        if fits {
            let mut summary = described(state, service);
            summary.remove("NamespaceId");
            summary.remove("CreatorRequestId");
            kept.push(summary);
        }
    }
    let mut output = json!({"Services": kept});
    if let Some(next) = page.next {
        output["NextToken"] = json!(next);
    }
    Ok(output)
}

pub(super) fn get(state: &State, input: &Value) -> Result<Value, ApiError> {
    Ok(json!({"Service": described(state, state.cloudmap.service(required(input, "Id")?)?)}))
}

fn described(state: &State, service: &Object) -> Object {
    let mut object = service.clone();
    serve_seconds(&mut object, "CreateDate");
    let count = state.cloudmap.listed(member(service, "Id")).count();
    object.insert("InstanceCount".to_owned(), json!(count));
    object
}

pub(super) fn create(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    let name = required(input, "Name")?.to_owned();
    let asked = text(input, "NamespaceId").or_else(|| text(input.get("DnsConfig")?, "NamespaceId"));
    let asked = asked.ok_or_else(|| invalid("NamespaceId must be specified"))?;
    let namespace = state.cloudmap.namespace(asked)?;
    let (namespace_id, kind) = (member(namespace, "Id").to_owned(), member(namespace, "Type").to_owned());
    let dns = dns_config(input, &kind, &namespace_id)?;
    check_name(&name, kind != "HTTP")?;
    check_health(input, &kind)?;
    let token = text(input, "CreatorRequestId").map(str::to_owned);
    if token.as_ref().is_some_and(|token| token.is_empty() || token.len() > 64) {
        return Err(invalid("CreatorRequestId must have between 1 and 64 characters"));
    }
    if let Some(known) = same_name(state, &namespace_id, &name) {
        return existing(state, known, input, token.as_deref());
    }
    let id = service_id(state, &namespace_id, &name);
    let arn = format!("arn:aws:servicediscovery:{}:{}:service/{id}", state.region, state.account);
    let mut service = json!({
        "Id": id,
        "Arn": arn,
        "ResourceOwner": state.account,
        "Name": name,
        "NamespaceId": namespace_id,
        "Type": if dns.is_some() { "DNS_HTTP" } else { "HTTP" },
        "CreateDate": epoch_seconds(state.now),
        "CreatorRequestId": token.clone().unwrap_or_else(|| call.request_id.clone()),
        "CreatedByAccount": state.account,
    });
    if let Some(description) = text(input, "Description") {
        service["Description"] = json!(description);
    }
    if let Some(dns) = dns {
        service["DnsConfig"] = dns;
    }
    if input.get("HealthCheckCustomConfig").is_some() {
        service["HealthCheckCustomConfig"] = json!({"FailureThreshold": 1});
    } else if let Some(check) = input.get("HealthCheckConfig") {
        service["HealthCheckConfig"] = check.clone();
    }
    let service = service.as_object().cloned().unwrap_or_default();
    let output = json!({"Service": described(state, &service)});
    state.cloudmap.services.push(service);
    if !items(input, "Tags").is_empty() {
        state.cloudmap.tags.insert(arn.clone(), items(input, "Tags").to_vec());
    }
    state.note_effect(call, token, arn);
    Ok(output)
}

/// The record's part of a service; names in a DNS namespace may also go without records (Type HTTP).
fn dns_config(input: &Value, kind: &str, namespace: &str) -> Result<Option<Value>, ApiError> {
    let Some(dns) = input.get("DnsConfig").filter(|_| text(input, "Type") != Some("HTTP")) else { return Ok(None) };
    if kind == "HTTP" {
        return Err(invalid("DnsConfig is not allowed for a service in an HTTP namespace."));
    }
    let records = items(dns, "DnsRecords");
    if records.is_empty() {
        return Err(invalid("DnsConfig must have at least one DnsRecord."));
    }
    for record in records {
        if !["A", "AAAA", "SRV", "CNAME"].contains(&text(record, "Type").unwrap_or_default()) || number(record, "TTL").is_none() {
            return Err(invalid("A DnsRecord needs a Type of A, AAAA, SRV or CNAME and a TTL."));
        }
    }
    let policy = text(dns, "RoutingPolicy").unwrap_or("MULTIVALUE");
    if !["MULTIVALUE", "WEIGHTED"].contains(&policy) {
        return Err(invalid(format!("Unknown RoutingPolicy: {policy}")));
    }
    Ok(Some(json!({"NamespaceId": namespace, "RoutingPolicy": policy, "DnsRecords": records})))
}

fn check_health(input: &Value, kind: &str) -> Result<(), ApiError> {
    let (route53, custom) = (input.get("HealthCheckConfig"), input.get("HealthCheckCustomConfig"));
    if route53.is_some() && custom.is_some() {
        return Err(invalid("HealthCheckConfig and HealthCheckCustomConfig are mutually exclusive."));
    }
    if route53.is_some() && kind == "DNS_PRIVATE" {
        return Err(invalid("HealthCheckConfig is not supported for private DNS namespaces."));
    }
    Ok(())
}

fn check_name(name: &str, in_dns: bool) -> Result<(), ApiError> {
    let label = |label: &str| {
        let mut ends = [label.chars().next(), label.chars().last()].into_iter().flatten();
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            && ends.all(|c| c != '-')
    };
    let fits = !name.is_empty() && name.len() <= 127 && (!in_dns || name.split('.').all(label));
    if fits { Ok(()) } else { Err(invalid(format!("The service name '{name}' is not valid."))) }
}

/// Names in a namespace are told apart without regard to case.
fn same_name<'a>(state: &'a State, namespace: &str, name: &str) -> Option<&'a Object> {
    let same = |service: &&Object| namespace_of(service) == namespace && member(service, "Name").eq_ignore_ascii_case(name);
    state.cloudmap.services.iter().find(same)
}

/// A replay of the same request gives its first answer; anything else is told what is there.
fn existing(state: &State, known: &Object, input: &Value, token: Option<&str>) -> Result<Value, ApiError> {
    let wants = |path: fn(&Value) -> Option<&Value>| path(input);
    let records = wants(|input| input.get("DnsConfig")?.get("DnsRecords"));
    let same_records = records == known.get("DnsConfig").and_then(|dns| dns.get("DnsRecords"));
    if token == Some(member(known, "CreatorRequestId")) && same_records {
        return Ok(json!({"Service": described(state, known)}));
    }
    Err(ApiError::new("ServiceAlreadyExists", "Service already exists.")
        .member("ServiceId", member(known, "Id"))
        .member("ServiceArn", member(known, "Arn"))
        .member("CreatorRequestId", member(known, "CreatorRequestId")))
}

/// The same name in the same namespace has the same id, also after it was deleted.
fn service_id(state: &State, namespace: &str, name: &str) -> String {
    let key = (namespace.to_owned(), name.to_lowercase());
    if let Some(id) = state.cloudmap.retired.get(&key) {
        return id.clone();
    }
    let digest = Sha256::digest(format!("{namespace}/{}", key.1).as_bytes());
    let letter = |byte: &u8| char::from(b"abcdefghijklmnopqrstuvwxyz234567"[usize::from(byte % 32)]);
    format!("srv-{}", digest.iter().take(16).map(letter).collect::<String>())
}

pub(super) fn delete(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    let service = state.cloudmap.service(required(input, "Id")?)?.clone();
    let id = member(&service, "Id").to_owned();
    if state.cloudmap.instances.get(&id).is_some_and(|instances| !instances.is_empty()) {
        let message = "Service contains registered instances; delete the instances before deleting the service";
        return Err(ApiError::new("ResourceInUse", message));
    }
    state.cloudmap.services.retain(|known| member(known, "Id") != id);
    state.cloudmap.instances.remove(&id);
    let arn = member(&service, "Arn");
    state.cloudmap.tags.remove(arn);
    let key = (namespace_of(&service).to_owned(), member(&service, "Name").to_lowercase());
    state.cloudmap.retired.insert(key, id);
    state.note_effect(call, None, arn);
    Ok(json!({}))
}

pub(super) fn tag(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    let arn = tagged(state, input)?;
    let tags = state.cloudmap.tags.entry(arn.clone()).or_default();
    for tag in items(input, "Tags") {
        tags.retain(|known| text(known, "Key") != text(tag, "Key"));
        tags.push(tag.clone());
    }
    if tags.len() > 50 {
        return Err(ApiError::new("TooManyTagsException", "The list of tags on the resource is over the limit."));
    }
    state.note_effect(call, None, arn);
    Ok(json!({}))
}

pub(super) fn untag(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    let arn = tagged(state, input)?;
    let keys = texts(input, "TagKeys");
    if let Some(tags) = state.cloudmap.tags.get_mut(&arn) {
        tags.retain(|tag| !keys.iter().any(|key| text(tag, "Key") == Some(key)));
    }
    state.note_effect(call, None, arn);
    Ok(json!({}))
}

pub(super) fn tags(state: &State, input: &Value) -> Result<Value, ApiError> {
    let arn = tagged(state, input)?;
    Ok(json!({"Tags": state.cloudmap.tags.get(&arn).cloned().unwrap_or_default()}))
}

/// The ARN of an existing service or namespace.
fn tagged(state: &State, input: &Value) -> Result<String, ApiError> {
    let arn = required(input, "ResourceARN")?;
    let map = &state.cloudmap;
    let known = map.services.iter().chain(&map.namespaces).any(|object| member(object, "Arn") == arn);
    if known { Ok(arn.to_owned()) } else { Err(ApiError::new("ResourceNotFoundException", format!("Resource not found: {arn}"))) }
}
