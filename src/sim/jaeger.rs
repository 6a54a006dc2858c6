//! What answers HTTP on a task's address: Jaeger's query API and health ports as its images have them, and 200 from anything else.
//!
//! | image | query on 16686 | health |
//! | --- | --- | --- |
//! | `all-in-one` (v1) | `QUERY_BASE_PATH`; legacy API, and v3 from 1.60 | 14269 `/` |
//! | `jaeger` (v2) | `extensions.jaeger_query.base_path`, v1's variables are ignored; v3, and legacy up to 2.20; from 2.16 `BASE` answers 307 to `BASE/` | 13133 `/status` |
//!
//! Without a base path every path that is neither the API's nor a static file's answers 200 with the UI's page; with one, paths outside
//! answer 404. From 2.16 on an unknown path of the API answers 404 instead of the page.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::ecs::json::texts;
use super::ecs::{Container, ImageFault, Task};
use super::images;
use super::sender::Transport;
use super::traffic::Run;
use super::{Millis, State};

/// Port of the query API and UI.
const QUERY: u16 = 16_686;

/// An HTTP answer of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HttpAnswer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl HttpAnswer {
    fn text(status: u16, kind: &str, body: impl Into<String>) -> Self {
        Self { status, headers: vec![("content-type".to_owned(), kind.to_owned())], body: body.into() }
    }

    fn json(status: u16, body: &Value) -> Self {
        Self::text(status, "application/json", body.to_string())
    }

    /// A status with a page of a proxy.
    pub(super) fn page(status: u16) -> Self {
        Self::text(status, "text/html", format!("<html><title>{status}</title></html>\n"))
    }

    fn not_found() -> Self {
        Self::text(404, "text/plain; charset=utf-8", "404 page not found\n")
    }
}

/// Whether a Jaeger has served a request of its query API: from then on it lists its own name. Noted while answering, which
/// changes nothing else; so it needs no exclusive access.
#[derive(Debug, Default)]
pub(super) struct Served(AtomicBool);

impl Clone for Served {
    fn clone(&self) -> Self {
        Self(AtomicBool::new(self.0.load(Ordering::Relaxed)))
    }
}

/// Who is behind an address and port.
pub(super) enum Reach<'a> {
    /// No such address, or the security group swallows the packets.
    Nobody,
    /// Nothing listens on the port.
    Closed,
    /// This container of this task.
    Container(&'a Task, &'a Container),
}

/// Who answers on `ip:port`, for a sender with these security groups; `None`: any sender is let through.
pub(super) fn reach<'a>(state: &'a State, ip: &str, port: u16, from_groups: Option<&[String]>) -> Reach<'a> {
    let Some(task) = state.ecs.task_at(ip).filter(|_| !ip.is_empty()) else { return Reach::Nobody };
    if let Some(groups) = from_groups {
        let from = neighbour(state, task);
        if !state.ec2.lets_through(&from, groups, ip, &task.groups, (Transport::Tcp, port)) {
            return Reach::Nobody;
        }
    }
    if !task.containers.iter().any(Container::runs) {
        return Reach::Nobody;
    }
    match task.containers.iter().find(|container| container.runs() && open(container, port)) {
        Some(container) => Reach::Container(task, container),
        None => Reach::Closed,
    }
}

/// A load balancer's address in the task's subnet, for rules by address.
fn neighbour(state: &State, task: &Task) -> String {
    let cidr = state.ec2.subnet(task.subnet()).map(|subnet| subnet.cidr).unwrap_or_default();
    let base = cidr.split('/').next().and_then(|base| base.parse::<std::net::Ipv4Addr>().ok());
    base.map_or_else(|| task.ip.clone(), |base| std::net::Ipv4Addr::from(u32::from(base) + 5).to_string())
}

/// Whether a container listens on the port: it is in its definition, or built into its image.
fn open(container: &Container, port: u16) -> bool {
    let built_in: &[u16] = match Version::of(container) {
        Some(Version { major: 1, .. }) => &[QUERY, 14_269],
        Some(_) => &[QUERY, 13_133],
        None => &[],
    };
    container.listens_on(Transport::Tcp, port) || built_in.contains(&port)
}

/// The version of a Jaeger image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    major: u32,
    minor: u32,
}

impl Version {
    /// `None`: not a Jaeger. A tag that is no number is the last release: 1.76 or 2.20.
    fn of(container: &Container) -> Option<Self> {
        let image = container.image().split('@').next().unwrap_or_default();
        let last = image.rsplit('/').next().unwrap_or_default();
        let (repository, tag) = last.split_once(':').unwrap_or((last, "latest"));
        let major = if repository.contains("all-in-one") {
            1
        } else if repository == "jaeger" {
            2
        } else {
            return None;
        };
        let mut numbers = tag.trim_start_matches('v').split('.').map(|part| part.parse::<u32>().ok());
        let minor = match (numbers.next().flatten(), numbers.next().flatten()) {
            (Some(given), Some(minor)) if given == major => minor,
            _ => {
                if major == 1 {
                    76
                } else {
                    20
                }
            }
        };
        Some(Self { major, minor })
    }

    fn has_v3(self) -> bool {
        self.major == 2 || self.minor >= 60
    }

    fn has_legacy(self) -> bool {
        self.major == 1 || self.minor <= 20
    }

    /// Redirects the base path to the base path with a slash.
    fn redirects(self) -> bool {
        self.major == 2 && self.minor >= 16
    }

    fn own_name(self) -> &'static str {
        if self.major == 1 { "jaeger-all-in-one" } else { "jaeger" }
    }
}

/// Whether a container is a Jaeger.
pub(super) fn is_one(container: &Container) -> bool {
    Version::of(container).is_some()
}

/// What a GET on the shared Jaeger gives: the newest task whose only serving container is a Jaeger that takes spans in.
pub(super) fn shared(state: &State, path_and_query: &str) -> Option<HttpAnswer> {
    let receives = |container: &Container| {
        let listens = |port: u16| container.listens_on(Transport::Tcp, port);
        container.runs() && listens(QUERY) && (listens(4317) || listens(4318))
    };
    let found = state.ecs.tasks.iter().rev().find_map(|task| {
        let container = task.containers.iter().find(|container| receives(container))?;
        let alone = task.containers.iter().all(|other| other.name == container.name || !other.serves());
        alone.then_some((task, container))
    });
    found.map(|(task, container)| answer(state, task, container, QUERY, path_and_query))
}

/// The status that a load balancer's health check gets.
pub(super) fn health_status(state: &State, task: &Task, container: &Container, port: u16, path: &str) -> u16 {
    if sick(state, container) {
        return 503;
    }
    match Version::of(container) {
        Some(version) => jaeger(state, task, container, version, port, path, false).status,
        None => 200,
    }
}

/// Whether a container's health check passes. Jaeger's images have a shell and `wget`, but no `curl`.
pub(super) fn check_passes(state: &State, task: &Task, container: &Container) -> bool {
    if sick(state, container) {
        return false;
    }
    let Some(version) = Version::of(container) else {
        return images::of(container).is_none_or(|image| image.can_check(container));
    };
    let command = texts(&container.spec["healthCheck"], "command").join(" ");
    if command.contains("curl") {
        return false;
    }
    let answers = |(port, path): (u16, String)| {
        open(container, port) && (200..400).contains(&jaeger(state, task, container, version, port, &path, false).status)
    };
    let urls = |part: &str| part.split([' ', '"', '\'', ';', '|', '&']).filter_map(local_url).collect::<Vec<_>>();
    let mut alternatives = command.split("||").map(urls).filter(|urls| !urls.is_empty()).peekable();
    alternatives.peek().is_none() || alternatives.any(|urls| urls.into_iter().all(answers))
}

/// Port and path of a URL of the loopback interface.
fn local_url(word: &str) -> Option<(u16, String)> {
    let rest = word.strip_prefix("http://").unwrap_or(word);
    let (authority, path) = rest.split_once('/').map_or((rest, "/".to_owned()), |(host, path)| (host, format!("/{path}")));
    let (host, port) = authority.rsplit_once(':')?;
    let local = matches!(host, "localhost" | "127.0.0.1" | "0.0.0.0" | "[::1]");
    Some((port.parse().ok().filter(|_| local)?, path))
}

fn sick(state: &State, container: &Container) -> bool {
    state.ecs.image_faults.get(container.image()) == Some(&ImageFault::Unhealthy)
}

/// What a GET on a container's port gives.
pub(super) fn answer(state: &State, task: &Task, container: &Container, port: u16, path_and_query: &str) -> HttpAnswer {
    if sick(state, container) {
        return HttpAnswer::text(503, "text/plain; charset=utf-8", "unhealthy\n");
    }
    match Version::of(container) {
        Some(version) => jaeger(state, task, container, version, port, path_and_query, true),
        None => HttpAnswer::text(200, "text/plain; charset=utf-8", "ok\n"),
    }
}

fn jaeger(
    state: &State,
    task: &Task,
    container: &Container,
    version: Version,
    port: u16,
    path_and_query: &str,
    traced: bool,
) -> HttpAnswer {
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    match (port, version.major) {
        (QUERY, _) => ui(state, task, container, version, path, query, traced),
        (14_269, 1) if path == "/" => HttpAnswer::json(200, &json!({ "status": "Server available" })),
        (13_133, 2) if path == "/status" => HttpAnswer::json(200, &json!({ "healthy": true, "status": "StatusOK" })),
        (4318, _) if path == "/v1/traces" => HttpAnswer::text(405, "text/plain", "405 method not allowed, supported: [POST]"),
        _ => HttpAnswer::not_found(),
    }
}

fn base_path(container: &Container, version: Version) -> String {
    let arguments: Vec<String> = ["entryPoint", "command"].iter().flat_map(|member| texts(&container.spec, member)).collect();
    let flag = |name: &str| arguments.iter().find_map(|argument| argument.split_once(name).map(|(_, value)| value.to_owned()));
    let base = if version.major == 1 {
        flag("--query.base-path=").or_else(|| container.env("QUERY_BASE_PATH").map(str::to_owned))
    } else {
        flag("extensions.jaeger_query.base_path=")
    };
    base.unwrap_or_default().trim_end_matches('/').to_owned()
}

/// The query port: base path, API, page.
fn ui(state: &State, task: &Task, container: &Container, version: Version, path: &str, query: &str, traced: bool) -> HttpAnswer {
    let base = base_path(container, version);
    let Some(inside) = path.strip_prefix(&base).filter(|rest| rest.is_empty() || rest.starts_with('/')) else {
        return HttpAnswer::not_found();
    };
    if inside.is_empty() && !base.is_empty() && version.redirects() {
        let mut answer = HttpAnswer::text(307, "text/html; charset=utf-8", "");
        answer.headers.push(("location".to_owned(), format!("{base}/")));
        return answer;
    }
    let page = || HttpAnswer::text(200, "text/html; charset=utf-8", index(&base));
    if let Some(file) = inside.strip_prefix("/static/") {
        return asset(file);
    }
    let Some(operation) = inside.strip_prefix("/api/") else { return page() };
    let store = Query { state, key: (task.id.clone(), container.name.clone()), served: container.served(), version };
    let parameters: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let answer = match operation.strip_prefix("v3/") {
        Some(operation) if version.has_v3() => store.v3(operation, &parameters),
        None if version.has_legacy() => store.legacy(operation, &parameters),
        _ => None,
    };
    // A path that is none of the API's is the page's, until the router that knows better.
    let answer = answer.unwrap_or_else(|| if version.redirects() { HttpAnswer::not_found() } else { page() });
    if traced {
        container.note_served();
    }
    answer
}

/// The UI's script and style sheet, under `static/`.
const SCRIPT: &str = "index-C0FFEE00.js";
const STYLE: &str = "index-C0FFEE01.css";

/// The UI's page. Its own files are found from its base address: where Jaeger is not told the path that a proxy puts before it, the
/// browser looks for them at the wrong place, and the page stays blank.
fn index(base: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<base href=\"{base}/\" data-inject-target=\"BASE_URL\">\n\
         <title>Jaeger UI</title>\n<script type=\"module\" src=\"./static/{SCRIPT}\"></script>\n\
         <link rel=\"stylesheet\" href=\"./static/{STYLE}\">\n</head>\n<body><div id=\"jaeger-ui-root\"></div></body>\n</html>\n"
    )
}

/// A file under `static/`; one that is not there is not the page.
fn asset(file: &str) -> HttpAnswer {
    match file {
        SCRIPT => HttpAnswer::text(200, "text/javascript; charset=utf-8", "/* the Jaeger UI's script */\n"),
        STYLE => HttpAnswer::text(200, "text/css; charset=utf-8", "/* the Jaeger UI's style sheet */\n"),
        _ => HttpAnswer::not_found(),
    }
}

/// A request of the query API to one Jaeger's memory.
struct Query<'a> {
    state: &'a State,
    key: (String, String),
    /// Whether it had served a request before.
    served: bool,
    version: Version,
}

/// A span as it was kept.
struct Kept {
    service: String,
    task: String,
    at: Millis,
}

impl Kept {
    fn trace_id(&self) -> String {
        // FNV-1a of the task: the same span has the same id whenever it is asked for.
        let hash =
            self.task.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        format!("{hash:016x}{:016x}", self.at)
    }

    fn span_id(&self) -> String {
        format!("{:016x}", self.at)
    }
}

fn parameter<'a>(parameters: &'a [(String, String)], names: &[&str]) -> Option<&'a str> {
    parameters.iter().find(|(name, _)| names.contains(&name.as_str())).map(|(_, value)| value.as_str())
}

impl Query<'_> {
    fn runs(&self, service: &str) -> &[Run] {
        let store = self.state.ecs.traffic.stores.get(&self.key);
        store.and_then(|store| store.services.get(service)).map_or(&[], Vec::as_slice)
    }

    fn services(&self) -> Vec<String> {
        let store = self.state.ecs.traffic.stores.get(&self.key);
        let mut names: Vec<String> = store.map(|store| store.services.keys().cloned().collect()).unwrap_or_default();
        if self.served {
            names.push(self.version.own_name().to_owned());
            names.sort();
        }
        names
    }

    /// The newest spans of the service within a span of time, newest first.
    fn search(&self, service: &str, from: Millis, to: Millis, limit: usize) -> Vec<Kept> {
        let newest = |run: &Run| {
            let task = run.task.clone();
            let kept = move |at| Kept { service: service.to_owned(), task: task.clone(), at };
            run.times(from, to).rev().take(limit).map(kept).collect::<Vec<_>>()
        };
        let mut found: Vec<Kept> = self.runs(service).iter().flat_map(newest).collect();
        found.sort_by(|one, other| other.at.cmp(&one.at).then(one.task.cmp(&other.task)));
        found.truncate(limit);
        found
    }

    /// The span of a trace id.
    fn find(&self, trace: &str) -> Option<Kept> {
        let at = Millis::from_str_radix(trace.get(16..)?, 16).ok()?;
        let services = self.state.ecs.traffic.stores.get(&self.key)?.services.keys();
        services.flat_map(|service| self.search(service, at, at, usize::MAX)).find(|kept| kept.trace_id() == trace)
    }

    /// `None`: no path of this API.
    fn legacy(&self, operation: &str, parameters: &[(String, String)]) -> Option<HttpAnswer> {
        let listed = |data: Vec<Value>| {
            let total = data.len();
            HttpAnswer::json(200, &json!({ "data": data, "total": total, "limit": 0, "offset": 0, "errors": null }))
        };
        let failed = |status: u16, message: &str| {
            let errors = json!([{ "code": status, "msg": message }]);
            HttpAnswer::json(status, &json!({ "data": null, "total": 0, "limit": 0, "offset": 0, "errors": errors }))
        };
        if operation == "services" {
            return Some(listed(self.services().into_iter().map(Value::from).collect()));
        }
        if let Some(trace) = operation.strip_prefix("traces/") {
            return Some(match self.find(trace) {
                Some(kept) => listed(vec![legacy_trace(&kept)]),
                None => failed(404, "trace not found"),
            });
        }
        if operation != "traces" {
            return None;
        }
        let Some(service) = parameter(parameters, &["service"]) else {
            return Some(failed(400, "parameter 'service' is required"));
        };
        let micros =
            |name: &str| parameter(parameters, &[name]).and_then(|text| text.parse::<i64>().ok()).map(|micros| micros / 1000);
        let lookback = parameter(parameters, &["lookback"]).and_then(duration).unwrap_or(48 * 3_600_000);
        let to = micros("end").unwrap_or(self.state.now);
        let from = micros("start").unwrap_or(to - lookback);
        let limit = parameter(parameters, &["limit"]).and_then(|text| text.parse().ok()).unwrap_or(100);
        Some(listed(self.search(service, from, to, limit).iter().map(legacy_trace).collect()))
    }

    /// `None`: no path of this API.
    fn v3(&self, operation: &str, parameters: &[(String, String)]) -> Option<HttpAnswer> {
        let failed =
            |status: u16, message: &str| HttpAnswer::json(status, &json!({ "error": { "httpCode": status, "message": message } }));
        if operation == "services" {
            return Some(HttpAnswer::json(200, &json!({ "services": self.services() })));
        }
        if let Some(trace) = operation.strip_prefix("traces/") {
            return Some(match self.find(trace) {
                Some(kept) => HttpAnswer::json(200, &json!({ "result": { "resourceSpans": [resource_span(&kept)] } })),
                None => failed(404, "No traces found"),
            });
        }
        if operation != "traces" {
            return None;
        }
        let time = |names: &[&str]| {
            let text = parameter(parameters, names)?;
            text.parse::<jiff::Timestamp>().ok().map(|at| at.as_millisecond())
        };
        let Some(from) = time(&["query.start_time_min", "query.startTimeMin"]) else {
            return Some(failed(400, "malformed parameter query.start_time_min"));
        };
        let Some(to) = time(&["query.start_time_max", "query.startTimeMax"]) else {
            return Some(failed(400, "malformed parameter query.start_time_max"));
        };
        let names = ["query.num_traces", "query.search_depth", "query.searchDepth"];
        let limit = parameter(parameters, &names).and_then(|text| text.parse().ok()).unwrap_or(100);
        let service = parameter(parameters, &["query.service_name", "query.serviceName"]).unwrap_or_default();
        let found = self.search(service, from, to, limit);
        if found.is_empty() {
            return Some(failed(404, "No traces found"));
        }
        let spans: Vec<Value> = found.iter().map(resource_span).collect();
        Some(HttpAnswer::json(200, &json!({ "result": { "resourceSpans": spans } })))
    }
}

/// `1h`, `20m`, `30s`, `2d`.
fn duration(text: &str) -> Option<Millis> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(number.parse::<Millis>().ok()? * unit)
}

fn legacy_trace(kept: &Kept) -> Value {
    let id = kept.trace_id();
    json!({
        "traceID": id,
        "spans": [{
            "traceID": id,
            "spanID": kept.span_id(),
            "operationName": "request",
            "references": [],
            "startTime": kept.at * 1000,
            "duration": 1000,
            "tags": [],
            "logs": [],
            "processID": "p1",
            "warnings": null,
        }],
        "processes": { "p1": { "serviceName": kept.service, "tags": [{ "key": "task", "type": "string", "value": kept.task }] } },
        "warnings": null,
    })
}

fn resource_span(kept: &Kept) -> Value {
    let attribute = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    json!({
        "resource": { "attributes": [attribute("service.name", &kept.service), attribute("task", &kept.task)] },
        "scopeSpans": [{
            "scope": {},
            "spans": [{
                "traceId": kept.trace_id(),
                "spanId": kept.span_id(),
                "name": "request",
                "kind": 2,
                "startTimeUnixNano": (kept.at * 1_000_000).to_string(),
                "endTimeUnixNano": (kept.at * 1_000_000 + 1_000_000).to_string(),
                "status": {},
            }],
        }],
    })
}

impl Served {
    /// Whether it was noted.
    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Notes it.
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
