//! What checkers ask beside AWS's wire, under `/_sim/`.

use std::fmt::Display;
use std::sync::PoisonError;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State as Shared};
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode, Uri, header};
use serde::Serialize;
use serde_json::{Value, json};

use super::Front;
use crate::sim::handle::http_answer;
use crate::sim::jaeger::{self, HttpAnswer};
use crate::sim::values::iso;
use crate::sim::web::{self, Asked, Got};
use crate::sim::{Effect, Fault, State};

/// How far one request may set the clock forward, 31 days: everything in between happens while the account is locked.
const MOST_ADVANCE_S: f64 = 2_678_400.0;

impl Front {
    /// The account at the virtual now.
    fn look<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        let now = self.clock.now_millis();
        self.sim.with(|state| {
            state.advance(now);
            f(state)
        })
    }
}

/// `GET world`: a world file of now.
pub(super) async fn world(Shared(front): Shared<Front>) -> Response {
    answered(&front.look(|state| state.save()))
}

/// `GET ledger`: one line per mutation that took effect.
pub(super) async fn ledger(Shared(front): Shared<Front>) -> Response {
    lines(front.sim.ledger().iter().map(Effect::to_json))
}

/// `GET requests`: one line per request as received.
pub(super) async fn requests(Shared(front): Shared<Front>) -> Response {
    lines(front.sim.requests().into_iter())
}

/// `GET spans`: who sent, what arrived.
pub(super) async fn spans(Shared(front): Shared<Front>) -> Response {
    answered(&front.look(|state| state.spans()))
}

/// `GET clock`: virtual now.
pub(super) async fn now(Shared(front): Shared<Front>) -> Response {
    answered(&json!({"now": iso(front.look(|state| state.now()))}))
}

/// `POST clock`: `{"pause": true}`, `{"advance_s": N}`, `{"resume": true}`, in this order when several are given; or
/// `{"pause_after": "CreateService"}`, which stops it with the next such effect, before anybody is told of it.
pub(super) async fn clock(Shared(front): Shared<Front>, body: Bytes) -> Response {
    let wanted = match object(&body) {
        Ok(wanted) => wanted,
        Err(problem) => return refused(problem),
    };
    let known = ["pause", "advance_s", "resume", "pause_after"];
    if let Some(unknown) = wanted.as_object().and_then(|members| members.keys().find(|name| !known.contains(&name.as_str()))) {
        return refused(format!("unknown member `{unknown}`; known are pause, advance_s, resume and pause_after"));
    }
    let seconds = match wanted.get("advance_s") {
        None => 0.0,
        Some(seconds) => match seconds.as_f64().filter(|seconds| (0.0..=MOST_ADVANCE_S).contains(seconds)) {
            Some(seconds) => seconds,
            None => return refused(format!("`advance_s` must be a number of seconds from 0 to {MOST_ADVANCE_S}")),
        },
    };
    match wanted.get("pause_after").map(Value::as_str) {
        None => {}
        Some(Some(action)) => *front.pause_after.lock().unwrap_or_else(PoisonError::into_inner) = Some(action.to_owned()),
        Some(None) => return refused("`pause_after` must be the name of a mutation, CreateService say".to_owned()),
    }
    if wanted.get("pause") == Some(&json!(true)) {
        front.clock.pause();
    }
    front.clock.advance((seconds * 1000.0) as i64);
    if wanted.get("resume") == Some(&json!(true)) {
        front.clock.resume();
    }
    now(Shared(front)).await
}

/// `POST faults`: see [`Fault::from_json`]; `{"clear": true}` takes every fault away.
pub(super) async fn faults(Shared(front): Shared<Front>, body: Bytes) -> Response {
    let wanted = object(&body).and_then(|value| match value.get("clear") {
        None => Fault::from_json(&value).map(Some),
        Some(_) if value == json!({"clear": true}) => Ok(None),
        Some(_) => Err("`clear` stands alone and is true".to_owned()),
    });
    match wanted {
        Ok(fault) => {
            front.look(|state| match fault {
                Some(fault) => state.add_fault(fault),
                None => state.heal(),
            });
            answered(&json!({}))
        }
        Err(problem) => refused(problem),
    }
}

/// `POST mark`: `{"label": L}`; spans count under it from now on.
pub(super) async fn mark(Shared(front): Shared<Front>, body: Bytes) -> Response {
    let label = object(&body).and_then(|value| {
        let label = value.get("label").and_then(Value::as_str).map(str::to_owned);
        label.ok_or_else(|| "a mark needs the member `label`".to_owned())
    });
    match label {
        Ok(label) => {
            front.look(|state| state.mark(&label));
            answered(&json!({}))
        }
        Err(problem) => refused(problem),
    }
}

/// `POST traffic`: `{"idle": true}`, and the applications make a span of a request only; `{"idle": false}`, and they send on.
pub(super) async fn traffic(Shared(front): Shared<Front>, body: Bytes) -> Response {
    let idle = object(&body).and_then(|value| {
        let idle = value.get("idle").and_then(Value::as_bool);
        idle.ok_or_else(|| "traffic is told by the member `idle`, true or false".to_owned())
    });
    match idle {
        Ok(idle) => {
            front.look(|state| state.set_idle(idle));
            answered(&json!({}))
        }
        Err(problem) => refused(problem),
    }
}

/// `GET jaeger/…`: the query API of the shared Jaeger, which over loopback has no address of its own.
pub(super) async fn jaeger(Shared(front): Shared<Front>, request: Request) -> Response {
    const HERE: &str = "/_sim/jaeger";
    if let Some(refusal) = only_get(&request) {
        return refusal;
    }
    let asked = request.uri().path_and_query().map_or("", |path| path.as_str());
    let path = match asked.strip_prefix(HERE).unwrap_or_default() {
        rest if rest.starts_with('/') => rest.to_owned(),
        rest => format!("/{rest}"),
    };
    match front.look(|state| jaeger::shared(state, &path)) {
        Some(answer) => passed_on(answer, HERE),
        None => (StatusCode::SERVICE_UNAVAILABLE, "no shared Jaeger is running\n").into_response(),
    }
}

/// `GET http/HOST:PORT/PATH`: what `http://HOST:PORT/PATH` gives inside the account's network: a task's address, a load balancer's
/// name, a name in Cloud Map.
pub(super) async fn http(Shared(front): Shared<Front>, request: Request) -> Response {
    const HERE: &str = "/_sim/http/";
    if let Some(refusal) = only_get(&request) {
        return refusal;
    }
    let asked = request.uri().path_and_query().map_or("", |path| path.as_str()).strip_prefix(HERE).unwrap_or_default();
    let Ok(address) = format!("http://{asked}").parse::<Uri>() else { return refused("no address follows: http/HOST:PORT/PATH") };
    let (Some(host), Some(authority)) = (address.host().filter(|host| !host.is_empty()), address.authority()) else {
        return refused("no address follows: http/HOST:PORT/PATH");
    };
    let path_and_query = address.path_and_query().map_or("/", |path| path.as_str());
    let asked = Asked { scheme: "http", host, port: address.port_u16().unwrap_or(80), path_and_query };
    match front.look(|state| web::get(state, &asked)) {
        Got::Answer(answer) => passed_on(answer, &format!("{HERE}{authority}")),
        Got::Silence => (StatusCode::GATEWAY_TIMEOUT, format!("nothing answers at {authority}\n")).into_response(),
        Got::Nobody => (StatusCode::BAD_GATEWAY, format!("nobody takes a connection at {authority}\n")).into_response(),
    }
}

fn only_get(request: &Request) -> Option<Response> {
    let reads = request.method() == Method::GET || request.method() == Method::HEAD;
    (!reads).then(|| (StatusCode::METHOD_NOT_ALLOWED, "only GET\n").into_response())
}

/// An answer from within the account, its redirects led to where it was asked.
fn passed_on(mut answer: HttpAnswer, here: &str) -> Response {
    for (name, value) in &mut answer.headers {
        if name == "location" && value.starts_with('/') {
            *value = format!("{here}{value}");
        }
    }
    http_answer(answer).map(Body::from)
}

/// Anything else under `/_sim/`.
pub(super) async fn unknown() -> Response {
    let known =
        "known are GET world, ledger, requests, spans, clock, jaeger/…, http/HOST:PORT/… and POST clock, faults, mark, traffic";
    (StatusCode::NOT_FOUND, format!("not found; {known}\n")).into_response()
}

fn object(body: &[u8]) -> Result<Value, String> {
    let value: Value = serde_json::from_slice(body).map_err(|error| format!("the body is not JSON: {error}"))?;
    if value.is_object() { Ok(value) } else { Err("the body must be a JSON object".to_owned()) }
}

fn answered(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], format!("{value}\n")).into_response()
}

fn refused(problem: impl Display) -> Response {
    (StatusCode::BAD_REQUEST, format!("{problem}\n")).into_response()
}

fn lines<T: Serialize>(items: impl Iterator<Item = T>) -> Response {
    let mut text = String::new();
    for item in items {
        text.push_str(&serde_json::to_string(&item).unwrap_or_default());
        text.push('\n');
    }
    ([(header::CONTENT_TYPE, "application/x-ndjson")], text).into_response()
}
