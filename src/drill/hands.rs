//! Somebody else's hands in the account: another access key that deploys, deletes, or begins to use what the run made.

use serde_json::{Value, json};

use super::invariants::Ties;
use super::lab::foreign;
use crate::sim::{Millis, Sim};

/// Where things are, for somebody else's hand.
pub(super) struct Place {
    pub(super) region: String,
    pub(super) cluster: String,
    pub(super) log_group: String,
}

/// A service of others that sends its spans to the run's name.
const THEIR_SERVICE: &str = "theirs";
/// An instance of others under the run's name.
const THEIR_INSTANCE: &str = "theirs";

/// See the module's text. What AWS refuses has changed nothing.
pub(super) struct Hands {
    pub(super) place: Place,
    pub(super) random: fastrand::Rng,
}

impl Hands {
    fn ask(&self, sim: &Sim, now: Millis, operation: &str, input: &Value) -> Result<Value, String> {
        foreign(sim, now, &self.place.region, operation, input)
    }

    /// As a pipeline does: a new revision from the one that runs, or the same once more.
    pub(super) fn deploy(&mut self, sim: &Sim, now: Millis, ties: &Ties) -> Result<Value, String> {
        let Some(service) = ties.services.first() else { return Ok(Value::Null) };
        let mut input = json!({ "cluster": self.place.cluster, "service": service });
        if self.random.bool() {
            input["forceNewDeployment"] = json!(true);
        } else {
            input["taskDefinition"] = self.revised(sim, now, service)?;
        }
        self.ask(sim, now, "UpdateService", &input)
    }

    fn revised(&self, sim: &Sim, now: Millis, service: &str) -> Result<Value, String> {
        let (_, mut input) = self.like(sim, now, service)?;
        if let Some(environment) = input["containerDefinitions"][0]["environment"].as_array_mut() {
            environment.push(json!({ "name": "BUILD", "value": format!("{now}") }));
        }
        let made = self.ask(sim, now, "RegisterTaskDefinition", &input)?;
        Ok(made["taskDefinition"]["taskDefinitionArn"].clone())
    }

    pub(super) fn delete(&mut self, sim: &Sim, now: Millis, ties: &Ties) -> Result<Value, String> {
        match self.random.u8(..3) {
            0 => {
                let input = json!({ "cluster": self.place.cluster, "service": ties.shared, "force": true });
                self.ask(sim, now, "DeleteService", &input)
            }
            1 => self.ask(sim, now, "logs:DeleteLogGroup", &json!({ "logGroupName": self.place.log_group })),
            _ => {
                let wanted = json!({ "cluster": self.place.cluster, "services": [ties.shared] });
                let found = self.ask(sim, now, "DescribeServices", &wanted)?;
                let arn = json!({ "taskDefinition": found["services"][0]["taskDefinition"] });
                self.ask(sim, now, "DeregisterTaskDefinition", &arn)
            }
        }
    }

    /// A service, and what it takes to register its task definition once more.
    fn like(&self, sim: &Sim, now: Millis, service: &str) -> Result<(Value, Value), String> {
        let wanted = json!({ "cluster": self.place.cluster, "services": [service] });
        let mut found = self.ask(sim, now, "DescribeServices", &wanted)?;
        let service = found["services"].get_mut(0).map(Value::take).ok_or("no such service")?;
        let mut found = self.ask(sim, now, "DescribeTaskDefinition", &json!({ "taskDefinition": service["taskDefinition"] }))?;
        let mut input = found["taskDefinition"].take();
        if let Some(members) = input.as_object_mut() {
            for output in
                ["taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities", "registeredAt", "registeredBy"]
            {
                members.remove(output);
            }
        }
        Ok((service, input))
    }

    /// Once the name is there: a service whose environment has it, or an instance under it. Or, once the shared service runs, a service
    /// that sends to the address of its task.
    pub(super) fn use_it(&mut self, sim: &Sim, now: Millis, ties: &Ties) -> Result<Value, String> {
        let way = self.random.u8(..3);
        let world = sim.with(|state| {
            state.advance(now);
            state.save()
        });
        let listed = self.ask(sim, now, "servicediscovery:ListServices", &json!({}))?;
        let mut named = listed["Services"].as_array().into_iter().flatten();
        let name = named.find(|name| name["Name"] == *ties.name).ok_or("there is no name to use");
        let mut host = ties.host.clone();
        if way == 2 {
            host = addresses(&world, &ties.shared).next().ok_or("it runs nowhere")?.to_owned();
        } else if way == 0 {
            let name = name?;
            let instance = json!({ "ServiceId": name["Id"], "InstanceId": THEIR_INSTANCE,
                "Attributes": { "AWS_INSTANCE_IPV4": "192.0.2.7" } });
            return self.ask(sim, now, "servicediscovery:RegisterInstance", &instance);
        } else {
            name?;
        }
        let (like, mut input) = self.like(sim, now, ties.services.first().map_or("", String::as_str))?;
        let mut container = input["containerDefinitions"][0].take();
        container["environment"] = json!([{ "name": "TRACES", "value": format!("http://{host}:4318") }]);
        (input["family"], input["containerDefinitions"]) = (json!(THEIR_SERVICE), json!([container]));
        let made = self.ask(sim, now, "RegisterTaskDefinition", &input)?;
        let service = json!({ "cluster": self.place.cluster, "serviceName": THEIR_SERVICE, "desiredCount": 1, "launchType": "FARGATE",
            "taskDefinition": made["taskDefinition"]["taskDefinitionArn"], "networkConfiguration": like["networkConfiguration"] });
        self.ask(sim, now, "CreateService", &service)
    }
}

/// The addresses of a service's tasks.
fn addresses<'a>(world: &'a Value, service: &str) -> impl Iterator<Item = &'a str> {
    let group = format!("service:{service}");
    let tasks = world["ecs"]["tasks"].as_array().into_iter().flatten();
    let own = tasks.filter(move |task| task["group"] == *group && task["desiredStatus"] == "RUNNING");
    let details = own.flat_map(|task| task["attachments"][0]["details"].as_array().into_iter().flatten());
    details.filter(|detail| detail["name"] == "privateIPv4Address").filter_map(|detail| detail["value"].as_str())
}

/// How somebody else uses what the run made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// By the name.
    Name,
    /// By the address of a task of the shared service.
    Address,
}

/// How somebody else uses it in this world.
pub(super) fn others_use_it(world: &Value, ties: &Ties) -> Option<Use> {
    let services = || world["ecs"]["services"].as_array().into_iter().flatten();
    let theirs = services().find(|service| service["serviceName"] == THEIR_SERVICE && service["status"] == "ACTIVE");
    let definitions = world["ecs"]["taskDefinitions"].as_array().into_iter().flatten();
    let says = theirs.and_then(|service| {
        let mut known = definitions.map(|known| &known["taskDefinition"]);
        let runs = known.find(|known| known["taskDefinitionArn"] == service["taskDefinition"])?;
        runs["containerDefinitions"][0]["environment"][0]["value"].as_str()
    });
    let to_address = |says: &str| addresses(world, &ties.shared).any(|address| says.contains(&format!("//{address}:")));
    let by_name = world["servicediscovery"]["instances"].as_object().into_iter().flat_map(|instances| instances.values());
    let mut instances = by_name.filter_map(Value::as_array).flatten();
    if says.is_some_and(|says| says.contains(&ties.host)) || instances.any(|instance| instance["Id"] == THEIR_INSTANCE) {
        return Some(Use::Name);
    }
    says.is_some_and(to_address).then_some(Use::Address)
}
