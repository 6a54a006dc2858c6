use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::*;
use crate::sim::State;
use crate::sim::tests::world;

/// A served account on a port of its own.
struct Served {
    address: SocketAddr,
    sim: Sim,
    stop: oneshot::Sender<()>,
    done: tokio::task::JoinHandle<io::Result<()>>,
}

async fn served(speed: f64) -> Served {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let sim = Sim::new(State::load(&world(), 3).expect("the shipped world loads"));
    let (stop, stopped) = oneshot::channel::<()>();
    let options = Options { speed, stop: Box::pin(async move { stopped.await.unwrap_or_default() }) };
    let done = tokio::spawn(serve(listener, sim.clone(), options));
    Served { address, sim, stop, done }
}

/// How long a blocking client waits on its socket, of real time.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

impl Served {
    /// Sends bytes on a new connection and gives all that comes back until it closes.
    async fn raw(&self, request: String) -> String {
        let address = self.address;
        let talk = move || -> io::Result<String> {
            let mut stream = TcpStream::connect(address)?;
            // Who refuses a request by its head need not read the rest, nor close at once.
            stream.set_write_timeout(Some(PATIENCE))?;
            stream.set_read_timeout(Some(PATIENCE))?;
            let _ = stream.write_all(request.as_bytes());
            let mut answer = String::new();
            // A reset is a closed connection too.
            let _ = stream.read_to_string(&mut answer);
            Ok(answer)
        };
        #[allow(clippy::disallowed_methods, reason = "a blocking client beside the server; no clock is paused here")]
        tokio::task::spawn_blocking(talk).await.expect("the talk ends").expect("a connection")
    }

    async fn control(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let length = body.len();
        let request =
            format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
        let answer = self.raw(request).await;
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    }

    async fn create_group(&self, name: &str) -> String {
        let body = json!({"logGroupName": name}).to_string();
        let length = body.len();
        let signature =
            "AWS4-HMAC-SHA256 Credential=AKIDOTHERHAND/20251202/us-west-2/logs/aws4_request, SignedHeaders=host, Signature=0";
        self.raw(format!(
            "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx-amz-target: Logs_20140328.CreateLogGroup\r\n\
             authorization: {signature}\r\ncontent-length: {length}\r\n\r\n{body}"
        ))
        .await
    }
}

#[tokio::test]
async fn a_page_in_a_browser_is_refused() {
    let sim = served(1.0).await;
    let before = sim.control("GET", "/_sim/ledger", "").await;
    for (path, headers) in [
        ("/_sim/world", "host: evil.example"),
        ("/_sim/clock", "host: localhost\r\norigin: http://evil.example"),
        ("/_sim/clock", "host: localhost\r\nsec-fetch-site: cross-site"),
        ("/_sim/jaeger/api/services", "host: evil.example"),
        ("/", "host: localhost\r\norigin: null\r\nx-amz-target: Logs_20140328.CreateLogGroup"),
    ] {
        let body = json!({ "pause": true, "logGroupName": "/page" }).to_string();
        let request =
            format!("POST {path} HTTP/1.1\r\n{headers}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let answer = sim.raw(request).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{path} {headers}: {answer}");
    }
    assert_eq!(sim.control("GET", "/_sim/ledger", "").await, before);
}

#[tokio::test]
async fn what_took_effect_is_in_the_ledger_and_the_world() {
    let sim = served(1.0).await;
    let answer = sim.create_group("/ecs/new").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("x-amzn-requestid: "), "{answer}");
    let (_, ledger) = sim.control("GET", "/_sim/ledger", "").await;
    let line: Value = serde_json::from_str(ledger.trim()).expect("one line");
    assert_eq!(
        (&line["action"], &line["caller"], &line["sequence"]),
        (&json!("CreateLogGroup"), &json!("AKIDOTHERHAND"), &json!(1))
    );
    let (_, world) = sim.control("GET", "/_sim/world", "").await;
    let world: Value = serde_json::from_str(&world).expect("a world");
    let names: Vec<&Value> =
        world["logs"]["logGroups"].as_array().into_iter().flatten().map(|group| &group["logGroupName"]).collect();
    assert!(names.contains(&&json!("/ecs/new")), "{names:?}");
    let (_, requests) = sim.control("GET", "/_sim/requests", "").await;
    assert!(requests.contains("\"action\":\"logs:CreateLogGroup\"") && !requests.contains("Signature"), "{requests}");
}

#[tokio::test]
async fn a_dropped_request_gets_not_a_single_byte() {
    let sim = served(1.0).await;
    for (fault, exists) in [("drop-before", false), ("drop-after", true)] {
        let posted = sim.control("POST", "/_sim/faults", &json!({"action": "CreateLogGroup", "fault": fault}).to_string()).await;
        assert_eq!(posted.0, 200, "{posted:?}");
        assert_eq!(sim.create_group(fault).await, "", "{fault}");
        assert_eq!(sim.sim.with(|state| state.logs.group_exists(fault)), exists, "{fault}");
    }
}

#[tokio::test]
async fn a_fault_that_was_cleared_strikes_nobody() {
    let sim = served(1.0).await;
    for fault in [json!({"action": "CreateLogGroup", "fault": "drop-before"}), json!({"clear": true})] {
        assert_eq!(sim.control("POST", "/_sim/faults", &fault.to_string()).await.0, 200);
    }
    assert!(sim.create_group("/ecs/new").await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn the_clock_stops_and_jumps_by_hand() {
    let sim = served(1000.0).await;
    let (_, before) = sim.control("POST", "/_sim/clock", r#"{"pause": true}"#).await;
    let (_, still) = sim.control("GET", "/_sim/clock", "").await;
    assert_eq!(before, still);
    let parse = |text: &str| serde_json::from_str::<Value>(text).ok().and_then(|value| crate::sim::values::millis(&value["now"]));
    let (_, after) = sim.control("POST", "/_sim/clock", r#"{"advance_s": 90}"#).await;
    assert_eq!(parse(&after).zip(parse(&before)).map(|(after, before)| after - before), Some(90_000));
}

#[tokio::test]
async fn the_clock_stops_with_an_effect() {
    let sim = served(1000.0).await;
    assert_eq!(sim.control("POST", "/_sim/clock", r#"{"pause_after": "CreateLogGroup"}"#).await.0, 200);
    let (_, begun) = sim.control("GET", "/_sim/clock", "").await;
    // Its time is told in whole seconds: two looks may fall into one.
    while sim.control("GET", "/_sim/clock", "").await.1 == begun {}
    assert!(sim.create_group("/ecs/new").await.starts_with("HTTP/1.1 200 OK"));
    let (_, stopped) = sim.control("GET", "/_sim/clock", "").await;
    // Each takes a good part of a second of its time.
    for _ in 0..50 {
        assert_eq!(sim.control("GET", "/_sim/clock", "").await, (200, stopped.clone()));
    }
}

#[tokio::test]
async fn wrong_control_requests_are_told_so() {
    let sim = served(1.0).await;
    for (path, body, words) in [
        ("/_sim/faults", r#"{"action": "X", "fault": "melt"}"#, "unknown fault `melt` of a request"),
        ("/_sim/faults", r#"{"image": "x", "fault": "hold"}"#, "unknown fault `hold` of an image"),
        ("/_sim/faults", "{", "the body is not JSON"),
        ("/_sim/faults", r#"{"clear": false}"#, "`clear` stands alone"),
        ("/_sim/clock", r#"{"forward": 1}"#, "unknown member `forward`"),
        ("/_sim/clock", r#"{"advance_s": -1}"#, "`advance_s` must be"),
        ("/_sim/clock", r#"{"pause_after": 3}"#, "`pause_after` must be the name"),
        ("/_sim/mark", "{}", "a mark needs the member `label`"),
    ] {
        let (status, answer) = sim.control("POST", path, body).await;
        assert_eq!(status, 400, "{path} {body}");
        assert!(answer.contains(words), "{answer}");
    }
    assert_eq!(sim.control("GET", "/_sim/nothing", "").await.0, 404);
}

#[tokio::test]
async fn what_is_too_long_is_refused_and_the_next_request_is_served() {
    let sim = served(1.0).await;
    let long = "x".repeat(MOST_BODY_BYTES + 1);
    for path in ["/", "/_sim/faults"] {
        // A reset may overtake the answer to who goes on sending.
        let (status, _) = sim.control("POST", path, &long).await;
        assert!(matches!(status, 413 | 0), "{path}: {status}");
        // Nobody has to send it to be told.
        let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 99999999999\r\n\r\n");
        let answer = sim.raw(head).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{path}: {answer}");
    }
    let header = format!("POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx-long: {}\r\n\r\n", "x".repeat(1_000_000));
    let headers: String = (0..1_000).map(|n| format!("x-{n}: 1\r\n")).collect();
    for request in [header, format!("POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n")] {
        let answer = sim.raw(request).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    assert!(sim.create_group("/ecs/after").await.starts_with("HTTP/1.1 200 OK"));
    assert_eq!(sim.sim.calls().len(), 1, "nothing else was handled");
}

#[tokio::test]
async fn serving_ends_when_told_even_with_a_request_held() {
    let sim = served(1.0).await;
    sim.control("POST", "/_sim/faults", r#"{"action": "CreateLogGroup", "fault": "hold"}"#).await;
    let Served { address, stop, done, .. } = sim;
    let held = Served { address, sim: sim.sim, stop: oneshot::channel().0, done: tokio::spawn(async { Ok(()) }) };
    let (answer, ()) = tokio::join!(held.create_group("held"), async {
        while held.sim.calls().is_empty() {
            tokio::task::yield_now().await;
        }
        stop.send(()).expect("it still serves");
    });
    assert_eq!(answer, "");
    done.await.expect("it ends").expect("without an error");
}

#[tokio::test]
async fn what_is_in_the_network_is_asked_by_its_address_and_an_idle_application_by_a_request() {
    let sim = served(1.0).await;
    assert_eq!(sim.control("POST", "/_sim/traffic", r#"{"idle": true}"#).await.0, 200);
    for (body, status) in [(r#"{"idle": 1}"#, 400), ("{}", 400)] {
        assert_eq!(sim.control("POST", "/_sim/traffic", body).await.0, status, "{body}");
    }
    let sent = || {
        let spans = sim.sim.with(|state| state.spans());
        spans["total"]["sent"].as_u64()
    };
    let before = sent();
    let balancer = "nexus-ai-alb-staging-459449098.us-west-2.elb.amazonaws.com";
    let (status, body) = sim.control("GET", &format!("/_sim/http/{balancer}/api/orders?one=1"), "").await;
    assert_eq!((status, body.as_str()), (200, "ok\n"));
    assert_eq!(sent(), before.map(|before| before + 1));
    for (path, status) in [("10.9.9.9:80/", 504), ("nowhere.example.com/", 502), (":80/", 400)] {
        assert_eq!(sim.control("GET", &format!("/_sim/http/{path}"), "").await.0, status, "{path}");
    }
    assert_eq!(sim.control("POST", &format!("/_sim/http/{balancer}/"), "").await.0, 405);
}
