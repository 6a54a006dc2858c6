//! Reading one's own writes. ECS may show a service as it was before its last change: deploy tools saw one to three seconds of that, and
//! AWS gives no bound. What the run itself did it knows, from AWS's answers and from its journal. A reading that is older than that is
//! not believed, unless something else explains it:
//!
//! | the reading shows | and | it is |
//! | --- | --- | --- |
//! | the deployment that an update of the run replaced | AWS's record of the newest deployment names another revision as the one in force | believed |
//! | | anything else | too old |
//! | no service, where the run created one and did not delete it, or ListServices had it | ListServices has none either | believed |
//! | | ListServices has it | too old |
//! | anything else | | believed |
//!
//! Which revision is in force is what a deployment's record *names*, never what its status is called: a deployment that ECS gave up on
//! is `STOPPED`, or `ROLLBACK_FAILED` where there was nothing to return to, and the service stays on it all the same. Only the revision
//! under `rollback` in DescribeServiceDeployments says that the service is on its way to another one, or there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Aws, CallError, Class, Reason};

/// Between readings while they are too old.
const INTERVAL: Duration = Duration::from_secs(2);
/// So long a reading that knows the run's own changes is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the run did, by cluster and service.
#[derive(Default)]
pub(super) struct OwnWrites(Mutex<BTreeMap<(String, String), Done>>);

#[derive(Default)]
struct Done {
    /// The run created it, and has not deleted it.
    created: bool,
    /// The service deployments that its updates have replaced. A service that was not deployed since AWS keeps such records has none, and
    /// shows it by their absence.
    replaced: BTreeSet<Option<String>>,
}

/// The newest of a service's deployments that AWS keeps a record of.
#[derive(Clone, Debug, PartialEq)]
pub struct DeploymentRecord {
    /// As ListServiceDeployments gives it; with `rollback`, as DescribeServiceDeployments gives it, where its status speaks of one.
    pub deployment: Value,
    /// What it rolls out, as DescribeServiceRevisions gives it.
    pub revision: Value,
}

impl DeploymentRecord {
    /// Its status; `UNKNOWN` when AWS says none.
    pub fn status(&self) -> &str {
        status(&self.deployment)
    }

    /// Whether AWS names another revision than the one that this deployment rolls out as the one in force.
    pub fn is_taken_back(&self) -> bool {
        went_to_another(&self.deployment)
    }
}

/// Whether a deployment's record names another revision than its own as the one that the service goes to, or is on.
fn went_to_another(deployment: &Value) -> bool {
    let back_to = deployment["rollback"]["serviceRevisionArn"].as_str();
    back_to.is_some_and(|arn| deployment["targetServiceRevisionArn"] != *arn)
}

fn status(deployment: &Value) -> &str {
    deployment["status"].as_str().unwrap_or("UNKNOWN")
}

fn current(service: &Value) -> Option<String> {
    service["currentServiceDeployment"].as_str().map(str::to_owned)
}

impl Aws {
    fn note(&self, cluster: &str, service: &str, note: impl FnOnce(&mut Done)) {
        let mut own = self.own_writes.0.lock().unwrap_or_else(PoisonError::into_inner);
        note(own.entry((cluster.to_owned(), service.to_owned())).or_default());
    }

    /// The run has created this service.
    pub fn note_created(&self, cluster: &str, service: &str) {
        self.note(cluster, service, |done| done.created = true);
    }

    /// The run has deleted this service.
    pub fn note_deleted(&self, cluster: &str, service: &str) {
        self.note(cluster, service, |done| *done = Done::default());
    }

    /// An update of the run's own has started a deployment in place of `record`, which was the service's `currentServiceDeployment`:
    /// from now on a reading that shows it is older than that update.
    pub fn note_replaced(&self, cluster: &str, service: &str, record: &Value) {
        let record = record.as_str().map(str::to_owned);
        self.note(cluster, service, |done| _ = done.replaced.insert(record));
    }

    /// Whether a reading looks older than what the run did to the service.
    pub fn seems_outdated(&self, cluster: &str, name: &str, reading: Option<&Value>) -> bool {
        let own = self.own_writes.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(done) = own.get(&(cluster.to_owned(), name.to_owned())) else { return false };
        match reading.filter(|service| service["status"] != "INACTIVE") {
            Some(service) => service["status"] == "ACTIVE" && done.replaced.contains(&current(service)),
            None => done.created,
        }
    }

    /// Reads a service as it is now, tags included; `None` when the cluster has none of this name. An INACTIVE service is returned.
    /// The reading began after the call, though it may serve other callers as well, and knows the run's own changes.
    ///
    /// # Errors
    /// [`CallError`]; also when ECS goes on showing what was before.
    pub async fn service(&self, cluster: &str, service: &str) -> Result<Option<Value>, CallError> {
        self.fresh_service(cluster, service, false).await
    }

    /// The same of a service that ListServices has: it is there, whatever a reading shows that is too old.
    ///
    /// # Errors
    /// As [`Aws::service`].
    pub async fn listed_service(&self, cluster: &str, service: &str) -> Result<Option<Value>, CallError> {
        self.fresh_service(cluster, service, true).await
    }

    async fn fresh_service(&self, cluster: &str, service: &str, listed: bool) -> Result<Option<Value>, CallError> {
        let began = self.clock.elapsed();
        loop {
            let reading = self.read_service(cluster, service).await?;
            let explained = match &reading {
                None if listed => !self.is_listed(cluster, service).await?,
                found if !self.seems_outdated(cluster, service, found.as_ref()) => true,
                Some(found) if found["status"] == "ACTIVE" => self.went_back(cluster, service).await?,
                _ => !self.is_listed(cluster, service).await?,
            };
            if explained {
                return Ok(reading);
            }
            if self.clock.elapsed().saturating_sub(began) >= PATIENCE {
                return Err(too_old(service));
            }
            self.clock.sleep(INTERVAL).await;
        }
    }

    /// Whether AWS's records explain that a service is as before the run's last update of it.
    async fn went_back(&self, cluster: &str, service: &str) -> Result<bool, CallError> {
        match self.newest_deployment(cluster, service).await {
            // AWS keeps a record of every deployment of the last 90 days; that of the run's own update is not there yet, or is.
            Ok(newest) => Ok(newest.is_some_and(|deployment| went_to_another(&deployment))),
            // Gone meanwhile: the next reading says so.
            Err(error) if error.reason == Reason::Missing => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether ListServices, which has ACTIVE ones only, has a service of this name.
    async fn is_listed(&self, cluster: &str, service: &str) -> Result<bool, CallError> {
        let input = json!({ "cluster": cluster, "maxResults": 100 });
        let arns = self.read_pages("ListServices", cluster, input, "serviceArns", "nextToken").await?;
        Ok(arns.iter().filter_map(Value::as_str).any(|arn| arn.rsplit('/').next() == Some(service)))
    }

    async fn newest_deployment(&self, cluster: &str, service: &str) -> Result<Option<Value>, CallError> {
        let input = json!({ "cluster": cluster, "service": service, "maxResults": 1 });
        let mut listed = self.read("ListServiceDeployments", service, input).await?;
        let Some(mut newest) = listed["serviceDeployments"].get_mut(0).map(Value::take) else { return Ok(None) };
        if status(&newest).starts_with("ROLLBACK_") {
            // The list does not say where to.
            let input = json!({ "serviceDeploymentArns": [newest["serviceDeploymentArn"]] });
            let described = self.read("DescribeServiceDeployments", service, input).await?;
            newest["rollback"] = described["serviceDeployments"][0]["rollback"].clone();
        }
        Ok(Some(newest))
    }

    /// The newest deployment of a service with what it rolls out; `None` when AWS has no record of one.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn deployment_record(&self, cluster: &str, service: &str) -> Result<Option<DeploymentRecord>, CallError> {
        let Some(deployment) = self.newest_deployment(cluster, service).await? else { return Ok(None) };
        let Some(revision) = deployment["targetServiceRevisionArn"].as_str() else { return Ok(None) };
        let input = json!({ "serviceRevisionArns": [revision] });
        let mut described = self.read("DescribeServiceRevisions", service, input).await?;
        let revision = described["serviceRevisions"].get_mut(0).map(Value::take).unwrap_or(Value::Null);
        Ok(Some(DeploymentRecord { deployment, revision }))
    }
}

fn too_old(service: &str) -> CallError {
    CallError {
        operation: "DescribeServices",
        resource: service.to_owned(),
        class: Class::Rejected,
        reason: Reason::NoAnswer,
        code: String::new(),
        message: "ECS still shows the service as it was before it was last changed".to_owned(),
        request_id: None,
        members: Value::Null,
    }
}
