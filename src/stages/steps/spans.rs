//! Do spans arrive? Nothing in ECS, ELB or Cloud Map tells: a closed port leaves every rollout green and loses every span. So
//! the receiver itself is asked, at the shared task's own address or at an address that the operator gives. The API that is
//! asked here is Jaeger's query API, for runbooks that choose it (`api = "jaeger-query"` in a `verify` block).
//!
//! Jaeger's newer query API is asked first (`/api/v3/…`), then the older one (`/api/…`), which newer Jaegers no longer have.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::tasks;
use crate::aws::Aws;
use crate::model::Progress;
use crate::stages::step::{Context, Polled, StepError, WaitStep, Waiter, text};

/// `jaeger.spans-arrive`: `{shared: {cluster, service}, port, url, basePath, names, ignore, withinS, since, traffic?}`.
pub struct SpansArrive;
/// `jaeger.traffic-before`: `{cluster, service, port, url, ignore}`: did the sidecars receive anything?
pub struct TrafficBefore;

const INTERVAL: Duration = Duration::from_secs(5);
/// How far after `since` a trace may begin: generous, for its time is the sender's and `since` is AWS's.
const HORIZON_S: i64 = 2 * 24 * 3600;

#[async_trait(?Send)]
impl WaitStep for SpansArrive {
    fn begin(&self, params: &Value) -> Result<Box<dyn Waiter>, StepError> {
        Ok(Box::new(Arriving { params: params.clone() }))
    }
}

struct Arriving {
    params: Value,
}

/// What one look at Jaeger gave.
enum Look {
    /// These services have traces.
    Arrived(Vec<String>),
    /// It answers, and has nothing.
    None,
    /// It does not answer, or something else does.
    NotReachable(String),
}

#[async_trait(?Send)]
impl Waiter for Arriving {
    async fn poll(&mut self, cx: &Context<'_>, waited: Duration) -> Result<Polled, StepError> {
        let look = self.look(cx).await?;
        if let Look::Arrived(services) = look {
            return Ok(Polled::Done(json!({ "result": "arrived", "services": services })));
        }
        let within = Duration::from_secs(self.params["withinS"].as_u64().unwrap_or(120));
        if waited < within {
            return Ok(Polled::Again(INTERVAL));
        }
        Ok(match look {
            Look::NotReachable(why) => {
                Polled::Held("not-reachable".to_owned(), format!("Jaeger cannot be asked from here whether spans arrive: {why}"))
            }
            _ if self.params["traffic"] == false => Polled::Held(
                "no-traffic".to_owned(),
                "no span has arrived, but the sidecars had none either: the API seems idle, which proves nothing".to_owned(),
            ),
            _ => Polled::Held(
                "none".to_owned(),
                format!(
                    "no span has arrived at the shared Jaeger within {} s: stripping the sidecar now would lose traces",
                    within.as_secs()
                ),
            ),
        })
    }
}

impl Arriving {
    async fn look(&self, cx: &Context<'_>) -> Result<Look, StepError> {
        let bases = self.bases(cx).await?;
        let ignore: Vec<&str> = strings(&self.params["ignore"]).collect();
        let wanted: Vec<&str> = strings(&self.params["names"]).collect();
        let mut last = Look::NotReachable("the shared service has no running task with an address".to_owned());
        for base in &bases {
            let names = match services(cx.aws, base).await {
                Ok(names) => names,
                Err(why) => {
                    last = Look::NotReachable(format!("{base}: {why}"));
                    continue;
                }
            };
            let mut arrived = Vec::new();
            for name in names {
                if ignore.contains(&name.as_str()) || (!wanted.is_empty() && !wanted.contains(&name.as_str())) {
                    continue;
                }
                if has_traces(cx.aws, base, &name, self.params["since"].as_f64().unwrap_or(0.0)).await {
                    arrived.push(name);
                }
            }
            if !arrived.is_empty() {
                return Ok(Look::Arrived(arrived));
            }
            last = Look::None;
        }
        if matches!(last, Look::None) {
            (cx.report)(Progress::Note { message: "Jaeger answers, no span so far".to_owned() });
        }
        Ok(last)
    }

    async fn bases(&self, cx: &Context<'_>) -> Result<Vec<String>, StepError> {
        let path = self.params["basePath"].as_str().unwrap_or_default().trim_end_matches('/').to_owned();
        if let Some(url) = self.params["url"].as_str().filter(|url| !url.is_empty()) {
            return Ok(vec![format!("{}{path}", url.trim_end_matches('/'))]);
        }
        let port = self.params["port"].as_u64().unwrap_or_default();
        let tasks = tasks::running(cx.aws, text(&self.params, "/shared/cluster")?, text(&self.params, "/shared/service")?).await?;
        Ok(tasks.iter().filter_map(tasks::address).map(|ip| format!("http://{ip}:{port}{path}")).collect())
    }
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// The services that Jaeger has spans of.
async fn services(aws: &Aws, base: &str) -> Result<Vec<String>, String> {
    for (path, member) in [("/api/v3/services", "services"), ("/api/services", "data")] {
        let reply = aws.http_get(base, path).await?;
        let body: Option<Value> = (reply.status == 200).then(|| serde_json::from_str(&reply.body).ok()).flatten();
        // Without a base path Jaeger answers any unknown path with its start page: only JSON counts.
        if let Some(body) = body
            && (body[member].is_array() || body[member].is_null())
            && body.is_object()
        {
            return Ok(strings(&body[member]).map(str::to_owned).collect());
        }
    }
    Err("something answers, but not as Jaeger's query API does".to_owned())
}

/// Whether Jaeger has a trace of `service` that began at or after `since` (epoch seconds).
async fn has_traces(aws: &Aws, base: &str, service: &str, since: f64) -> bool {
    let Some((from, to)) = window(since) else { return false };
    let name: String = form_urlencoded::byte_serialize(service.as_bytes()).collect();
    let newer = format!(
        "/api/v3/traces?query.service_name={name}&query.start_time_min={from}&query.start_time_max={to}&query.num_traces=1"
    );
    if let Ok(reply) = aws.http_get(base, &newer).await
        && reply.status == 200
        && let Ok(body) = serde_json::from_str::<Value>(&reply.body)
        && body["result"]["resourceSpans"].as_array().is_some_and(|spans| !spans.is_empty())
    {
        return true;
    }
    let older = format!("/api/traces?service={name}&start={}&end={}&limit=1", from.as_microsecond(), to.as_microsecond());
    let Ok(reply) = aws.http_get(base, &older).await else { return false };
    let body = serde_json::from_str::<Value>(&reply.body).unwrap_or(Value::Null);
    reply.status == 200 && body["data"].as_array().is_some_and(|traces| !traces.is_empty())
}

fn window(since: f64) -> Option<(Timestamp, Timestamp)> {
    #[allow(clippy::cast_possible_truncation, reason = "seconds since 1970 fit")]
    let whole = since.floor() as i64;
    Some((Timestamp::from_second(whole).ok()?, Timestamp::from_second(whole.checked_add(HORIZON_S)?).ok()?))
}

#[async_trait(?Send)]
impl WaitStep for TrafficBefore {
    fn begin(&self, params: &Value) -> Result<Box<dyn Waiter>, StepError> {
        Ok(Box::new(Before { params: params.clone() }))
    }
}

struct Before {
    params: Value,
}

#[async_trait(?Send)]
impl Waiter for Before {
    async fn poll(&mut self, cx: &Context<'_>, _waited: Duration) -> Result<Polled, StepError> {
        // Who gives an address for Jaeger does not reach the tasks' own: the sidecars cannot be asked from there.
        if self.params["url"].as_str().is_some_and(|url| !url.is_empty()) {
            return Ok(Polled::Done(json!({ "traffic": null })));
        }
        let port = self.params["port"].as_u64().unwrap_or_default();
        let ignore: Vec<&str> = strings(&self.params["ignore"]).collect();
        let tasks = tasks::running(cx.aws, text(&self.params, "/cluster")?, text(&self.params, "/service")?).await?;
        let mut traffic = Value::Null;
        for ip in tasks.iter().filter_map(tasks::address) {
            if let Ok(names) = services(cx.aws, &format!("http://{ip}:{port}")).await {
                let any = names.iter().any(|name| !ignore.contains(&name.as_str()));
                traffic = json!(traffic == true || any);
            }
        }
        // Only worth knowing: whatever it is, the run goes on.
        Ok(Polled::Done(json!({ "traffic": traffic })))
    }
}
