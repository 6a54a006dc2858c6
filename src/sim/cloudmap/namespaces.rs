//! Namespaces. Which VPCs a private one answers in is Route 53's knowledge and stays off this wire.

use serde_json::{Value, json};

use super::{CloudMap, cut, invalid, member, namespace_of, required};
use crate::sim::values::{Object, list as items, serve_seconds, text, texts};
use crate::sim::{ApiError, State};

pub(super) fn list(state: &State, input: &Value) -> Result<Value, ApiError> {
    let page = cut(state.cloudmap.namespaces.iter().collect(), input)?;
    let filters = items(input, "Filters");
    let mut kept = Vec::new();
    for namespace in page.items {
        let mut fits = true;
        for filter in filters {
            fits &= passes(namespace, filter, &state.account)?;
        }
        if fits {
            let mut summary = described(state, namespace);
            summary.remove("CreatorRequestId");
            kept.push(summary);
        }
    }
    let mut output = json!({"Namespaces": kept});
    if let Some(next) = page.next {
        output["NextToken"] = json!(next);
    }
    Ok(output)
}

impl CloudMap {
    /// The name of a hosted zone, and the VPCs in which its names are answered.
    pub(in crate::sim) fn hosted_zone(&self, id: &str) -> Option<(&str, Vec<String>)> {
        let zone = |namespace: &&Object| {
            let dns = namespace.get("Properties").and_then(|properties| properties.get("DnsProperties"));
            dns.and_then(|dns| text(dns, "HostedZoneId")) == Some(id)
        };
        let namespace = self.namespaces.iter().find(zone)?;
        Some((member(namespace, "Name"), namespace.get("VpcIds").map_or(Vec::new(), |_| texts(&json!(namespace), "VpcIds"))))
    }
}

pub(super) fn get(state: &State, input: &Value) -> Result<Value, ApiError> {
    let namespace = state.cloudmap.namespace(required(input, "Id")?)?;
    Ok(json!({"Namespace": described(state, namespace)}))
}

fn described(state: &State, namespace: &Object) -> Object {
    let mut object = namespace.clone();
    object.remove("VpcIds");
    serve_seconds(&mut object, "CreateDate");
    let id = member(namespace, "Id");
    let services = state.cloudmap.services.iter().filter(|service| namespace_of(service) == id).count();
    object.insert("ServiceCount".to_owned(), json!(services));
    object
}

fn passes(namespace: &Object, filter: &Value, account: &str) -> Result<bool, ApiError> {
    let value = match text(filter, "Name").unwrap_or_default() {
        "TYPE" => member(namespace, "Type"),
        "NAME" => member(namespace, "Name"),
        "HTTP_NAME" => {
            let http = namespace.get("Properties").and_then(|properties| properties.get("HttpProperties"));
            http.and_then(|http| text(http, "HttpName")).unwrap_or_default()
        }
        "RESOURCE_OWNER" => {
            let owner = namespace.get("ResourceOwner").and_then(Value::as_str).unwrap_or(account);
            if owner == account { "SELF" } else { "OTHER_ACCOUNTS" }
        }
        other => return Err(invalid(format!("Unknown filter name: {other}"))),
    };
    compare(filter, value)
}

/// Whether a value passes a filter's condition.
pub(super) fn compare(filter: &Value, value: &str) -> Result<bool, ApiError> {
    let values = texts(filter, "Values");
    if values.is_empty() {
        return Err(invalid("A filter needs at least one value."));
    }
    match text(filter, "Condition").unwrap_or("EQ") {
        "EQ" | "IN" => Ok(values.iter().any(|wanted| wanted == value)),
        "BEGINS_WITH" => Ok(values.iter().any(|wanted| value.starts_with(wanted.as_str()))),
        other => Err(invalid(format!("Unsupported filter condition: {other}"))),
    }
}
