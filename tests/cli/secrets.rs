//! No secret leaves the process: a world full of marks, and every byte that the tool writes searched for them.
//!
//! What the tool prints goes to files in the desk's directory, where the state directory, the home and the directory for
//! temporary files are too: one search covers all of it. The world file, which holds the marks, lies elsewhere.

use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli_support::{Desk, Ran, Sim, file, until};

/// What every mark begins with.
const MARK: &str = "xSECRETx";
/// What a container writes that dies at its start. Such lines may hold anything.
const LOG_LINE: &str = "fatal: cannot start, exiting with code 1";
/// The one variable that the shipped runbook names.
const NAMED: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const API_IMAGE: &str = "111122223333.dkr.ecr.us-west-2.amazonaws.com/nexus-ai-api:latest";

/// The shipped world with a mark of its own wherever a secret may stand.
fn marked_world() -> Value {
    let text = std::fs::read_to_string(file("runbooks/worlds/nexus-ai-staging.json")).expect("the world");
    let mut world: Value = serde_json::from_str(&text).expect("JSON");
    for entry in world["ecs"]["taskDefinitions"].as_array_mut().expect("task definitions") {
        let family = entry["taskDefinition"]["family"].as_str().expect("a family").to_owned();
        entry["tags"].as_array_mut().expect("tags").push(json!({ "key": "Owner", "value": mark(&family, "tag") }));
        for container in entry["taskDefinition"]["containerDefinitions"].as_array_mut().expect("containers") {
            let name = format!("{family}/{}", container["name"].as_str().expect("a name"));
            mark_container(container, &name);
        }
    }
    for service in world["ecs"]["services"].as_array_mut().expect("services") {
        let name = service["serviceName"].as_str().expect("a name").to_owned();
        service["tags"] = json!([{ "key": "Contact", "value": mark(&name, "tag") }]);
    }
    mark_logs(&mut world);
    world
}

fn mark(of: &str, kind: &str) -> String {
    format!("{MARK}-{kind}-{of}")
}

fn mark_container(container: &mut Value, name: &str) {
    let pairs = container["environment"].as_array_mut().expect("an environment");
    for pair in pairs.iter_mut().filter(|pair| pair["name"] != NAMED) {
        pair["value"] = json!(mark(name, pair["name"].as_str().expect("a name")));
    }
    // Neighbours of the variable that is named.
    for (variable, value) in [
        ("OTEL_EXPORTER_OTLP_HEADERS", mark(name, "header")),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", format!("http://user:{}@localhost:4318", mark(name, "userinfo"))),
        ("JAEGER_UI", format!("http://localhost:16686/?token={}", mark(name, "query"))),
    ] {
        pairs.push(json!({ "name": variable, "value": value }));
    }
    container["secrets"] = json!([{ "name": "DATABASE_PASSWORD", "valueFrom": format!(
        "arn:aws:secretsmanager:us-west-2:111122223333:secret:{}", mark(name, "valueFrom")) }]);
    container["logConfiguration"]["options"]["splunk-token"] = json!(mark(name, "option"));
    container["logConfiguration"]["secretOptions"] = json!([{ "name": "splunk-url", "valueFrom": mark(name, "secretOption") }]);
    container["dockerLabels"] = json!({ "com.example.license": mark(name, "label") });
    container["command"] = json!(["serve", format!("--password={}", mark(name, "command"))]);
    container["repositoryCredentials"] = json!({ "credentialsParameter": mark(name, "registry") });
}

/// Lines of the tasks that run when the world was captured.
fn mark_logs(world: &mut Value) {
    let mut lines = Vec::new();
    for task in world["ecs"]["tasks"].as_array().expect("tasks") {
        let id = task["taskArn"].as_str().and_then(|arn| arn.rsplit('/').next()).expect("an id");
        if task["group"] == "service:nexus-ai-api-staging" {
            for name in ["api", "jaeger"] {
                let message = format!("password is {}", mark(name, "line"));
                lines.push(json!({ "logStreamName": format!("{name}/{name}/{id}"), "timestamp": 1_764_662_400_000_i64, "message": message }));
            }
        }
    }
    assert!(!lines.is_empty());
    world["logs"]["logEvents"] = json!({ "/ecs/nexus-ai-api-staging": lines });
}

/// A desk at an account with marks; the directory holds the world file and nothing that the tool writes.
struct Marked {
    desk: Desk,
    world: TempDir,
}

impl Marked {
    fn new() -> Self {
        let world = tempfile::tempdir().expect("a directory");
        let path = world.path().join("world.json");
        std::fs::write(&path, marked_world().to_string()).expect("a file");
        let desk = Desk::at(Sim::serve(&["--world", &path.display().to_string()]));
        std::fs::create_dir(desk.dir.path().join("tmp")).expect("a directory");
        Self { desk, world }
    }

    /// Everything that may make a program or a library of it talk is switched on.
    fn talkative(&self, mut command: Command) -> Command {
        command.arg("--verbose").env("TMPDIR", self.desk.path("tmp"));
        for (name, value) in [
            ("RUST_LOG", "trace"),
            ("SIDESTEP_LOG", "trace"),
            ("RUST_BACKTRACE", "full"),
            ("DEBUG", "1"),
            ("AWS_LOG_LEVEL", "trace"),
        ] {
            command.env(name, value);
        }
        command
    }

    fn end(&self, command: Command) -> Ran {
        self.desk.end(self.talkative(command))
    }

    /// A verb on the live account, ended with this exit code.
    fn live(&self, words: &[&str], code: i32) -> Ran {
        let ran = self.end(self.desk.live(words));
        assert_eq!(ran.code, Some(code), "{words:?}: {}{}", ran.out, ran.err);
        ran
    }

    /// A verb on the state directory.
    fn call(&self, words: &[&str], code: i32) -> Ran {
        let ran = self.end(self.desk.command(words));
        assert_eq!(ran.code, Some(code), "{words:?}: {}{}", ran.out, ran.err);
        ran
    }

    /// Every view of where the run stands.
    fn look(&self) {
        for verb in ["status", "runs", "report"] {
            for output in ["text", "json"] {
                self.call(&[verb, "--output", output], 0);
            }
        }
        self.call(&["report", "--format", "html"], 0);
    }

    /// Searches every byte that was written so far. The tool had the marks in its hands: they are in AWS's own new revision.
    fn assert_no_mark(&self) {
        let leaks = search(self.desk.dir.path(), &[MARK, LOG_LINE]);
        assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    }

    /// How many revisions of the API carry every mark of its container.
    fn revisions_with_marks(&self) -> usize {
        let world = self.desk.sim.world();
        let definitions = world["ecs"]["taskDefinitions"].as_array().expect("task definitions").clone();
        let api = definitions.iter().filter(|entry| entry["taskDefinition"]["family"] == "nexus-ai-api-staging");
        api.filter(|entry| {
            let text = entry.to_string();
            let kinds = ["header", "userinfo", "valueFrom", "option", "secretOption", "label", "command", "registry"];
            kinds.iter().all(|kind| text.contains(&mark("nexus-ai-api-staging/api", kind)))
        })
        .count()
    }
}

/// Each place below `directory` where one of the texts stands, with what is around it.
fn search(directory: &Path, texts: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let entry = entry.expect("an entry");
        if entry.file_type().expect("a type").is_dir() {
            found.extend(search(&entry.path(), texts));
            continue;
        }
        let bytes = std::fs::read(entry.path()).expect("a file");
        for text in texts {
            if let Some(at) = bytes.windows(text.len()).position(|window| window == text.as_bytes()) {
                let around = &bytes[at.saturating_sub(60)..(at + 120).min(bytes.len())];
                found.push(format!("{}: …{}…", entry.path().display(), String::from_utf8_lossy(around)));
            }
        }
    }
    found
}

#[test]
fn a_search_finds_what_is_there() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(directory.path().join("deep")).expect("a directory");
    std::fs::write(directory.path().join("deep/file"), [&[0xff, 0], mark("a", "b").as_bytes(), &[0xfe]].concat()).expect("a file");
    assert_eq!(search(directory.path(), &[MARK]).len(), 1);
    assert_eq!(search(directory.path(), &["elsewhere"]).len(), 0);
}

#[test]
fn nothing_secret_is_written_when_all_goes_well_but_for_a_kill() {
    let marked = Marked::new();
    marked.live(&["plan"], 0);
    marked.live(&["plan", "--output", "json"], 0);
    marked.live(&["run", "--dry-run"], 0);
    // Killed right after AWS changed the API service: the files are left as they are at that moment.
    let running = marked.desk.start(marked.talkative(marked.desk.live(&["run", "--yes", "--output", "json"])));
    until("the API is pointed elsewhere", || (marked.desk.sim.count("UpdateService") == 2).then_some(()));
    running.signal(Signal::KILL);
    assert_eq!(running.wait().code, None, "it was killed in the middle");
    assert!(marked.desk.dir.path().join("state/journal.db-wal").exists(), "the log is there as the kill left it");
    marked.look();
    marked.assert_no_mark();
    marked.call(&["resume", "--yes", "--output", "json"], 0);
    assert_eq!(marked.revisions_with_marks(), 4, "two that were there and two that were made of them");
    marked.look();
    let run = marked.desk.run_id();
    marked.call(&["rollback", &run, "--yes"], 0);
    marked.look();
    marked.assert_no_mark();
}

#[test]
fn nothing_secret_is_written_when_things_fail() {
    let marked = Marked::new();
    let image = "jaegertracing/all-in-one:1.99";
    marked.desk.sim.fault(&json!({ "image": image, "fault": "exits" }));
    marked.live(&["run", "--yes", "--var", &format!("jaeger_image={image}")], 5);
    marked.look();
    // Then the API's own new tasks die: their lines, and all that AWS says of them, are at hand.
    marked.desk.sim.fault(&json!({ "image": API_IMAGE, "fault": "exits" }));
    marked.call(&["resume", "--yes", "--output", "json", "--var", "jaeger_image=jaegertracing/all-in-one:1.60"], 5);
    assert!(marked.desk.sim.world()["logs"].to_string().contains(LOG_LINE), "the dying containers logged");
    marked.look();
    marked.call(&["resume", "--yes"], 5);
    marked.call(&["abandon", "--reason", "for the test"], 0);
    marked.assert_no_mark();
}

#[test]
fn nothing_secret_is_written_by_a_rehearsal() {
    let marked = Marked::new();
    let world = marked.world.path().join("world.json").display().to_string();
    let variables = file("runbooks/worlds/nexus-ai-staging.tfvars");
    let rehearse = ["rehearse", "--world", &world, "--var-file", &variables];
    marked.call(&rehearse, 0);
    marked.call(&[&rehearse[..], &["--output", "json"]].concat(), 0);
    marked.assert_no_mark();
    let left: Vec<_> = std::fs::read_dir(marked.desk.dir.path().join("tmp")).expect("a directory").collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Tags stay readable in a capture: they are names and marks of tools, and planning looks at them.
#[test]
fn nothing_secret_is_written_by_a_capture() {
    let marked = Marked::new();
    let path = marked.world.path().join("capture.json").display().to_string();
    marked.live(&["snapshot", "--out", &path], 0);
    marked.live(&["snapshot", "--out", &path, "--output", "json"], 0);
    let capture = std::fs::read_to_string(&path).expect("a capture");
    let around: Vec<&str> = capture.match_indices(MARK).map(|(at, _)| &capture[at..(at + 60).min(capture.len())]).collect();
    assert!(around.iter().any(|mark| mark.contains("-tag-")), "the tags are there");
    assert_eq!(around.into_iter().filter(|mark| !mark.contains("-tag-")).collect::<Vec<_>>(), Vec::<&str>::new());
    assert!(capture.contains(r#""value": "http://localhost:16686/?<masked>""#), "where it points to is readable");
    marked.call(&["rehearse", "--world", &path], 0);
    marked.assert_no_mark();
}

/// What the operator puts into the shared service's environment: by name alone, wherever anything is shown. The journal has it, for a
/// resume registers it.
#[test]
fn the_shared_services_own_environment_is_told_by_name() {
    let marked = Marked::new();
    let with = |words: &[&'static str], value: &str| {
        let given = format!("jaeger_environment={{ SPAN_STORAGE_TOKEN = \"{MARK}-own-{value}\" }}");
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).chain(["--var".to_owned(), given]).collect();
        words
    };
    let live = |words: &[&'static str], value: &str, code: i32| {
        let words = with(words, value);
        marked.live(&words.iter().map(String::as_str).collect::<Vec<_>>(), code)
    };
    let name = "SPAN_STORAGE_TOKEN";
    for words in [&["plan"][..], &["plan", "--output", "json"], &["check", "--output", "json"]] {
        assert!(live(words, "a", 0).out.contains(name), "{words:?}");
    }
    live(&["snapshot", "--out", "world.json"], "a", 0);
    assert!(std::fs::read_to_string(marked.desk.path("world.json")).expect("a world").contains(name));
    live(&["run", "--dry-run"], "a", 0);
    live(&["run", "--yes", "--output", "json", "--pause-before", "create-service"], "a", 6);
    // Another value: an amendment, and a revision that differs from the one before.
    let resume = with(&["resume", "--yes", "--pause-before", "register-dns"], "b");
    let ran = marked.call(&resume.iter().map(String::as_str).collect::<Vec<_>>(), 6);
    assert!(ran.err.contains("jaeger_environment: changed"), "{}", ran.err);
    assert!(marked.desk.sim.world()["ecs"]["taskDefinitions"].to_string().contains(&format!("{MARK}-own-b")), "AWS has it");
    marked.look();
    marked.call(&["doctor"], 0);
    let leaks: Vec<String> = search(marked.desk.dir.path(), &[&format!("{MARK}-own")]);
    let shown: Vec<&String> = leaks.iter().filter(|leak| !leak.contains("/state/journal.db")).collect();
    assert!(shown.is_empty(), "{shown:#?}");
}

#[test]
fn nothing_secret_is_written_by_a_sealed_plan() {
    let marked = Marked::new();
    let path = marked.world.path().join("plan.json").display().to_string();
    marked.live(&["plan", "--out", &path], 0);
    let sealed = std::fs::read_to_string(&path).expect("a sealed plan");
    assert_eq!(sealed.match_indices(MARK).map(|(at, _)| &sealed[at..at + 40]).collect::<Vec<_>>(), Vec::<&str>::new());
    marked.assert_no_mark();
}
