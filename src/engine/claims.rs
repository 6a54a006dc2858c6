//! The run's claims on the services that it changes: see [`crate::model::Claim`]. They belong to the run and not to one of its
//! plans, so they are no steps: written before the first change, looked at before each stage, taken away when the run is over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::control::Ending;
use super::dispatcher::Engine;
use crate::aws::{CallError, Class, Reason, SETTLE_WINDOW, STALENESS};
use crate::journal::Store;
use crate::model::{Claim, ClaimChange, Error, Failure, FailureKind, RecordBody};
use crate::stages::claim::in_the_way;

/// Attempts to write or remove a tag whose outcome is not known.
const ATTEMPTS: usize = 3;
/// Between looks while an effect may still land.
const INTERVAL: Duration = Duration::from_secs(2);

/// The services that are there, by name, as they were read.
type Services = BTreeMap<String, Value>;

impl<S: Store> Engine<'_, S> {
    /// Looks whether another run has claimed one of the services and, at first, claims them. What ends the call is another's claim,
    /// or that AWS cannot be asked; that tagging is not permitted does not.
    pub(super) async fn see_to_claims(&mut self) -> Result<Option<Ending>, Error> {
        let wanted = self.view.services_to_claim();
        if wanted.is_empty() {
            return Ok(None);
        }
        let found = match self.free(&wanted).await {
            Ok(found) => found,
            Err(failure) => return Ok(Some(Ending::Unclaimed { failure })),
        };
        if self.claimed {
            return Ok(None);
        }
        match self.claim(&wanted, found).await? {
            Ok(()) => self.claimed = true,
            Err(failure) => return Ok(Some(Ending::Unclaimed { failure })),
        }
        Ok(None)
    }

    /// The services, none of which another has claimed before this run. What says so is read again past the staleness window.
    async fn free(&self, wanted: &BTreeSet<String>) -> Result<Services, Failure> {
        let found = self.read(wanted).await?;
        if self.taken(&found).is_none() {
            return Ok(found);
        }
        self.aws.clock.sleep(STALENESS).await;
        let found = self.read(wanted).await?;
        self.taken(&found).map_or(Ok(found), Err)
    }

    fn taken(&self, found: &Services) -> Option<Failure> {
        found.values().find_map(|service| in_the_way(self.aws, service, &self.view.id))
    }

    async fn read(&self, wanted: &BTreeSet<String>) -> Result<Services, Failure> {
        let (aws, cluster) = (self.aws, &self.view.plan.target.cluster);
        let read = join_all(wanted.iter().map(|name| aws.service(cluster, name))).await;
        let mut found = Services::new();
        for (name, service) in wanted.iter().zip(read) {
            // What is gone cannot be claimed; the steps will say so.
            if let Some(service) = service.map_err(|error| error.failure())?.filter(|service| service["status"] == "ACTIVE") {
                found.insert(name.clone(), service);
            }
        }
        Ok(found)
    }

    fn is_there(&self, service: &Value) -> bool {
        Claim::is_there(&service["tags"], &self.view.id)
    }

    fn last(&self, name: &str) -> Option<&ClaimChange> {
        self.view.claims.get(name).map(|claim| &claim.last)
    }

    /// Waits until what was sent for a tag can be seen, or cannot arrive any more.
    async fn settled(&self, wanted: &BTreeSet<String>, mut found: Services) -> Result<Services, Failure> {
        let began = self.aws.clock.elapsed();
        loop {
            let open = found.iter().any(|(name, service)| match self.last(name) {
                Some(ClaimChange::Writing { .. }) => !self.is_there(service),
                Some(ClaimChange::Removing) => self.is_there(service),
                _ => false,
            });
            if !open || self.aws.clock.elapsed().saturating_sub(began) >= SETTLE_WINDOW {
                return Ok(found);
            }
            self.aws.clock.sleep(INTERVAL).await;
            found = self.read(wanted).await?;
        }
    }

    /// Writes the claims that are not there, and reads all of them back.
    async fn claim(&mut self, wanted: &BTreeSet<String>, found: Services) -> Result<Result<(), Failure>, Error> {
        let mut found = match self.settled(wanted, found).await {
            Ok(found) => found,
            Err(failure) => return Ok(Err(failure)),
        };
        let mut refused = BTreeSet::new();
        for attempt in 0.. {
            let missing: Services = found
                .iter()
                .filter(|(name, service)| !refused.contains(*name) && !self.is_written(name, service))
                .map(|(name, service)| (name.clone(), service.clone()))
                .collect();
            if attempt == ATTEMPTS && !missing.is_empty() {
                let names = missing.into_keys().collect::<Vec<_>>().join(", ");
                let message = format!("the claim of {names} did not take effect in {ATTEMPTS} attempts");
                return Ok(Err(Failure::of(FailureKind::Unreachable, message)));
            }
            if attempt > 0 && missing.is_empty() {
                break;
            }
            if let Err(failure) = self.write(&missing, &mut refused).await? {
                return Ok(Err(failure));
            }
            if self.unread().is_empty() {
                break;
            }
            self.aws.clock.sleep(STALENESS).await;
            found = match self.read_settled(wanted).await {
                Ok(found) => found,
                Err(failure) => return Ok(Err(failure)),
            };
        }
        let unread = self.unread();
        if let Some(failure) = self.taken(&found) {
            // Another's is earlier: those that were just written go away again.
            self.remove(unread).await?;
            return Ok(Err(failure));
        }
        self.note(unread, &ClaimChange::Held)?;
        Ok(Ok(()))
    }

    async fn read_settled(&self, wanted: &BTreeSet<String>) -> Result<Services, Failure> {
        let found = self.read(wanted).await?;
        self.settled(wanted, found).await
    }

    /// Whether the claim is there, as far as it was written and nothing was done to it since.
    fn is_written(&self, name: &str, service: &Value) -> bool {
        matches!(self.last(name), Some(ClaimChange::Writing { .. } | ClaimChange::Held)) && self.is_there(service)
    }

    /// The claims that were written and not read back yet.
    fn unread(&self) -> BTreeSet<String> {
        let unread = self.view.claims.iter().filter(|(_, claim)| matches!(claim.last, ClaimChange::Writing { .. }));
        unread.map(|(name, _)| name.clone()).collect()
    }

    /// Makes it durable what became of claims.
    fn note(&mut self, names: BTreeSet<String>, change: &ClaimChange) -> Result<(), Error> {
        if names.is_empty() {
            return Ok(());
        }
        self.append(names.into_iter().map(|service| RecordBody::Claim { service, change: change.clone() }).collect())
    }

    /// The run is still this process's: what was made durable may be sent.
    fn may_send(&mut self) -> Result<(), Error> {
        self.store.check()?;
        self.aws.note_lease();
        Ok(())
    }

    /// Sends one request for each service; those that failed, with why.
    async fn send(&self, operation: &'static str, services: &Services, input: &Value) -> BTreeMap<String, CallError> {
        let aws = self.aws;
        let calls = services.iter().map(|(name, service)| {
            let mut input = input.clone();
            input["resourceArn"] = service["serviceArn"].clone();
            async move { aws.mutate(operation, name, &input).await.err().map(|error| (name.clone(), error)) }
        });
        join_all(calls).await.into_iter().flatten().collect()
    }

    /// Writes the claims on these services; notes which of them AWS refuses. What is not known to have arrived is looked for.
    async fn write(&mut self, missing: &Services, refused: &mut BTreeSet<String>) -> Result<Result<(), Failure>, Error> {
        if missing.is_empty() {
            return Ok(Ok(()));
        }
        // One time for all claims of the run: then of two runs the same one comes first everywhere.
        let now = self.aws.clock.now();
        let now = jiff::Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
        let since = self.view.claims.values().map(|claim| claim.since).min().unwrap_or(now);
        let by = self.view.holder.as_ref().map(|holder| Claim::name(&holder.actor)).unwrap_or_default();
        let writing = missing.iter().map(|(name, service)| {
            let arn = service["serviceArn"].as_str().unwrap_or_default().to_owned();
            RecordBody::Claim { service: name.clone(), change: ClaimChange::Writing { since, by: by.clone(), arn } }
        });
        self.append(writing.collect())?;
        self.may_send()?;
        let tags = json!([{ "key": Claim::key(&self.view.id), "value": Claim::value(&by, since) }]);
        for (name, error) in self.send("TagResource", missing, &json!({ "tags": tags })).await {
            match (error.class, error.reason) {
                (Class::Unknown, _) => {}
                // AWS itself says no, and would say so again: a claim is worth no more than that.
                (Class::Rejected, Reason::Denied | Reason::Missing | Reason::Other) if !error.code.is_empty() => {
                    let why = error.refusal().to_string();
                    self.note(BTreeSet::from([name.clone()]), &ClaimChange::Refused { why })?;
                    refused.insert(name);
                }
                (Class::Rejected, _) => return Ok(Err(error.failure())),
            }
        }
        Ok(Ok(()))
    }

    /// Takes all claims away. What cannot be taken away does not keep the run from its end: it is said, with the command that does.
    pub(super) async fn let_go(&mut self) -> Result<(), Error> {
        let held = self.view.claims_held();
        if !self.unread().is_empty()
            && let Err(failure) = self.read_settled(&held).await
        {
            // One that is on its way would come after its removal.
            return self.append(held.into_iter().map(|name| self.view.claim_left(name, &failure.causes.join("; "))).collect());
        }
        self.remove(held).await
    }

    /// Removes the claims from these services. It is not looked whether they are there: a reading may be older than the claim, and
    /// removing what is not there is no error.
    async fn remove(&mut self, mut names: BTreeSet<String>) -> Result<(), Error> {
        let mut errors = BTreeMap::new();
        for attempt in 0..ATTEMPTS {
            if names.is_empty() {
                return Ok(());
            }
            if attempt > 0 {
                self.aws.clock.sleep(INTERVAL).await;
            }
            self.note(names.clone(), &ClaimChange::Removing)?;
            self.may_send()?;
            let arn = |name: &String| json!({ "serviceArn": self.view.claims.get(name).map(|claim| claim.arn.as_str()) });
            let services = names.iter().map(|name| (name.clone(), arn(name))).collect();
            errors = self.send("UntagResource", &services, &json!({ "tagKeys": [Claim::key(&self.view.id)] })).await;
            errors.retain(|_, error| error.reason != Reason::Missing);
            self.note(names.iter().filter(|name| !errors.contains_key(*name)).cloned().collect(), &ClaimChange::Removed)?;
            names.retain(|name| errors.contains_key(name));
            if !errors.values().any(|error| error.class == Class::Unknown) {
                break;
            }
        }
        let why = |name: &String| errors.get(name).map_or_else(String::new, |error| error.refusal().to_string());
        self.append(names.into_iter().map(|name| self.view.claim_left(name.clone(), &why(&name))).collect())
    }
}
