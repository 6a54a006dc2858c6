//! Do spans arrive? Nothing in ECS, ELB or Cloud Map tells: a closed port leaves every rollout green and loses every span. So
//! the receiver itself is asked, by an API that the runbook names, at the shared tasks' own addresses or where the operator says.
//!
//! Until the sidecars are stripped they sit in the same target group as the shared service, and each has a store of its own. So it
//! matters who answers at an address:
//!
//! | the address | who answers | what counts as arrived | nothing found means |
//! | --- | --- | --- | --- |
//! | a shared task's own, each asked by itself | its store alone | a trace begun since the rollout began | nothing arrives |
//! | the shared service's DNS name, while it has one task | the same | the same | the same |
//! | any other, unless the runbook says that it is not `through_load_balancer` | perhaps a sidecar | a trace begun since the rollout was complete: old tasks are gone by then, and new ones do not send to their sidecars | nothing: another store answered |
//!
//! Where several services are retargeted, one's sidecars may have new spans when another's rollout is complete: there a trace must
//! carry a name that only the one service can have.
//!
//! Both times are AWS's own, from the deployment. When a trace began is the sender's clock, which AWS keeps too.
//!
//! | result | means |
//! | --- | --- |
//! | arrived | opens the way |
//! | `none` | the shared store was asked and has none, although there is traffic, or nobody can say |
//! | `no-traffic` | it has none, and the sidecars had none before: it proves nothing |
//! | `not-provable` | nobody, or somebody else, answers; or others may have answered |

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::probe::Probe;
use super::tasks;
use crate::aws::{host_of, shown_url};
use crate::model::{Failure, FailureKind, Progress};
use crate::stages::span_api::{self, SpanApi};
use crate::stages::step::{Context, Polled, StepError, WaitStep, Waiter, spell, text};

/// `spans.await-arrival`: `{api, shared: {cluster, service}, port, url, throughLoadBalancer?, hosts, basePath, names, toldApart,
/// ignore, probe, withinS, since, completed, traffic?, seen?}`.
pub struct SpansArrive;
/// `spans.look-before`: `{api, cluster, service, port, url, basePath, ignore}`: did the sidecars receive anything, and whose?
pub struct TrafficBefore;

const INTERVAL: Duration = Duration::from_secs(5);
/// How often it is looked at the least before the wait is given up, however late the looks come: where several stores answer, one
/// look alone may meet the others.
const FEWEST_LOOKS: u32 = 8;
/// How often in one look a name is asked for where each request may meet another store.
const TURNS: usize = 4;
/// How long one such look may take: where nobody answers, each request takes its time.
const LONGEST_LOOK: Duration = Duration::from_secs(20);

fn api(params: &Value) -> Result<&'static dyn SpanApi, StepError> {
    let word = text(params, "/api")?;
    let unknown = || Failure::of(FailureKind::Mismatch, format!("this version does not know the API `{word}`"));
    span_api::find(word).ok_or_else(|| StepError::Failed(unknown()))
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// The addresses under which the API may stand: with the base path, where there is one, then without.
fn bases(address: &str, base_path: &Value) -> Vec<String> {
    let address = address.trim_end_matches('/');
    let path = base_path.as_str().unwrap_or_default().trim_matches('/');
    if path.is_empty() || address.ends_with(&format!("/{path}")) {
        return vec![address.to_owned()];
    }
    vec![format!("{address}/{path}"), address.to_owned()]
}

/// The services known at an address, and the base that answered.
async fn services(api: &dyn SpanApi, cx: &Context<'_>, address: &str, base_path: &Value) -> Result<(String, Vec<String>), String> {
    let mut first = None;
    for base in bases(address, base_path) {
        match api.services(cx.aws, &base).await {
            Ok(names) => return Ok((base, names)),
            Err(why) => first = first.or(Some(format!("{}: {why}", shown_url(&base)))),
        }
    }
    Err(first.unwrap_or_default())
}

#[async_trait(?Send)]
impl WaitStep for SpansArrive {
    fn begin(&self, params: &Value) -> Result<Box<dyn Waiter>, StepError> {
        Ok(Box::new(Arriving {
            api: api(params)?,
            wanted: Wanted::of(params),
            params: params.clone(),
            arrived: BTreeSet::new(),
            listed: BTreeSet::new(),
            looks: 0,
            probe: Probe::default(),
        }))
    }
}

/// Whose spans must arrive.
struct Wanted {
    /// Each of these; empty: anybody's.
    names: Vec<String>,
    ignore: Vec<String>,
}

impl Wanted {
    /// The names that are known, as far as the sidecars had spans of them; or those that the sidecars had; or any.
    fn of(params: &Value) -> Self {
        let known: Vec<String> = strings(&params["names"]).map(str::to_owned).collect();
        let seen: Vec<String> = strings(&params["seen"]).map(str::to_owned).collect();
        let both: Vec<String> = known.iter().filter(|name| seen.contains(name)).cloned().collect();
        let names = match (both.is_empty(), known.is_empty()) {
            (false, _) => both,
            (true, false) => known,
            (true, true) => seen,
        };
        Self { names, ignore: strings(&params["ignore"]).map(str::to_owned).collect() }
    }

    fn includes(&self, name: &str) -> bool {
        let names = |list: &[String]| list.iter().any(|known| known == name);
        if self.names.is_empty() { !names(&self.ignore) } else { names(&self.names) }
    }

    fn missing<'a>(&'a self, arrived: &BTreeSet<String>) -> Vec<&'a str> {
        self.names.iter().filter(|name| !arrived.contains(*name)).map(String::as_str).collect()
    }

    fn have_come(&self, arrived: &BTreeSet<String>) -> bool {
        !arrived.is_empty() && self.missing(arrived).is_empty()
    }
}

struct Arriving {
    api: &'static dyn SpanApi,
    params: Value,
    wanted: Wanted,
    /// Names of which a trace was found so far.
    arrived: BTreeSet<String>,
    /// Names that were listed so far.
    listed: BTreeSet<String>,
    /// How often it was looked.
    looks: u32,
    probe: Probe,
}

/// Who is asked.
struct Asked {
    addresses: Vec<String>,
    /// Whether others than the shared service may answer there.
    others_may_answer: bool,
}

/// What one look gave beside the names that have arrived.
enum Look {
    /// Everybody that was asked answered.
    Answered { others_may_answer: bool },
    /// Somebody did not.
    Unanswered(String),
}

#[async_trait(?Send)]
impl Waiter for Arriving {
    // After the time that the runbook gives it, and so many looks: slow ones make it longer.
    fn ends_by_itself(&self) -> bool {
        true
    }

    async fn poll(&mut self, cx: &Context<'_>, waited: Duration) -> Result<Polled, StepError> {
        let look = self.look(cx).await?;
        if self.wanted.have_come(&self.arrived) {
            return Ok(Polled::Done(json!({ "result": "arrived", "services": self.arrived })));
        }
        let within = Duration::from_secs(self.params["withinS"].as_u64().unwrap_or(120));
        self.looks += 1;
        let looked_enough = !matches!(look, Look::Answered { others_may_answer: true }) || self.looks >= FEWEST_LOOKS;
        if waited >= within && looked_enough {
            let (result, why) = self.conclude(&look, within);
            return Ok(Polled::Held(result.to_owned(), why));
        }
        if let Look::Answered { .. } = look {
            let message = format!("{} answers, {} so far", self.api.name(), self.not_found());
            (cx.report)(Progress::Note { message });
        }
        self.probe.ask(cx, self.params["probe"].as_str().unwrap_or_default(), waited).await;
        Ok(Polled::Again(INTERVAL))
    }
}

impl Arriving {
    async fn look(&mut self, cx: &Context<'_>) -> Result<Look, StepError> {
        let asked = self.asked(cx).await?;
        if asked.addresses.is_empty() {
            return Ok(Look::Unanswered("the shared service has no running task with an address".to_owned()));
        }
        let (member, what) = if asked.others_may_answer { ("completed", "complete") } else { ("since", "begun") };
        let Some(since) = time(&self.params[member]) else {
            return Ok(Look::Unanswered(format!("AWS does not say since when the rollout is {what}")));
        };
        if asked.others_may_answer && self.params["toldApart"] != true {
            let url = shown_url(self.params["url"].as_str().unwrap_or_default());
            let why = format!(
                "at {url} the sidecars of another service may answer, whose spans go by the same name for all that is known"
            );
            return Ok(Look::Unanswered(why));
        }
        let mut unanswered = None;
        for address in &asked.addresses {
            let looked = match asked.others_may_answer {
                true => self.look_at_several(cx, address, since).await,
                false => self.look_at(cx, address, since).await,
            };
            if let Err(why) = looked {
                unanswered = unanswered.or(Some(why));
            }
        }
        Ok(match unanswered {
            Some(why) => Look::Unanswered(why),
            None => Look::Answered { others_may_answer: asked.others_may_answer },
        })
    }

    async fn look_at(&mut self, cx: &Context<'_>, address: &str, since: Timestamp) -> Result<(), String> {
        let (base, names) = services(self.api, cx, address, &self.params["basePath"]).await?;
        self.listed.extend(names.iter().cloned());
        for name in names {
            if !self.arrived.contains(&name) && self.wanted.includes(&name) {
                let found = self.api.has_trace_since(cx.aws, &base, &name, since).await;
                if found.map_err(|why| format!("{}: {why}", shown_url(&base)))? {
                    self.arrived.insert(name);
                }
            }
        }
        Ok(())
    }

    /// The same where each request may meet another store: who lists a name need not be who is asked for its traces next. It is
    /// asked again and again, and whoever answers at all has answered.
    async fn look_at_several(&mut self, cx: &Context<'_>, address: &str, since: Timestamp) -> Result<(), String> {
        let began = cx.aws.clock.elapsed();
        let mut outcome =
            services(self.api, cx, address, &self.params["basePath"]).await.map(|(_, names)| self.listed.extend(names));
        let names: Vec<String> = match self.wanted.names.is_empty() {
            true => self.listed.iter().filter(|name| self.wanted.includes(name)).cloned().collect(),
            false => self.wanted.names.clone(),
        };
        for name in names.into_iter().filter(|name| !self.arrived.contains(name)).collect::<Vec<_>>() {
            let bases = bases(address, &self.params["basePath"]);
            for base in bases.iter().cycle().take(bases.len() * TURNS) {
                if cx.aws.clock.elapsed().saturating_sub(began) >= LONGEST_LOOK {
                    return outcome;
                }
                match self.api.has_trace_since(cx.aws, base, &name, since).await {
                    Ok(true) => {
                        self.arrived.insert(name);
                        return Ok(());
                    }
                    Ok(false) => outcome = Ok(()),
                    Err(_) => {}
                }
            }
        }
        outcome
    }

    async fn asked(&self, cx: &Context<'_>) -> Result<Asked, StepError> {
        let running = async || -> Result<Vec<String>, StepError> {
            let (cluster, service) = (text(&self.params, "/shared/cluster")?, text(&self.params, "/shared/service")?);
            Ok(tasks::addresses(cx.aws, cluster, service).await?)
        };
        let url = self.params["url"].as_str().unwrap_or_default();
        if url.is_empty() {
            let port = self.params["port"].as_u64().unwrap_or_default();
            let addresses = running().await?.iter().map(|ip| format!("http://{ip}:{port}")).collect();
            return Ok(Asked { addresses, others_may_answer: false });
        }
        let others_may_answer = match self.params["throughLoadBalancer"].as_bool() {
            Some(told) => told,
            None => {
                let host = host_of(url).unwrap_or_default();
                let tasks = running().await?;
                let alone = matches!(tasks.as_slice(), [_]);
                let names_it = strings(&self.params["hosts"]).any(|known| known.eq_ignore_ascii_case(&host));
                // Of several tasks one address shows one store, or now this and now that one.
                !(alone && (tasks.contains(&host) || names_it))
            }
        };
        Ok(Asked { addresses: vec![url.to_owned()], others_may_answer })
    }

    /// `no trace of `api` begun after the rollout`.
    fn not_found(&self) -> String {
        let quoted = |names: Vec<&str>| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        match (self.arrived.is_empty(), self.wanted.names.is_empty()) {
            (true, true) => "no trace begun after the rollout".to_owned(),
            (true, false) => format!("no trace of {} begun after the rollout", quoted(self.wanted.missing(&self.arrived))),
            (false, _) => format!(
                "traces of {} arrive, none of {} begun after the rollout",
                quoted(self.arrived.iter().map(String::as_str).collect()),
                quoted(self.wanted.missing(&self.arrived))
            ),
        }
    }

    /// What else is listed, where names are looked for: one of them may be the right one.
    fn listed(&self) -> String {
        let ignored = |name: &String| self.wanted.ignore.contains(name);
        let others = self.listed.iter().filter(|name| !self.wanted.names.contains(name) && !ignored(name));
        let others: Vec<String> = others.map(|name| format!("`{name}`")).collect();
        match self.wanted.names.is_empty() || others.is_empty() {
            true => String::new(),
            false => format!(" (it lists {})", others.join(", ")),
        }
    }

    /// The result and what it means, once there is no more waiting.
    fn conclude(&self, look: &Look, within: Duration) -> (&'static str, String) {
        let (who, found, within) = (self.api.name(), self.not_found(), spell(within));
        let (probed, aside) = (self.probe.told(), self.probe.aside());
        let sidecars_had_some = self.params["traffic"].as_bool();
        match look {
            Look::Unanswered(why) => {
                ("not-provable", format!("{who} cannot be asked from here whether spans arrive: {why}{aside}"))
            }
            Look::Answered { others_may_answer: true } => {
                let url = shown_url(self.params["url"].as_str().unwrap_or_default());
                let variable = match self.params["variables"]["throughLoadBalancer"].as_str() {
                    Some(name) => format!("; if the shared one alone answers there, set `{name}` to false"),
                    None => String::new(),
                };
                let why = format!(
                    "{found} within {within}, which proves nothing: {url} may lead through the load balancer, where the sidecars' \
                     own stores answer too until they are stripped{variable}{aside}"
                );
                ("not-provable", why)
            }
            Look::Answered { .. } if self.arrived.is_empty() && sidecars_had_some == Some(false) && !self.probe.succeeded() => {
                let why = format!(
                    "the shared {who} has {found} within {within}, but the sidecars had no span before it either: the application \
                     seems idle, which proves nothing{aside}"
                );
                ("no-traffic", why)
            }
            Look::Answered { .. } => {
                let traffic = match (self.probe.succeeded(), sidecars_had_some) {
                    (true, _) => "",
                    (false, Some(true)) => ", although the sidecars had spans before it",
                    (false, _) => "; whether the application has traffic is not known",
                };
                let has = if self.arrived.is_empty() { format!("the shared {who} has {found}") } else { found };
                let listed = self.listed();
                let why = format!("{has} within {within}{listed}{traffic}{probed}: to strip the sidecar now would lose traces");
                ("none", why)
            }
        }
    }
}

/// A time as AWS's JSON has it: seconds since 1970, with a fraction.
pub(super) fn time(value: &Value) -> Option<Timestamp> {
    let seconds = value.as_f64().filter(|seconds| *seconds > 0.0)?;
    #[allow(clippy::cast_possible_truncation, reason = "what is too large saturates, and is refused")]
    let micros = (seconds * 1e6).round() as i64;
    Timestamp::from_microsecond(micros).ok()
}

#[async_trait(?Send)]
impl WaitStep for TrafficBefore {
    fn begin(&self, params: &Value) -> Result<Box<dyn Waiter>, StepError> {
        Ok(Box::new(Before { api: api(params)?, params: params.clone() }))
    }
}

struct Before {
    api: &'static dyn SpanApi,
    params: Value,
}

#[async_trait(?Send)]
impl Waiter for Before {
    async fn poll(&mut self, cx: &Context<'_>, _waited: Duration) -> Result<Polled, StepError> {
        // Who gives an address does not reach the tasks' own, and at that address it would be the shared one that is asked, or now
        // this and now that sidecar.
        if self.params["url"].as_str().is_some_and(|url| !url.is_empty()) {
            return Ok(Polled::Done(json!({ "traffic": null })));
        }
        let port = self.params["port"].as_u64().unwrap_or_default();
        let ignore: Vec<&str> = strings(&self.params["ignore"]).collect();
        let addresses = tasks::addresses(cx.aws, text(&self.params, "/cluster")?, text(&self.params, "/service")?).await?;
        let mut seen = BTreeSet::new();
        let mut answered = 0;
        for ip in &addresses {
            if let Ok((_, names)) = services(self.api, cx, &format!("http://{ip}:{port}"), &self.params["basePath"]).await {
                answered += 1;
                seen.extend(names.into_iter().filter(|name| !ignore.contains(&name.as_str())));
            }
        }
        // One that does not answer may have had some.
        let traffic = if !seen.is_empty() {
            json!(true)
        } else if answered > 0 && answered == addresses.len() {
            json!(false)
        } else {
            Value::Null
        };
        // Only worth knowing: whatever it is, the run goes on.
        Ok(Polled::Done(json!({ "traffic": traffic, "names": seen })))
    }
}

#[cfg(test)]
mod tests;
