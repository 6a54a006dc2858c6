//! One handle on a simulated account: takes requests as they come off the wire and says what becomes of them.

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Method, Request, Response};
use serde::Serialize;
use serde_json::{Value, json};

use super::faults::{self, RequestFaultKind};
use super::queue::Event;
use super::wire::{self, Incoming, Service};
use super::{
    ApiError, Effect, Millis, State, cloudmap, ec2, ecs, elbv2, iam, jaeger, limits, logs, route53, scaling, sts, values, web,
};

/// A simulated account that several fronts can share. Clones are handles on the same account; to fork a world, clone its
/// [`State`].
#[derive(Clone, Debug)]
pub struct Sim(Arc<Mutex<Inner>>);

/// How many requests are remembered.
const MOST_REQUESTS: usize = 50_000;

#[derive(Debug)]
struct Inner {
    state: State,
    /// The latest ones.
    requests: VecDeque<RequestNote>,
    received: u64,
    calls: BTreeMap<String, u64>,
}

impl Effect {
    /// One line of the ledger.
    pub fn to_json(&self) -> Value {
        json!({
            "sequence": self.sequence,
            "at": values::iso(self.at),
            "action": self.action,
            "request_id": self.request_id,
            "invocation_id": self.invocation_id,
            "attempt": self.attempt,
            "token": self.token,
            "caller": self.caller,
            "resource": self.resource,
        })
    }
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Handled {
    /// It is answered.
    Respond(Response<Bytes>),
    /// The connection breaks; nothing happened.
    DropBefore,
    /// The connection breaks; it took effect.
    DropAfter,
    /// Nothing happened and no answer ever comes.
    Hold,
    /// It took effect; the answer comes so many virtual milliseconds late.
    Late(Millis, Response<Bytes>),
}

/// A request as it was received.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RequestNote {
    /// From 1.
    pub sequence: u64,
    /// When, virtual, ISO text.
    pub at: String,
    /// HTTP method.
    pub method: String,
    /// URI as sent.
    pub uri: String,
    /// `ecs:UpdateService`; of a plain GET the address asked; empty when it could not be told.
    pub action: String,
    /// The request id of the answer.
    pub request_id: String,
    /// The SDK's invocation id.
    pub invocation_id: Option<String>,
    /// Attempt number, from 1.
    pub attempt: u32,
    /// Access key id.
    pub caller: String,
    /// HTTP status of the answer; none when there is no answer.
    pub status: Option<u16>,
    /// What was done to it, when a fault struck.
    pub fault: Option<String>,
    /// Headers, without the signature.
    pub headers: BTreeMap<String, String>,
    /// The body as text.
    pub body: String,
}

impl Sim {
    /// A handle on a new account.
    pub fn new(state: State) -> Self {
        Self(Arc::new(Mutex::new(Inner { state, requests: VecDeque::new(), received: 0, calls: BTreeMap::new() })))
    }

    fn locked<R>(&self, f: impl FnOnce(&mut Inner) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks into the account, or changes it behind the callers' backs.
    pub fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        self.locked(|inner| f(&mut inner.state))
    }

    /// How often each operation was called so far, as `ecs:DescribeServices`; requests that got no answer count too.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.locked(|inner| inner.calls.clone())
    }

    /// Each request as received; of a very long session the latest fifty thousand.
    pub fn requests(&self) -> Vec<RequestNote> {
        self.locked(|inner| inner.requests.iter().cloned().collect())
    }

    /// How many mutations took effect.
    pub fn effects(&self) -> usize {
        self.with(|state| state.ledger.len())
    }

    /// Each mutation that took effect.
    pub fn ledger(&self) -> Vec<Effect> {
        self.with(|state| state.ledger.clone())
    }

    /// Moves the account to `now` and lets the request happen, all of it before this returns.
    pub fn handle(&self, now: Millis, request: Request<Bytes>) -> Handled {
        self.locked(|inner| inner.handle(now, &request))
    }
}

impl Inner {
    fn handle(&mut self, now: Millis, request: &Request<Bytes>) -> Handled {
        self.state.advance(now);
        let request_id = self.state.next_request_id();
        self.received += 1;
        let mut note = note(request, &request_id, self.received, self.state.now);
        let handled = match plain_address(request) {
            Some((scheme, host, port)) => {
                note.action = format!("{scheme}:{host}:{port}");
                let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
                self.state.ask(&web::Asked { scheme: &scheme, host: &host, port, path_and_query: path })
            }
            None if asks_a_tunnel(request) => {
                note.action = "http:loopback".to_owned();
                self.state.ask_tunnel(request)
            }
            None => match wire::read(request, &request_id) {
                Ok(incoming) => {
                    let action = format!("{}:{}", incoming.service.name(), incoming.call.operation);
                    note.action.clone_from(&action);
                    note.attempt = incoming.call.attempt;
                    note.caller.clone_from(&incoming.call.access_key);
                    note.invocation_id.clone_from(&incoming.call.invocation_id);
                    *self.calls.entry(action).or_default() += 1;
                    let fault = faults::strike(&mut self.state, incoming.service.name(), &incoming.call.operation);
                    note.fault = fault.map(|fault| fault.name().to_owned());
                    self.state.serve(incoming, fault)
                }
                Err(answer) => Handled::Respond(*answer),
            },
        };
        if let Handled::Respond(answer) | Handled::Late(_, answer) = &handled {
            note.status = Some(answer.status().as_u16());
        }
        if self.requests.len() == MOST_REQUESTS {
            self.requests.pop_front();
        }
        self.requests.push_back(note);
        handled
    }
}

impl State {
    /// What a fault leaves of a call, and the call itself.
    fn serve(&mut self, incoming: Incoming, fault: Option<RequestFaultKind>) -> Handled {
        let service = incoming.service;
        let request_id = incoming.call.request_id.clone();
        let refuse = |error: &ApiError| Handled::Respond(wire::error(service, error, &request_id));
        match fault {
            Some(RequestFaultKind::DropBefore) => return Handled::DropBefore,
            Some(RequestFaultKind::Hold) => return Handled::Hold,
            Some(RequestFaultKind::Expire) => return refuse(&faults::expired(service)),
            Some(RequestFaultKind::Throttle) => return refuse(&limits::throttled(service)),
            Some(RequestFaultKind::Error500) => return refuse(&faults::internal(service)),
            Some(RequestFaultKind::Refuse(refusal)) => return refuse(&refusal.error()),
            Some(RequestFaultKind::LandsLate { millis }) => {
                self.queue.push(self.now + millis, Event::Request(Box::new(incoming)));
                return Handled::DropBefore;
            }
            Some(RequestFaultKind::Stale { reads }) => ecs::force_stale(self, reads),
            Some(RequestFaultKind::DropAfter | RequestFaultKind::Late { .. }) | None => {}
        }
        let answer = self.answer(incoming);
        match fault {
            Some(RequestFaultKind::DropAfter) => Handled::DropAfter,
            Some(RequestFaultKind::Late { millis }) => Handled::Late(millis, answer),
            _ => Handled::Respond(answer),
        }
    }

    fn answer(&mut self, incoming: Incoming) -> Response<Bytes> {
        let Incoming { service, call, input, data_host } = incoming;
        let effects = self.ledger.len();
        let let_in = limits::take(self, service, &call.operation).and_then(|()| iam::permit(self, service, &call.operation));
        let outcome = let_in.and(input).and_then(|input| match service {
            Service::Ecs => ecs::call(self, &call, &input),
            Service::Logs => logs::call(self, &call, &input),
            Service::CloudMap => cloudmap::call(self, &call, &input, data_host),
            Service::Elb => elbv2::call(self, &call, &input),
            Service::Ec2 => ec2::call(self, &call, &input),
            Service::Sts => sts::call(self, &call, &input),
            Service::Iam => iam::call(self, &call, &input),
            Service::Route53 => route53::call(self, &call, &input),
            Service::Scaling => scaling::call(self, &call, &input),
        });
        if self.ledger.len() > effects {
            elbv2::look_again(self);
        }
        match outcome {
            Ok(output) => wire::success(service, &call.operation, &output, &call.request_id),
            Err(error) => wire::error(service, &error, &call.request_id),
        }
    }

    /// A GET on an address in the account.
    fn ask(&mut self, asked: &web::Asked<'_>) -> Handled {
        match web::get(self, asked) {
            web::Got::Answer(answer) => Handled::Respond(http_answer(answer)),
            web::Got::Silence => Handled::Hold,
            web::Got::Nobody => Handled::DropBefore,
        }
    }

    /// A GET on loopback: the operator's tunnel to the shared Jaeger, or the same address of a simulator that is served elsewhere.
    fn ask_tunnel(&self, request: &Request<Bytes>) -> Handled {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let path = path.strip_prefix("/_sim/jaeger").unwrap_or(path);
        jaeger::shared(self, path).map_or(Handled::DropBefore, |answer| Handled::Respond(http_answer(answer)))
    }
}

/// A request arrives that was held up on its way; its answer goes nowhere.
pub(super) fn land(state: &mut State, incoming: Incoming) {
    state.answer(incoming);
}

/// An HTTP answer from within the account as a response.
pub(super) fn http_answer(answer: jaeger::HttpAnswer) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(answer.body));
    *response.status_mut() = http::StatusCode::from_u16(answer.status).unwrap_or(http::StatusCode::BAD_GATEWAY);
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (http::HeaderName::try_from(name), http::HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Scheme, host and port of a GET that nobody signed and that is not for the simulator itself: it asks something in the account.
fn plain_address(request: &Request<Bytes>) -> Option<(String, String, u16)> {
    let uri = request.uri();
    let (scheme, host) = (uri.scheme_str()?, uri.host()?);
    let ip: Option<Ipv4Addr> = host.parse().ok();
    let own = host == "localhost" || ip.is_some_and(|ip| ip.is_loopback() || ip.is_unspecified());
    let plain = request.method() == Method::GET && !request.headers().contains_key("authorization");
    let usual = if scheme == "https" { 443 } else { 80 };
    (plain && !own).then(|| (scheme.to_owned(), host.to_owned(), uri.port_u16().unwrap_or(usual)))
}

/// Whether a GET that nobody signed asks a host by name that is none of the account's. Over HTTP the host asked is this simulator, and
/// the URI names none.
fn asks_a_tunnel(request: &Request<Bytes>) -> bool {
    let signed = request.headers().contains_key(http::header::AUTHORIZATION);
    request.method() == Method::GET && request.uri().host().is_some() && !signed
}

fn note(request: &Request<Bytes>, request_id: &str, sequence: u64, now: Millis) -> RequestNote {
    let headers = request.headers().iter().filter(|(name, _)| !matches!(name.as_str(), "authorization" | "x-amz-security-token"));
    RequestNote {
        sequence,
        at: values::iso(now),
        method: request.method().to_string(),
        uri: request.uri().to_string(),
        action: String::new(),
        request_id: request_id.to_owned(),
        invocation_id: None,
        attempt: 1,
        caller: String::new(),
        status: None,
        fault: None,
        headers: headers.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect(),
        body: String::from_utf8_lossy(request.body()).into_owned(),
    }
}
