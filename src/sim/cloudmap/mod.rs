//! Cloud Map: namespaces, services, instances, and what their names resolve to.
//!
//! An instance is registered at once, *listed* (and in DNS) after the registration lag, and stays listed for the deregistration
//! lag after it was taken off. A service cannot be deleted before its last instance is gone.

mod dns;
mod instances;
mod namespaces;
mod part;
mod services;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;

use super::queue::Event;
use super::values::{Object, number, page, text};
use super::{ApiError, Call, Millis, State};

/// `servicediscovery` of a world file.
#[derive(Clone, Debug, Default)]
pub(super) struct CloudMap {
    namespaces: Vec<Object>,
    services: Vec<Object>,
    /// By service id.
    instances: BTreeMap<String, Vec<Instance>>,
    operations: BTreeMap<String, Operation>,
    /// Ids of deleted services by namespace and lower-case name: AWS gives the same id again.
    retired: BTreeMap<(String, String), String>,
    /// By ARN, as ListTagsForResource gives them.
    tags: BTreeMap<String, Vec<Value>>,
    /// VPCs whose resolver is off.
    vpcs_without_dns: Vec<String>,
    /// Whether the world file said how healthy instances are.
    says_health: bool,
    /// Counts registrations and health reports, to tell a late event from a current one.
    generation: u64,
    /// Members of the world file that nothing here knows.
    extra: Object,
}

/// A registered instance.
#[derive(Clone, Debug)]
struct Instance {
    /// As GetInstance gives it.
    object: Object,
    healthy: bool,
    phase: Phase,
    generation: u64,
    report: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Not listed yet.
    Registering,
    Listed,
    /// Taken off, still listed.
    Leaving,
}

/// An asynchronous operation, as GetOperation gives it.
#[derive(Clone, Debug)]
struct Operation {
    object: Object,
}

/// What happens later in Cloud Map.
#[derive(Clone, Debug)]
pub(super) enum CloudMapEvent {
    /// An instance is listed.
    Listed { service: String, instance: String, generation: u64 },
    /// An instance is gone.
    Gone { service: String, instance: String, generation: u64 },
    /// An instance shows the health that was reported.
    Health { service: String, instance: String, healthy: bool, report: u64 },
    /// An operation is done.
    Done { operation: String },
}

/// Lets an event happen.
pub(super) fn on_event(state: &mut State, event: CloudMapEvent) {
    let now = state.now;
    let map = &mut state.cloudmap;
    match event {
        CloudMapEvent::Listed { service, instance, generation } => {
            if let Some(known) = map.instance_mut(&service, &instance).filter(|known| known.generation == generation)
                && known.phase == Phase::Registering
            {
                known.phase = Phase::Listed;
            }
        }
        CloudMapEvent::Gone { service, instance, generation } => {
            if let Some(known) = map.instances.get_mut(&service) {
                known.retain(|known| known.id() != instance || known.generation != generation);
            }
        }
        CloudMapEvent::Health { service, instance, healthy, report } => {
            if let Some(known) = map.instance_mut(&service, &instance).filter(|known| known.report == report) {
                known.healthy = healthy;
            }
        }
        CloudMapEvent::Done { operation } => map.finish(&operation, now),
    }
}

/// Answers one Cloud Map operation. `data_host`: the request went to the data plane's host.
pub(super) fn call(state: &mut State, call: &Call, input: &Value, data_host: bool) -> Result<Value, ApiError> {
    match call.operation.as_str() {
        "ListNamespaces" => namespaces::list(state, input),
        "GetNamespace" => namespaces::get(state, input),
        "ListServices" => services::list(state, input),
        "GetService" => services::get(state, input),
        "CreateService" => services::create(state, call, input),
        "DeleteService" => services::delete(state, call, input),
        "TagResource" => services::tag(state, call, input),
        "UntagResource" => services::untag(state, call, input),
        "ListTagsForResource" => services::tags(state, input),
        "ListInstances" => instances::list(state, input),
        "GetInstance" => instances::get(state, input),
        "GetInstancesHealthStatus" => instances::health(state, input),
        "RegisterInstance" => instances::register_by_call(state, call, input),
        "DeregisterInstance" => instances::deregister_by_call(state, call, input),
        "GetOperation" => instances::operation(state, input),
        "DiscoverInstances" if data_host => dns::discover(state, input),
        _ => Err(ApiError::new("UnknownOperationException", "")),
    }
}

/// ECS registers an instance (a task) with a service; it appears after the registration lag.
pub(super) fn register(
    state: &mut State,
    registry_arn: &str,
    instance_id: &str,
    attributes: BTreeMap<String, String>,
    healthy: bool,
) {
    let Some(service) = state.cloudmap.service_id(registry_arn) else { return };
    let attributes = attributes.into_iter().map(|(name, value)| (name, Value::from(value))).collect();
    instances::put(state, &service, instance_id, attributes, None, healthy);
}

/// ECS reports an instance's health (custom health); it shows after the report's delay.
pub(super) fn set_health(state: &mut State, registry_arn: &str, instance_id: &str, healthy: bool) {
    let Some(service) = state.cloudmap.service_id(registry_arn) else { return };
    state.cloudmap.generation += 1;
    let report = state.cloudmap.generation;
    let Some(instance) = state.cloudmap.instance_mut(&service, instance_id) else { return };
    instance.report = report;
    let event = CloudMapEvent::Health { service, instance: instance_id.to_owned(), healthy, report };
    state.later(state.assume.control.health_report, event);
}

/// ECS takes an instance off; it goes after the deregistration lag.
pub(super) fn deregister(state: &mut State, registry_arn: &str, instance_id: &str) {
    if let Some(service) = state.cloudmap.service_id(registry_arn) {
        instances::take_off(state, &service, instance_id);
    }
}

impl State {
    fn later(&mut self, delay: Millis, event: CloudMapEvent) {
        self.queue.push(self.now + delay, Event::CloudMap(event));
    }
}

impl CloudMap {
    /// Whether a service of this ARN exists.
    pub(super) fn service_exists(&self, registry_arn: &str) -> bool {
        self.service_id(registry_arn).is_some()
    }

    /// The id of the service with this id or ARN.
    fn service_id(&self, id_or_arn: &str) -> Option<String> {
        let found =
            self.services.iter().find(|service| member(service, "Id") == id_or_arn || member(service, "Arn") == id_or_arn)?;
        Some(member(found, "Id").to_owned())
    }

    fn service(&self, id_or_arn: &str) -> Result<&Object, ApiError> {
        let found = self.services.iter().find(|service| member(service, "Id") == id_or_arn || member(service, "Arn") == id_or_arn);
        found.ok_or_else(|| ApiError::new("ServiceNotFound", format!("Service not found. ID: {id_or_arn}")))
    }

    fn namespace(&self, id_or_arn: &str) -> Result<&Object, ApiError> {
        let found = self.namespaces.iter().find(|known| member(known, "Id") == id_or_arn || member(known, "Arn") == id_or_arn);
        found.ok_or_else(|| ApiError::new("NamespaceNotFound", format!("Namespace not found. ID: {id_or_arn}")))
    }

    fn instance_mut(&mut self, service: &str, id: &str) -> Option<&mut Instance> {
        self.instances.get_mut(service)?.iter_mut().find(|instance| instance.id() == id)
    }

    /// The instances of a service that callers can see.
    fn listed(&self, service: &str) -> impl Iterator<Item = &Instance> {
        self.instances.get(service).into_iter().flatten().filter(|instance| instance.phase != Phase::Registering)
    }
}

impl Instance {
    fn id(&self) -> &str {
        member(&self.object, "Id")
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.object.get("Attributes")?.get(name)?.as_str()
    }
}

/// The namespace of a service.
fn namespace_of(service: &Object) -> &str {
    match member(service, "NamespaceId") {
        "" => service.get("DnsConfig").and_then(|dns| text(dns, "NamespaceId")).unwrap_or_default(),
        id => id,
    }
}

/// A text member of an object, empty when absent.
fn member<'a>(object: &'a Object, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn required<'a>(input: &'a Value, name: &str) -> Result<&'a str, ApiError> {
    let missing =
        || format!("1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null");
    text(input, name).ok_or_else(|| invalid(missing()))
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidInput", message)
}

/// One page as Cloud Map cuts it: before any filter.
fn cut<T>(all: Vec<T>, input: &Value) -> Result<super::values::Page<T>, ApiError> {
    let size = number(input, "MaxResults").unwrap_or(100);
    let size = usize::try_from(size).ok().filter(|size| (1..=100).contains(size));
    let size = size.ok_or_else(|| invalid("MaxResults must be between 1 and 100"))?;
    page(all, text(input, "NextToken"), size).ok_or_else(|| invalid("The NextToken is not valid."))
}
