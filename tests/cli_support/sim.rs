//! `sidestep simulate` as a second process, and what checkers may ask it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::{BINARY, SPEED, until};

/// A served simulator; it ends with this value.
pub struct Sim {
    child: Child,
    address: String,
    pub endpoint: String,
    /// The line that it printed.
    pub told: String,
}

impl Sim {
    /// Serves a world.
    pub fn serve(options: &[&str]) -> Self {
        let mut command = Command::new(BINARY);
        command.env_clear().args(["simulate", "--speed", &SPEED.to_string()]).args(options);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("the simulator starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        let told: Value = serde_json::from_str(&line).expect("the first line is JSON");
        let text = |member: &str| told[member].as_str().expect("text").to_owned();
        let (address, endpoint) = (text("address"), text("endpoint"));
        Self { child, address, endpoint, told: line }
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("the simulator listens");
        let head = format!("{method} /_sim/{path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address);
        write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.1 200"), "{method} {path}: {answer}");
        body.to_owned()
    }

    /// Somebody else takes the rule away that lets spans in.
    pub fn close_the_ports(&self) {
        let group = "sg-05687f8926f501d48";
        let body = format!(
            "Action=RevokeSecurityGroupIngress&Version=2016-11-15&GroupId={group}&IpPermissions.1.IpProtocol=tcp\
             &IpPermissions.1.FromPort=4317&IpPermissions.1.ToPort=4318&IpPermissions.1.Groups.1.GroupId={group}"
        );
        let mut stream = TcpStream::connect(&self.address).expect("the simulator listens");
        let signed =
            "AWS4-HMAC-SHA256 Credential=AKIASOMEBODYEXAMPLE/20250101/us-west-2/ec2/aws4_request, SignedHeaders=host, Signature=0";
        let head = format!("POST / HTTP/1.1\r\nhost: {}\r\nconnection: close\r\nauthorization: {signed}\r\n", self.address);
        let form = "content-type: application/x-www-form-urlencoded";
        write!(stream, "{head}{form}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// Somebody else does something in ECS.
    pub fn foreign(&self, operation: &str, input: &Value) -> Value {
        let mut stream = TcpStream::connect(&self.address).expect("the simulator listens");
        let signed =
            "AWS4-HMAC-SHA256 Credential=AKIASOMEBODYEXAMPLE/20250101/us-west-2/ecs/aws4_request, SignedHeaders=host, Signature=0";
        let head = format!("POST / HTTP/1.1\r\nhost: {}\r\nconnection: close\r\nauthorization: {signed}\r\n", self.address);
        let target = format!("x-amz-target: AmazonEC2ContainerServiceV20141113.{operation}");
        let (kind, body) = ("content-type: application/x-amz-json-1.1", input.to_string());
        write!(stream, "{head}{kind}\r\n{target}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.1 200"), "{operation}: {answer}");
        serde_json::from_str(body).expect("JSON")
    }

    fn lines(&self, path: &str) -> Vec<Value> {
        self.ask("GET", path, "").lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// Each mutation that took effect.
    pub fn ledger(&self) -> Vec<Value> {
        self.lines("ledger")
    }

    /// Each request that came in.
    pub fn requests(&self) -> Vec<Value> {
        self.lines("requests")
    }

    /// Spans that were sent and arrived nowhere.
    pub fn spans_lost(&self) -> i64 {
        let spans: Value = serde_json::from_str(&self.ask("GET", "spans", "")).expect("JSON");
        spans["total"]["lost"].as_object().expect("by reason").values().filter_map(Value::as_i64).sum()
    }

    /// The mutations that took effect, in order: `CreateService` is ECS's and Cloud Map's.
    pub fn effects(&self) -> Vec<String> {
        self.ledger().iter().map(|effect| effect["action"].as_str().expect("an action").to_owned()).collect()
    }

    /// How many mutations of this name took effect.
    pub fn count(&self, action: &str) -> usize {
        self.effects().iter().filter(|effect| *effect == action).count()
    }

    /// Waits until a mutation took effect.
    pub fn until_done(&self, action: &str) {
        until(&format!("{action} takes effect"), || (self.count(action) > 0).then_some(()));
    }

    /// Waits until a request has come in.
    pub fn until_asked(&self, action: &str) {
        let suffix = format!(":{action}");
        let asked = || {
            self.lines("requests").iter().any(|request| request["action"].as_str().is_some_and(|known| known.ends_with(&suffix)))
        };
        until(&format!("{action} is asked"), || asked().then_some(()));
    }

    /// How many requests came in that were signed with this access key.
    pub fn asked_by(&self, key: &str) -> usize {
        self.lines("requests").iter().filter(|request| request["caller"] == key).count()
    }

    /// Lets something go wrong.
    pub fn fault(&self, fault: &Value) {
        self.ask("POST", "faults", &fault.to_string());
    }

    /// Takes every fault away that has not struck yet.
    pub fn clear_faults(&self) {
        self.fault(&json!({ "clear": true }));
    }

    /// Nobody uses the applications, or somebody does.
    pub fn idle(&self, idle: bool) {
        self.ask("POST", "traffic", &json!({ "idle": idle }).to_string());
    }

    /// The world's time, in seconds.
    pub fn now(&self) -> i64 {
        let told: Value = serde_json::from_str(&self.ask("GET", "clock", "")).expect("JSON");
        told["now"].as_str().and_then(|now| now.parse::<jiff::Timestamp>().ok()).expect("a time").as_second()
    }

    /// Sets the world's time forward.
    pub fn advance(&self, seconds: i64) {
        self.ask("POST", "clock", &json!({ "advance_s": seconds }).to_string());
    }

    /// Stops the world's time: what waits goes on waiting.
    pub fn freeze(&self) {
        self.ask("POST", "clock", &json!({ "pause": true }).to_string());
    }

    /// Stops it in the instant in which a mutation takes effect.
    pub fn freeze_after(&self, action: &str) {
        self.ask("POST", "clock", &json!({ "pause_after": action }).to_string());
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.ask("POST", "clock", &json!({ "resume": true }).to_string());
    }

    /// What the account holds now.
    pub fn world(&self) -> Value {
        serde_json::from_str(&self.ask("GET", "world", "")).expect("a world")
    }

    /// A service as the account holds it.
    pub fn service(&self, name: &str) -> Option<Value> {
        let world = self.world();
        let services = world["ecs"]["services"].as_array().expect("services").clone();
        services.into_iter().find(|service| service["serviceName"] == name && service["status"] == "ACTIVE")
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
