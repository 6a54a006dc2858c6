//! `servicediscovery` of a world file: `namespaces`, `services`, `instances` and `instancesHealth` by service id, `tags` by ARN.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{CloudMap, Instance, Phase, instances, member};
use crate::sim::values::{Object, list};

impl CloudMap {
    /// Reads the part. `vpcs_without_dns`: VPCs whose resolver is off.
    pub(in crate::sim) fn load(part: &Value, vpcs_without_dns: Vec<String>) -> Result<Self, String> {
        let objects = |name: &str| -> Result<Vec<Object>, String> {
            let read = |(index, value): (usize, &Value)| {
                let object = value.as_object().filter(|object| object.get("Id").is_some_and(Value::is_string));
                object.cloned().ok_or_else(|| format!("servicediscovery.{name}[{index}] has no Id"))
            };
            list(part, name).iter().enumerate().map(read).collect()
        };
        let known = ["namespaces", "services", "instances", "instancesHealth", "tags"];
        let mut extra = part.as_object().cloned().unwrap_or_default();
        extra.retain(|name, _| !known.contains(&name.as_str()));
        let mut map = Self {
            namespaces: objects("namespaces")?,
            services: objects("services")?,
            vpcs_without_dns,
            says_health: part.get("instancesHealth").is_some(),
            extra,
            ..Self::default()
        };
        map.load_instances(part)?;
        for (arn, tags) in part.get("tags").and_then(Value::as_object).into_iter().flatten() {
            map.tags.insert(arn.clone(), tags.as_array().cloned().unwrap_or_default());
        }
        Ok(map)
    }

    fn load_instances(&mut self, part: &Value) -> Result<(), String> {
        for (service, instances) in part.get("instances").and_then(Value::as_object).into_iter().flatten() {
            if self.service_id(service).is_none() {
                return Err(format!("servicediscovery.instances: there is no service {service}"));
            }
            let mut read = Vec::new();
            for object in instances.as_array().into_iter().flatten() {
                let object = object.as_object().filter(|object| object.get("Id").is_some_and(Value::is_string));
                let object =
                    object.cloned().ok_or_else(|| format!("servicediscovery.instances.{service}: an instance has no Id"))?;
                let instance = Instance { object, healthy: true, phase: Phase::Listed, generation: 0, report: 0 };
                let said = part.get("instancesHealth").and_then(|all| all.get(service)?.get(instance.id())?.as_str());
                let healthy = said.or_else(|| instance.attribute("AWS_INIT_HEALTH_STATUS")) != Some("UNHEALTHY");
                read.push(Instance { healthy, ..instance });
            }
            self.instances.insert(service.clone(), read);
        }
        Ok(())
    }

    /// Writes the part. Instances that are not listed yet count as listed: a capture has no other word for them.
    pub(in crate::sim) fn save(&self) -> Value {
        let mut part = self.extra.clone();
        let mut all: BTreeMap<&str, Vec<&Object>> = BTreeMap::new();
        let mut health: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
        let mut telling = self.says_health;
        for service in &self.services {
            let id = member(service, "Id");
            for instance in self.instances.get(id).into_iter().flatten().filter(|instance| instance.phase != Phase::Leaving) {
                all.entry(id).or_default().push(&instance.object);
                let word = instances::word(service, instance);
                telling |= word != instance.attribute("AWS_INIT_HEALTH_STATUS").unwrap_or("HEALTHY");
                health.entry(id).or_default().insert(instance.id(), word);
            }
        }
        part.insert("namespaces".to_owned(), json!(self.namespaces));
        part.insert("services".to_owned(), json!(self.services));
        part.insert("instances".to_owned(), json!(all));
        if telling {
            part.insert("instancesHealth".to_owned(), json!(health));
        }
        if !self.tags.is_empty() {
            part.insert("tags".to_owned(), json!(self.tags));
        }
        Value::Object(part)
    }
}
