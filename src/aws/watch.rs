//! Reading ECS services that several lanes wait for: at most one DescribeServices a second and cluster, up to ten services in
//! a call. Whoever asks first does the call for all who ask meanwhile.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Mutex as AsyncMutex;

use super::{Aws, CallError};

/// AWS allows 20 service reads a second for the whole account; others live there too.
const LEAST_INTERVAL: Duration = Duration::from_secs(1);
/// DescribeServices takes ten names.
const MOST_SERVICES: usize = 10;

/// Per cluster: who is waited for, and what was read last.
#[derive(Default)]
pub(super) struct ServiceWatch {
    clusters: Mutex<BTreeMap<String, Arc<Cluster>>>,
}

#[derive(Default)]
struct Cluster {
    /// Held by whoever calls; gives the time of the last call.
    turn: AsyncMutex<Option<Duration>>,
    desk: Mutex<Desk>,
}

/// A service as it was read; `None`: there is no such service.
type Reading = Result<Option<Value>, CallError>;

#[derive(Default)]
struct Desk {
    /// Services asked for since the last call began, with how many ask.
    wanted: BTreeMap<String, usize>,
    /// Readings that others wait for, with the number of the call that gave them.
    read: BTreeMap<String, (u64, Reading)>,
    /// Calls begun so far.
    begun: u64,
}

impl Aws {
    /// Reads a service as ECS shows it, tags included. The reading began after the call, though it may serve other callers as well.
    pub(super) async fn read_service(&self, cluster: &str, service: &str) -> Result<Option<Value>, CallError> {
        let shared = {
            let mut clusters = self.watch.clusters.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(clusters.entry(cluster.to_owned()).or_default())
        };
        let asked_at = {
            let mut desk = shared.desk.lock().unwrap_or_else(PoisonError::into_inner);
            *desk.wanted.entry(service.to_owned()).or_default() += 1;
            desk.begun
        };
        let mut turn = shared.turn.lock().await;
        if let Some(reading) = shared.newer_than(service, asked_at) {
            return reading;
        }
        if let Some(last) = *turn {
            let due = last + LEAST_INTERVAL;
            let now = self.clock.elapsed();
            if due > now {
                self.clock.sleep(due - now).await;
            }
        }
        *turn = Some(self.clock.elapsed());
        let (call, names) = shared.begin(service);
        let asked: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
        let answer = self.describe_services(cluster, &asked).await;
        shared.put(call, service, names, answer)
    }

    async fn describe_services(&self, cluster: &str, names: &[&str]) -> Result<Vec<Value>, CallError> {
        let input = json!({ "cluster": cluster, "services": names, "include": ["TAGS"] });
        let mut answer = self.read("DescribeServices", &names.join(", "), input).await?;
        match answer.get_mut("services").map(Value::take) {
            Some(Value::Array(services)) => Ok(services),
            _ => Ok(Vec::new()),
        }
    }
}

impl Cluster {
    /// The reading of a call that began after `calls` had begun: one under way then may have seen what was before.
    fn newer_than(&self, service: &str, calls: u64) -> Option<Reading> {
        let desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        desk.read.get(service).filter(|(call, _)| *call > calls).map(|(_, answer)| answer.clone())
    }

    /// Begins a call: its number, and the services to ask for, `first` among them, with how many others wait for each.
    fn begin(&self, first: &str) -> (u64, Vec<(String, usize)>) {
        let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        let asking = desk.wanted.remove(first).unwrap_or(1);
        let mut names = vec![(first.to_owned(), asking - 1)];
        while names.len() < MOST_SERVICES
            && let Some(wanted) = desk.wanted.pop_first()
        {
            names.push(wanted);
        }
        desk.begun += 1;
        (desk.begun, names)
    }

    /// Puts down what the others wait for, and gives `own`. A reading is large: it is copied only where somebody waits for it.
    fn put(&self, call: u64, own: &str, names: Vec<(String, usize)>, mut answer: Result<Vec<Value>, CallError>) -> Reading {
        let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        let mut given = Ok(None);
        for (name, others) in names {
            let reading = match &mut answer {
                Ok(services) => {
                    let at = services.iter().position(|service| service["serviceName"] == *name);
                    Ok(at.map(|at| services.swap_remove(at)))
                }
                Err(error) => Err(error.clone()),
            };
            match (name == own, others) {
                (true, 0) => given = reading,
                (true, _) => {
                    given.clone_from(&reading);
                    desk.read.insert(name, (call, reading));
                }
                (false, _) => _ = desk.read.insert(name, (call, reading)),
            }
        }
        given
    }
}
