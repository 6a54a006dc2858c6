//! Before something that the run made is taken away: does anybody else use it by now?
//!
//! | what is looked at | somebody else uses it when |
//! | --- | --- |
//! | the cluster's services, by their task definitions | anything in a container (a variable, an argument) names one of the run's hosts, or an address of a task of the service that goes; or its logs go to the log group |
//! | the service that goes | it is in a service registry, a target group or Service Connect, where the run has not put it |
//! | instances of the Cloud Map service | they are not the tasks of the run's own services |
//! | the resource's tags | they name another run |
//! | streams of the log group | they were not written by a container that the run defined |
//!
//! One pass: services are listed by the hundred and described by tens, each task definition is read once and not faster than half of
//! what AWS allows the whole account.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{log_group, name, tasks};
use crate::aws::task_definition::short_name;
use crate::aws::{Aws, CallError, Reason};
use crate::model::{Failure, FailureKind};
use crate::stages::step::{Context, Polled, StepError, TAG_RUN, WaitStep, Waiter, text};

/// `aws.look-for-users`: `{what, cluster, own, hosts?, serviceId?, service?, names?, groups?, logGroup?, streams?}`.
///
/// `what` is shown, `own` are services of the run itself, `hosts` the names that it made or would make; one of `serviceId` (with
/// `hosts`), `service` and `logGroup` is what goes. `names` are the Cloud Map services, and `groups` the target groups, that the run put
/// the service in. `streams` are prefixes of the log streams that the run's containers write.
pub struct LookForUsers;

/// DescribeServices takes ten names.
const SERVICES: usize = 10;
/// Task definitions read in a row, and the pause after them: 10 a second, where AWS refills 20.
const DEFINITIONS: usize = 10;
const PAUSE: Duration = Duration::from_secs(1);

#[async_trait(?Send)]
impl WaitStep for LookForUsers {
    fn begin(&self, params: &Value) -> Result<Box<dyn Waiter>, StepError> {
        let hosts = strings(&params["hosts"]).map(str::to_owned).collect();
        Ok(Box::new(Looking { params: params.clone(), hosts }))
    }
}

struct Looking {
    params: Value,
    /// By what the thing that goes is known: names, and addresses of tasks.
    hosts: BTreeSet<String>,
}

#[async_trait(?Send)]
impl Waiter for Looking {
    async fn poll(&mut self, cx: &Context<'_>, _waited: Duration) -> Result<Polled, StepError> {
        #[cfg(test)]
        if crate::flaw::get() == Some(crate::flaw::Flaw::NobodyElse) {
            return Ok(Polled::Done(json!({})));
        }
        let mut users = self.added_by_others(cx.aws).await?;
        users.extend(self.services(cx.aws).await?);
        users.extend(self.instances(cx.aws).await?);
        users.extend(self.other_run(cx).await?);
        users.extend(self.streams(cx.aws).await?);
        if users.is_empty() {
            return Ok(Polled::Done(json!({})));
        }
        let message = format!("somebody else uses {} by now", text(&self.params, "/what")?);
        Ok(Polled::Failed(Failure::of(FailureKind::Stuck, message).because(users)))
    }
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

impl Looking {
    fn is_own(&self, service: &str) -> bool {
        strings(&self.params["own"]).any(|own| own == service)
    }

    /// Where others have put the service that goes. Notes by what addresses it is known.
    async fn added_by_others(&mut self, aws: &Aws) -> Result<Vec<String>, StepError> {
        let (cluster, Some(name)) = (text(&self.params, "/cluster")?, self.params["service"].as_str()) else {
            return Ok(Vec::new());
        };
        let Some(service) = aws.service(cluster, name).await?.filter(|service| service["status"] == "ACTIVE") else {
            return Ok(Vec::new());
        };
        let mut users = Vec::new();
        let ours = |list: &str, known: &str| strings(&self.params[list]).any(|own| own == known);
        for registry in service["serviceRegistries"].as_array().into_iter().flatten() {
            let arn = registry["registryArn"].as_str().unwrap_or_default();
            let id = arn.rsplit('/').next().unwrap_or(arn);
            if ours("names", id) {
                continue;
            }
            // One that is gone gives nobody a name any more.
            match name::get(aws, id).await {
                Ok(None) => {}
                Ok(Some(found)) => users
                    .push(format!("it is registered under the name `{}` ({id}), which is not this run's", shown(&found["Name"]))),
                Err(error) if error.reason == Reason::Denied => {
                    users.push(format!("it is registered in {id}, which is not this run's and may not be read"));
                }
                Err(error) => return Err(error.into()),
            }
        }
        for entry in service["loadBalancers"].as_array().into_iter().flatten() {
            let arn = entry["targetGroupArn"].as_str().unwrap_or_default();
            if !arn.is_empty() && !ours("groups", arn) {
                users
                    .push(format!("it is in target group {}, where this run has not put it", arn.split('/').nth(1).unwrap_or(arn)));
            }
        }
        let primary = service["deployments"].as_array().into_iter().flatten().find(|deployment| deployment["status"] == "PRIMARY");
        if primary.is_some_and(|deployment| deployment["serviceConnectConfiguration"]["enabled"] == true) {
            users.push("it is in Service Connect, where this run has not put it".to_owned());
        }
        let tasks = tasks::running(aws, cluster, name).await?;
        self.hosts.extend(tasks.iter().flat_map(tasks::addresses_of));
        Ok(users)
    }

    /// Services of the cluster whose containers name a host or write to the log group.
    async fn services(&self, aws: &Aws) -> Result<Vec<String>, StepError> {
        let cluster = text(&self.params, "/cluster")?;
        let mut users = Vec::new();
        let mut read = BTreeSet::new();
        for (service, revision) in revisions_in_use(aws, cluster).await? {
            if read.insert(revision.clone()) && read.len() % DEFINITIONS == 0 {
                aws.clock.sleep(PAUSE).await;
            }
            let Some(definition) = aws.task_definition(&revision).await? else { continue };
            for container in definition.containers() {
                let Some(how) = self.uses(container, &service) else { continue };
                let name = container["name"].as_str().unwrap_or_default();
                users.push(format!("service `{service}`, container `{name}` of {}: {how}", short_name(&revision)));
            }
        }
        Ok(users)
    }

    /// How a container of a service uses what goes. Names the variable, never its value: it may hold more than the host.
    fn uses(&self, container: &Value, service: &str) -> Option<String> {
        let group = self.params["logGroup"].as_str();
        if group.is_some() && container["logConfiguration"]["options"]["awslogs-group"].as_str() == group {
            return Some("its logs go there".to_owned());
        }
        if self.is_own(service) {
            return None;
        }
        let members = container.as_object()?;
        self.hosts.iter().find_map(|host| {
            let pairs = container["environment"].as_array().into_iter().flatten();
            let variable = pairs.into_iter().find(|pair| pair["value"].as_str().is_some_and(|value| names(value, host)));
            let where_else = || members.iter().find(|(_, value)| mentions(value, host)).map(|(member, _)| member.as_str());
            let place = variable.and_then(|pair| pair["name"].as_str()).or_else(where_else)?;
            Some(format!("{place} names {host}"))
        })
    }

    /// Instances under the name that are no tasks of the run's services. ECS says of its own whose they are.
    async fn instances(&self, aws: &Aws) -> Result<Vec<String>, StepError> {
        let Some(id) = self.params["serviceId"].as_str() else { return Ok(Vec::new()) };
        let input = json!({ "ServiceId": id });
        let listed = match aws.read_pages("servicediscovery:ListInstances", id, input, "Instances", "NextToken").await {
            Err(error) if error.reason == Reason::Missing => return Ok(Vec::new()),
            listed => listed?,
        };
        let cluster = &self.params["cluster"];
        let foreign = listed.iter().filter(|instance| {
            let attributes = &instance["Attributes"];
            let ours = attributes["ECS_SERVICE_NAME"].as_str().is_some_and(|service| self.is_own(service));
            !(ours && attributes["ECS_CLUSTER_NAME"] == *cluster)
        });
        Ok(foreign.map(|instance| format!("instance {} is registered under the name", shown(&instance["Id"]))).collect())
    }

    /// Another run whose tag the resource carries.
    async fn other_run(&self, cx: &Context<'_>) -> Result<Option<String>, StepError> {
        let (aws, params) = (cx.aws, &self.params);
        let run = if let Some(group) = params["logGroup"].as_str() {
            match log_group::find(aws, group).await? {
                Some(found) => log_group::tags(aws, &found).await?[TAG_RUN].as_str().map(str::to_owned),
                None => None,
            }
        } else if let Some(service) = params["service"].as_str() {
            let found = aws.service(text(params, "/cluster")?, service).await?;
            found.and_then(|found| tag(&found["tags"], "key", "value"))
        } else if let Some(id) = params["serviceId"].as_str() {
            match name::get(aws, id).await? {
                Some(found) => tag(&name::tags(aws, &found).await?, "Key", "Value"),
                None => None,
            }
        } else {
            None
        };
        Ok(run.filter(|run| run != cx.run.as_str()).map(|run| format!("its tag says that run `{run}` works with it")))
    }

    /// Streams that the run's own containers did not write.
    async fn streams(&self, aws: &Aws) -> Result<Vec<String>, StepError> {
        const SHOWN: usize = 5;
        let Some(group) = self.params["logGroup"].as_str() else { return Ok(Vec::new()) };
        let input = json!({ "logGroupName": group });
        let listed = match aws.read_pages("DescribeLogStreams", group, input, "logStreams", "nextToken").await {
            Err(error) if error.reason == Reason::Missing => return Ok(Vec::new()),
            listed => listed?,
        };
        let own = |stream: &&str| strings(&self.params["streams"]).any(|prefix| stream.starts_with(prefix));
        let foreign: Vec<&str> =
            listed.iter().filter_map(|stream| stream["logStreamName"].as_str()).filter(|stream| !own(stream)).collect();
        let mut users: Vec<String> =
            foreign.iter().take(SHOWN).map(|stream| format!("log stream `{stream}` is not this run's")).collect();
        if foreign.len() > SHOWN {
            users.push(format!("and {} more log streams", foreign.len() - SHOWN));
        }
        Ok(users)
    }
}

/// Whether any text in a value names a host.
fn mentions(value: &Value, host: &str) -> bool {
    match value {
        Value::String(text) => names(text, host),
        Value::Array(list) => list.iter().any(|entry| mentions(entry, host)),
        Value::Object(members) => members.values().any(|member| mentions(member, host)),
        _ => false,
    }
}

fn shown(id: &Value) -> &str {
    id.as_str().unwrap_or_default()
}

fn tag(tags: &Value, key: &str, value: &str) -> Option<String> {
    tags.as_array()?.iter().find(|tag| tag[key] == TAG_RUN)?[value].as_str().map(str::to_owned)
}

/// The services of a cluster with each revision that their deployments still run.
async fn revisions_in_use(aws: &Aws, cluster: &str) -> Result<Vec<(String, String)>, CallError> {
    let input = json!({ "cluster": cluster, "maxResults": 100 });
    let arns = aws.read_pages("ListServices", cluster, input, "serviceArns", "nextToken").await?;
    let mut in_use = Vec::new();
    for chunk in arns.chunks(SERVICES) {
        let answer = aws.read("DescribeServices", cluster, json!({ "cluster": cluster, "services": chunk })).await?;
        for arn in chunk {
            let name = arn.as_str().and_then(|arn| arn.rsplit('/').next()).unwrap_or_default();
            let read = answer["services"].as_array().into_iter().flatten().find(|service| service["serviceArn"] == *arn);
            let service = match read {
                Some(service) if !aws.seems_outdated(cluster, name, read) => Some(service.clone()),
                _ => aws.listed_service(cluster, name).await?,
            };
            let Some(service) = service.filter(|service| service["status"] == "ACTIVE") else { continue };
            let running = service["deployments"].as_array().into_iter().flatten().map(|deployment| &deployment["taskDefinition"]);
            let revisions: BTreeSet<&str> = running.chain([&service["taskDefinition"]]).filter_map(Value::as_str).collect();
            in_use.extend(revisions.into_iter().map(|revision| (name.to_owned(), revision.to_owned())));
        }
    }
    Ok(in_use)
}

/// Whether a value names a host: as a whole name, in any case, whatever stands around it.
fn names(value: &str, host: &str) -> bool {
    let (value, host) = (value.to_ascii_lowercase(), host.to_ascii_lowercase());
    let within = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    value.match_indices(&host).any(|(at, _)| {
        let before = value[..at].chars().next_back();
        let mut after = value[at + host.len()..].chars();
        // A longer name has a label before or after it; a full stop alone ends a name.
        let longer = match after.next() {
            Some('.') => after.next().is_some_and(within),
            Some(letter) => within(letter),
            None => false,
        };
        !longer && !before.is_some_and(|letter| within(letter) || letter == '.')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_named_as_a_whole() {
        for value in
            ["http://jaeger.p.local:4318", "jaeger.p.local", "a,JAEGER.p.local.", "grpc://u@jaeger.p.local/x", "jaeger.p.local. "]
        {
            assert!(names(value, "jaeger.p.local"), "{value}");
        }
        for value in ["http://my-jaeger.p.local", "jaeger.p.localhost", "jaeger.p.local.example.com", "x.jaeger.p.local", "jaeger"]
        {
            assert!(!names(value, "jaeger.p.local"), "{value}");
        }
    }
}
