//! Claims: by a tag on each ECS service that it changes, a run tells runs that keep their state elsewhere to leave it alone. Each
//! run has a key of its own, so that nobody's claim overwrites another's, and of those that are there the first counts.
//!
//! ```text
//!   look ─▶ write ─▶ wait until reads are fresh ─▶ look again ─▶ go on
//!    │                                              │
//!    └─ somebody else's: stop                       └─ somebody else's that is earlier: take ours away and stop
//! ```
//!
//! Of two that write at the same time, whoever writes last sees the other when it looks again. The order is total (by time, then by
//! run), so exactly one of the two goes on, and at the latest before its next stage or update the other has stopped. A claim is
//! advisory: it binds those who look.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Actor, RecordBody, RunId, RunView, StepPlan};

/// What the keys of claims begin with; the run's id follows.
const KEY: &str = "sidestep:claim:";
/// Longest name of a person and a machine in a claim: AWS takes values of up to 256 characters.
const LONGEST_NAME: usize = 200;

/// A claim as it is found on a service. The order is that in which they count: by time, then by run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// Since when. `None`, which comes first, where the tag does not say it as we do.
    pub since: Option<Timestamp>,
    /// The run.
    pub run: RunId,
    /// Whose: `alice@bastion`.
    pub by: String,
}

/// What becomes of a claim, as the journal has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ClaimChange {
    /// It is about to be written. Durable before the call leaves.
    Writing {
        /// The time that the tag gives.
        since: Timestamp,
        /// Whom the tag names.
        by: String,
        /// The service's ARN.
        arn: String,
    },
    /// It was read back past the staleness window, and no earlier one was there.
    Held,
    /// AWS refused it. The run goes on without.
    Refused {
        /// AWS's words.
        why: String,
    },
    /// It is about to be removed. Durable before the call leaves.
    Removing,
    /// It is gone.
    Removed,
    /// It could not be removed.
    Left {
        /// Why.
        why: String,
        /// The AWS CLI's command that removes it.
        remove: String,
    },
}

/// A claim of a run, as its journal has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimView {
    /// The time that the tag gives; all claims of a run give the same.
    pub since: Timestamp,
    /// The service's ARN.
    pub arn: String,
    /// What became of it last.
    pub last: ClaimChange,
}

impl Claim {
    /// The tag's key.
    pub fn key(run: &RunId) -> String {
        format!("{KEY}{run}")
    }

    /// The tag's value: `alice@bastion 2026-11-22T17:00:00.123Z`.
    pub fn value(by: &str, since: Timestamp) -> String {
        format!("{by} {since}")
    }

    /// A person and a machine in the characters that ECS takes in a tag.
    pub fn name(actor: &Actor) -> String {
        let taken = |letter: char| if letter.is_ascii_alphanumeric() || "+-=._:/@".contains(letter) { letter } else { '_' };
        format!("{}@{}", actor.user, actor.host).chars().take(LONGEST_NAME).map(taken).collect()
    }

    fn all(tags: &Value) -> impl Iterator<Item = Self> {
        tags.as_array().into_iter().flatten().filter_map(|tag| {
            let run = tag["key"].as_str()?.strip_prefix(KEY)?;
            let value = tag["value"].as_str().unwrap_or_default();
            let read = value.rsplit_once(' ').and_then(|(by, since)| Some((by, since.parse().ok()?)));
            let (by, since) = read.map_or((value, None), |(by, since)| (by, Some(since)));
            Some(Self { since, run: RunId::new(run), by: by.to_owned() })
        })
    }

    /// The claim before which `run` has to stop, if there is one: the first of others', unless its own comes before that.
    pub fn in_the_way(tags: &Value, run: &RunId) -> Option<Self> {
        let (ours, theirs): (Vec<Self>, Vec<Self>) = Self::all(tags).partition(|claim| claim.run == *run);
        let first = theirs.into_iter().min()?;
        ours.iter().all(|ours| first < *ours).then_some(first)
    }

    /// Whether `run` has its claim there.
    pub fn is_there(tags: &Value, run: &RunId) -> bool {
        Self::all(tags).any(|claim| claim.run == *run)
    }

    /// Whose it is, in words: ``run `r7k2` of alice@bastion, since 2026-11-22T17:00:00Z``.
    pub fn words(&self) -> String {
        let by = if self.by.is_empty() { String::new() } else { format!(" of {}", self.by) };
        let since = self.since.map(|since| format!(", since {since}")).unwrap_or_default();
        format!("run `{}`{by}{since}", self.run)
    }

    /// The AWS CLI's command that removes the claim of `run` from a service.
    pub fn untag(run: &RunId, arn: &str, region: &str, endpoint: Option<&str>) -> String {
        let endpoint = endpoint.map(|url| format!(" --endpoint-url {url}")).unwrap_or_default();
        let key = Self::key(run);
        let key = if key.contains(' ') { format!("'{key}'") } else { key };
        format!("aws ecs untag-resource --resource-arn {arn} --tag-keys {key} --region {region}{endpoint}")
    }
}

impl ClaimView {
    /// Whether it could not be removed.
    pub fn is_left(&self) -> bool {
        matches!(self.last, ClaimChange::Left { .. })
    }
}

impl RunView {
    /// The services that the run changes and has not created itself, or still holds: those it claims.
    pub fn services_to_claim(&self) -> BTreeSet<String> {
        const CREATE: &str = "ecs.create-service";
        let service = |step: &StepPlan| step.params["service"].as_str().map(str::to_owned);
        let planned = || self.plan.steps().chain(self.forward.steps()).map(|(_, _, step)| step);
        let made = self.mutations.iter().map(|mutation| &mutation.step).filter(|step| step.action == CREATE);
        let created: BTreeSet<String> = planned().filter(|step| step.action == CREATE).chain(made).filter_map(service).collect();
        let changed = planned().filter(|step| step.action == "ecs.update-service").filter_map(service);
        changed.filter(|name| !created.contains(name)).collect()
    }

    /// The services that carry the run's claim, or may.
    pub fn claims_held(&self) -> BTreeSet<String> {
        let may_be_there = |last: &ClaimChange| !matches!(last, ClaimChange::Refused { .. } | ClaimChange::Left { .. });
        self.claims.iter().filter(|(_, claim)| may_be_there(&claim.last)).map(|(name, _)| name.clone()).collect()
    }

    /// The record that says of a claim that it could not be removed, with the command that does.
    pub fn claim_left(&self, service: String, why: &str) -> RecordBody {
        let arn = self.claims.get(&service).map(|claim| claim.arn.as_str()).unwrap_or_default();
        let target = &self.plan.target;
        let remove = Claim::untag(&self.id, arn, &target.region, target.endpoint.as_deref());
        RecordBody::Claim { service, change: ClaimChange::Left { why: why.to_owned(), remove } }
    }

    /// Notes what became of a claim.
    pub(super) fn note_claim(&mut self, service: &str, change: &ClaimChange, at: Timestamp) {
        if *change == ClaimChange::Removed {
            self.claims.remove(service);
            return;
        }
        let claim = self.claims.entry(service.to_owned());
        let claim = claim.or_insert_with(|| ClaimView { since: at, arn: String::new(), last: change.clone() });
        claim.last = change.clone();
        if let ClaimChange::Writing { since, arn, .. } = change {
            (claim.since, claim.arn) = (*since, arn.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tag(run: &str, by: &str, since: &str) -> Value {
        json!({ "key": Claim::key(&RunId::new(run)), "value": Claim::value(by, since.parse().expect("a time")) })
    }

    fn stops(tags: &[&Value], run: &str) -> Option<String> {
        Claim::in_the_way(&json!(tags), &RunId::new(run)).map(|claim| claim.run.to_string())
    }

    #[test]
    fn the_first_counts_and_one_that_has_none_stops_before_any() {
        let alices = tag("a", "alice@a", "2026-11-22T17:00:00.5Z");
        let bobs = tag("b", "bob@b", "2026-11-22T17:00:00Z");
        let other = json!({ "key": "Project", "value": "nexus-ai" });
        assert_eq!(stops(&[&other, &alices], "a"), None, "its own is no other's");
        assert_eq!(stops(&[&alices, &bobs], "a"), Some("b".to_owned()));
        assert_eq!(stops(&[&alices, &bobs], "b"), None);
        assert_eq!(stops(&[&alices, &bobs], "c"), Some("b".to_owned()), "whoever has none comes last");
        let tie = tag("c", "carol@c", "2026-11-22T17:00:00Z");
        assert_eq!((stops(&[&bobs, &tie], "b"), stops(&[&bobs, &tie], "c")), (None, Some("b".to_owned())), "ties by run");
        let strange = json!({ "key": "sidestep:claim:z", "value": "by hand, do not touch" });
        assert_eq!(stops(&[&bobs, &strange], "b"), Some("z".to_owned()), "one that is not understood counts first");
    }

    #[test]
    fn a_tag_reads_back_as_it_was_written_in_letters_that_ecs_takes() {
        let actor = Actor { user: "jürgen müller".to_owned(), host: "büro, 2. Stock".to_owned(), identity: None };
        let by = Claim::name(&actor);
        assert_eq!(by, "j_rgen_m_ller@b_ro__2._Stock");
        let claim = Claim::in_the_way(&json!([tag("r7k2", &by, "2026-11-22T17:00:00.123Z")]), &RunId::new("s"));
        assert_eq!(claim.expect("a claim").words(), "run `r7k2` of j_rgen_m_ller@b_ro__2._Stock, since 2026-11-22T17:00:00.123Z");
        let long = Actor { user: "u".repeat(400), ..actor };
        assert!(Claim::value(&Claim::name(&long), Timestamp::MAX).len() <= 256);
    }
}
