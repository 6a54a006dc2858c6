//! What may be secret is masked before a capture is written. What planning and the simulator look at stays readable, so that the
//! plan over a capture is the one over the account.
//!
//! | where | stays | becomes [`MASK`] |
//! | --- | --- | --- |
//! | values of environment variables | those of the variables that the runbook retargets, the settings in [`SETTINGS`], `true` and `false`, addresses (below) | everything else |
//! | `OTEL_RESOURCE_ATTRIBUTES` | `service.name` | the other attributes' values |
//! | arguments of `command`, `entryPoint` and health checks | options' names, the words in [`WORDS`], base paths, addresses | every other word |
//! | options of log drivers | `awslogs-…`, addresses | the rest |
//! | `secrets`, registry credentials, environment files | what the ARN says of service, Region and account | the resource in it |
//! | docker labels, options of volume drivers, FireLens options | their names; `true`, `false`, addresses | their values |
//! | listener rules on headers, cookies and query strings | that they are there | what they compare with |
//! | attributes of Cloud Map instances | AWS's own | the rest |
//!
//! An address is a loopback one or one that the runbook names; a user, a password, a query and a fragment in it are masked. A text
//! that the runbook itself has in it stays: whoever holds the runbook knows it. Tags, names and ARNs of resources are no secrets and
//! stay.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::model::Runbook;

/// What stands in the place of what was there.
pub const MASK: &str = "<masked>";

/// Variables whose values are settings of tracing and say nothing else.
const SETTINGS: &[&str] = &[
    "AWS_XRAY_CONTEXT_MISSING",
    "AWS_XRAY_TRACING_NAME",
    "MEMORY_MAX_TRACES",
    "OTEL_EXPORTER_OTLP_COMPRESSION",
    "OTEL_EXPORTER_OTLP_INSECURE",
    "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL",
    "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_LOGS_EXPORTER",
    "OTEL_METRICS_EXPORTER",
    "OTEL_PROPAGATORS",
    "OTEL_SDK_DISABLED",
    "OTEL_SERVICE_NAME",
    "OTEL_TRACES_EXPORTER",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "QUERY_BASE_PATH",
    "SPAN_STORAGE_TYPE",
];

/// Words of commands that say nothing but what is done: programs of health checks, a shell's syntax.
const WORDS: &[&str] = &[
    "&&",
    "/bin/bash",
    "/bin/sh",
    "0",
    "1",
    "2",
    ";",
    "CMD",
    "CMD-SHELL",
    "NONE",
    "bash",
    "curl",
    "echo",
    "exec",
    "exit",
    "false",
    "grep",
    "nc",
    "pgrep",
    "sh",
    "test",
    "true",
    "wget",
    "|",
    "||",
];

const LOOPBACK: &[&str] = &["localhost", "127.0.0.1", "0.0.0.0", "::1", "[::1]"];

/// What the runbook makes readable.
struct Known {
    /// Every text in its stages.
    texts: BTreeSet<String>,
    /// Variables that it sets anew.
    retargeted: BTreeSet<String>,
    hosts: BTreeSet<String>,
}

impl Known {
    fn of(runbook: &Runbook) -> Self {
        let mut texts = BTreeSet::new();
        let mut retargeted = BTreeSet::new();
        for stage in &runbook.stages {
            collect(&stage.body, &mut texts);
            retargeted.extend(stage.body["set"].as_object().into_iter().flat_map(|set| set.keys().cloned()));
        }
        let addresses = texts.iter().filter_map(|text| Address::read(text));
        let named = addresses.filter(|found| found.scheme.or(found.port).is_some()).map(|found| found.host.to_owned());
        let hosts = LOOPBACK.iter().map(|host| (*host).to_owned()).chain(named).collect();
        Self { texts, retargeted, hosts }
    }
}

fn collect(value: &Value, texts: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => _ = texts.insert(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(members) => members.values().for_each(|member| collect(member, texts)),
        _ => {}
    }
}

/// The same world with everything masked that may be secret.
pub fn masked(world: &Value, runbook: &Runbook) -> Value {
    let known = Known::of(runbook);
    let mut world = world.clone();
    walk(&mut world["ecs"], &known);
    for rule in world["elbv2"]["rules"].as_array_mut().into_iter().flatten() {
        mask_rule(rule);
    }
    let instances = world["servicediscovery"]["instances"].as_object_mut().into_iter().flat_map(Map::values_mut);
    for instance in instances.filter_map(Value::as_array_mut).flatten() {
        let attributes = instance["Attributes"].as_object_mut().into_iter().flatten();
        attributes.filter(|(name, _)| !is_aws_s(name)).for_each(|(_, value)| *value = Value::from(MASK));
    }
    world
}

/// Attributes that ECS and Cloud Map set.
fn is_aws_s(attribute: &str) -> bool {
    ["AWS_", "ECS_"].iter().any(|prefix| attribute.starts_with(prefix)) || ["AVAILABILITY_ZONE", "REGION"].contains(&attribute)
}

/// Masks by the names of members, wherever they stand: in task definitions, in overrides of tasks, in service revisions.
fn walk(value: &mut Value, known: &Known) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, known)),
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                mask_member(name, member, known);
            }
        }
        _ => {}
    }
}

fn mask_member(name: &str, member: &mut Value, known: &Known) {
    match name {
        "environment" => {
            for pair in member.as_array_mut().into_iter().flatten() {
                let variable = pair["name"].as_str().unwrap_or_default().to_owned();
                if let Some(value) = pair["value"].as_str() {
                    pair["value"] = Value::from(of_variable(&variable, value, known));
                }
            }
        }
        "command" | "entryPoint" => {
            for argument in member.as_array_mut().into_iter().flatten() {
                if let Some(text) = argument.as_str() {
                    *argument = Value::from(words(text, known));
                }
            }
        }
        "options" | "dockerLabels" | "labels" | "driverOpts" => {
            let entries = member.as_object_mut().into_iter().flatten();
            for (_, value) in entries.filter(|(key, _)| name != "options" || !key.starts_with("awslogs-")) {
                *value = Value::from(value.as_str().map_or_else(|| MASK.to_owned(), |found| text(found, known)));
            }
        }
        "secrets" | "secretOptions" => {
            for secret in member.as_array_mut().into_iter().flatten() {
                mask_arn(&mut secret["valueFrom"]);
            }
        }
        "environmentFiles" => {
            for file in member.as_array_mut().into_iter().flatten() {
                mask_arn(&mut file["value"]);
            }
        }
        "credentialsParameter" => mask_arn(member),
        _ => walk(member, known),
    }
}

/// `arn:aws:secretsmanager:us-west-2:111122223333:secret:NAME` without the name.
fn mask_arn(member: &mut Value) {
    let Some(text) = member.as_str() else { return };
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    *member = match parts.as_slice() {
        [arn @ "arn", partition, service, region, account, resource] => {
            let kind = resource.split_once([':', '/']).map(|(kind, _)| &resource[..=kind.len()]).filter(|_| *service != "s3");
            Value::from([*arn, partition, service, region, account, ""].join(":") + kind.unwrap_or_default() + MASK)
        }
        _ => Value::from(MASK),
    };
}

fn mask_rule(rule: &mut Value) {
    for condition in rule["Conditions"].as_array_mut().into_iter().flatten() {
        let plain =
            ["path-pattern", "host-header", "http-request-method", "source-ip"].iter().any(|field| condition["Field"] == **field);
        if plain {
            continue;
        }
        for member in condition.as_object_mut().into_iter().flatten().filter(|(name, _)| *name != "Field").map(|(_, member)| member)
        {
            mask_values(member);
        }
    }
}

/// The texts in `Values`, at any depth; a header's own name stays.
fn mask_values(member: &mut Value) {
    match member {
        Value::String(text) => MASK.clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(mask_values),
        Value::Object(members) => {
            members
                .iter_mut()
                .filter(|(name, _)| *name != "HttpHeaderName" && *name != "Key")
                .for_each(|(_, value)| mask_values(value));
        }
        _ => {}
    }
}

fn of_variable(name: &str, value: &str, known: &Known) -> String {
    if known.retargeted.contains(name) || SETTINGS.contains(&name) {
        return value.to_owned();
    }
    if name == "OTEL_RESOURCE_ATTRIBUTES" {
        let pairs = value.split(',').map(|pair| match pair.split_once('=') {
            Some((key, _)) if key.trim() != "service.name" => format!("{key}={MASK}"),
            Some(_) => pair.to_owned(),
            None => MASK.to_owned(),
        });
        return pairs.collect::<Vec<_>>().join(",");
    }
    // The port beside a host in a variable of its own.
    if name.ends_with("PORT") && value.parse::<u16>().is_ok() {
        return value.to_owned();
    }
    text(value, known)
}

/// A whole text: one that stays, an address, or masked.
fn text(value: &str, known: &Known) -> String {
    if value.is_empty() || value == "true" || value == "false" || known.texts.contains(value) {
        return value.to_owned();
    }
    Address::read(value).filter(|address| known.hosts.contains(address.host)).map_or_else(|| MASK.to_owned(), |found| found.shown())
}

/// An argument, word by word; several masked ones in a row are one.
fn words(argument: &str, known: &Known) -> String {
    if known.texts.contains(argument) {
        return argument.to_owned();
    }
    let mut kept: Vec<String> = Vec::new();
    for found in argument.split_whitespace() {
        let shown = word(found, known);
        if shown != MASK || kept.last().is_none_or(|last| last != MASK) {
            kept.push(shown);
        }
    }
    kept.join(" ")
}

fn word(found: &str, known: &Known) -> String {
    if WORDS.contains(&found) {
        return found.to_owned();
    }
    let (option, value) = found.split_once('=').map_or((found, None), |(option, value)| (option, Some(value)));
    let long = option.strip_prefix("--").filter(|name| {
        !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | '_'))
    });
    let short =
        option.strip_prefix('-').is_some_and(|name| name.len() <= 2 && name.chars().all(|letter| letter.is_ascii_alphabetic()));
    match (long, value) {
        (Some(_), None) => return found.to_owned(),
        // `--set=key=value`, as configuration is given on a command line.
        (Some("set"), Some(pair)) if pair.contains('=') => {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            return format!("{option}={key}={}", of_option(key, value, known));
        }
        (Some(name), Some(value)) => return format!("{option}={}", of_option(name, value, known)),
        (None, None) if short => return found.to_owned(),
        _ => {}
    }
    // Quotes and a shell's separators around an address, or a variable before it.
    let edge = |letter: char| matches!(letter, '"' | '\'' | ';' | '(' | ')' | '|' | '&' | '`');
    let bare = found.trim_matches(edge);
    let bare = bare.split_once('=').map_or(bare, |(_, value)| value).trim_matches(edge);
    match Address::read(bare).filter(|address| known.hosts.contains(address.host)) {
        Some(address) => address.shown(),
        None => MASK.to_owned(),
    }
}

fn of_option(name: &str, value: &str, known: &Known) -> String {
    let base_path = ["base-path", "base_path"].iter().any(|end| name.ends_with(end)) && value.starts_with('/');
    if base_path { value.to_owned() } else { text(value.trim_matches(['"', '\'']), known) }
}

/// `scheme://user@host:port/path?query`, where all but the host may be absent.
struct Address<'a> {
    scheme: Option<&'a str>,
    user: bool,
    host: &'a str,
    port: Option<&'a str>,
    path: &'a str,
    /// What stands before a query or a fragment, if there is one.
    more: Option<char>,
}

impl<'a> Address<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '+') => {
                (Some(scheme), rest)
            }
            Some(_) => return None,
            None => (None, text),
        };
        let (rest, more) = match rest.find(['?', '#']) {
            Some(at) => (&rest[..at], rest[at..].chars().next()),
            None => (rest, None),
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (user, authority) = authority.rsplit_once('@').map_or((false, authority), |(_, host)| (true, host));
        let bracketed = authority.starts_with('[').then(|| authority.find(']')).flatten();
        let (host, port) = match bracketed {
            Some(end) => (&authority[..=end], authority[end + 1..].strip_prefix(':')),
            None if authority.matches(':').count() > 1 => (authority, None),
            None => authority.rsplit_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
        };
        let sound = port.is_none_or(|port| port.parse::<u16>().is_ok()) && !host.contains(char::is_whitespace);
        sound.then_some(Self { scheme, user, host, port, path, more })
    }

    fn shown(&self) -> String {
        let scheme = self.scheme.map(|scheme| format!("{scheme}://")).unwrap_or_default();
        let user = if self.user { format!("{MASK}@") } else { String::new() };
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        let more = self.more.map(|sign| format!("{sign}{MASK}")).unwrap_or_default();
        format!("{scheme}{user}{}{port}{}{more}", self.host, self.path)
    }
}

#[cfg(test)]
mod tests;
