//! Reading ECS services that several lanes wait for: at most one DescribeServices a second and cluster, up to ten services in
//! a call. Whoever asks first does the call for all who ask meanwhile.

use std::collections::{BTreeMap, BTreeSet};
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

#[derive(Default)]
struct Desk {
    /// Services asked for since the last call began.
    wanted: BTreeSet<String>,
    /// Each service's last reading (`None`: there is no such service), with the number of the call that gave it.
    read: BTreeMap<String, (u64, Result<Option<Value>, CallError>)>,
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
            desk.wanted.insert(service.to_owned());
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
        let answer = self.describe_services(cluster, &names).await;
        shared.put(call, &names, &answer);
        drop(turn);
        shared.newer_than(service, asked_at).unwrap_or(Ok(None))
    }

    async fn describe_services(&self, cluster: &str, names: &[String]) -> Result<Vec<Value>, CallError> {
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
    fn newer_than(&self, service: &str, calls: u64) -> Option<Result<Option<Value>, CallError>> {
        let desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        desk.read.get(service).filter(|(call, _)| *call > calls).map(|(_, answer)| answer.clone())
    }

    /// Begins a call: its number, and the services to ask for, `first` among them.
    fn begin(&self, first: &str) -> (u64, Vec<String>) {
        let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        desk.wanted.remove(first);
        let mut names = vec![first.to_owned()];
        while names.len() < MOST_SERVICES
            && let Some(name) = desk.wanted.pop_first()
        {
            names.push(name);
        }
        desk.begun += 1;
        (desk.begun, names)
    }

    fn put(&self, call: u64, names: &[String], answer: &Result<Vec<Value>, CallError>) {
        let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        for name in names {
            let reading = match answer {
                Ok(services) => Ok(services.iter().find(|service| service["serviceName"] == **name).cloned()),
                Err(error) => Err(error.clone()),
            };
            desk.read.insert(name.clone(), (call, reading));
        }
    }
}
