//! Stage kind `health_path`: the health checks of a target group ask for another path, while the containers that are in it stay as
//! they are. ECS replaces a task as soon as one of its target groups calls it unhealthy: so the path is moved only where everything in
//! the group is known to answer it, and it is watched afterwards whether every target stays healthy.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::facts::{self, Facts, Wants};
use super::findings::{HEALTH_CODES_UNFIT, PATH_UNANSWERED, PATH_UNKNOWN, Seen, TARGET_GROUP_UNKNOWN};
use super::kind::{LaneBuilder, Planning, StageKind, checked, settings, stage_plan};
use super::permits;
use super::subject::{self, Subject};
use crate::aws::TargetGroup;
use crate::model::{Change, Disposition, Lane, Problem, Resource, StageDecl, StagePlan, StepClass};

/// See the module's text.
pub struct HealthPath;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The services whose sidecars are in the group.
    services: Vec<String>,
    sidecar: String,
    /// The shared service, which will be in it too.
    service: String,
    path: String,
    base_path: BasePath,
}

/// Where a container says under which path it answers. One that says nothing there answers every path.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct BasePath {
    /// Environment variables.
    #[serde(default)]
    variables: Vec<String>,
    /// Arguments, as `ARGUMENT=PATH` or `ARGUMENT PATH`.
    #[serde(default)]
    arguments: Vec<String>,
    /// Arguments that say it somewhere else, where it cannot be read: a file.
    #[serde(default)]
    hidden_by: Vec<String>,
}

/// What a container says of the path under which it answers.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    /// Nothing: it answers every path.
    Nothing,
    /// This one.
    Path(String),
    /// It says it where it cannot be read: why.
    Hidden(String),
}

impl StageKind for HealthPath {
    fn kind(&self) -> &'static str {
        "health_path"
    }

    fn check(&self, decl: &StageDecl) -> Vec<Problem> {
        let settings: Settings = match settings(decl) {
            Ok(settings) => settings,
            Err(problems) => return problems,
        };
        let mut problems = Vec::new();
        if !settings.path.starts_with('/') || settings.path.len() > 1024 {
            let hint = Some("it starts with / and has 1024 characters at most".to_owned());
            problems.push(decl.problem_at("/path", format!("`{}` cannot be a health check's path", settings.path), hint));
        }
        if settings.services.is_empty() {
            problems.push(decl.problem_at("/services", "no service with a sidecar", Some("name at least one".to_owned())));
        }
        problems
    }

    fn wants(&self, decl: &StageDecl, wants: &mut Wants) {
        let settings: Settings = checked(decl);
        for service in settings.services {
            let groups = facts::Resource::TargetGroupsOf(service.clone(), Some(settings.sidecar.clone()));
            wants.permit("elasticloadbalancing:ModifyTargetGroup", groups.clone());
            wants.permit_back("elasticloadbalancing:ModifyTargetGroup", groups);
            wants.services.insert(service);
        }
        // It is in the group too, alone where the sidecars are gone.
        let groups = facts::Resource::TargetGroupsOf(settings.service.clone(), None);
        wants.allow(&permits::BOTH, &["elasticloadbalancing:ModifyTargetGroup"], &groups);
        wants.permit("elasticloadbalancing:DescribeTargetHealth", facts::Resource::Any);
        wants.allow(&[facts::Purpose::Rollback], &["elasticloadbalancing:DescribeTargetGroups"], &facts::Resource::Any);
        wants.possible_services.insert(settings.service);
    }

    fn subject<'a>(&self, decl: &'a StageDecl, facts: &Facts, subject: &mut Subject<'a>) {
        subject.health_paths.extend(paths(decl, facts, true));
    }

    fn offers<'a>(&self, decl: &'a StageDecl, facts: &Facts, subject: &mut Subject<'a>) {
        subject.health_paths.extend(paths(decl, facts, false));
    }

    fn way_back(&self) -> &'static str {
        "lets the health checks ask for the path that they ask for now"
    }

    fn plan(&self, decl: &StageDecl, planning: &mut Planning<'_>) -> StagePlan {
        let settings: Settings = checked(decl);
        let groups = groups(&settings, planning.facts);
        if groups.is_empty() {
            let words = format!(
                "no service has a load-balancer entry of container `{}` with a target group that is there",
                settings.sidecar
            );
            let fix = format!("name the sidecar's container with {}", decl.setting("/sidecar"));
            let name = settings.services.first().cloned().unwrap_or_default();
            planning.raise(&TARGET_GROUP_UNKNOWN, Seen::new(&name, words, "whose health checks to change is not known", fix));
        }
        let (mut resources, mut lanes) = (Vec::new(), Vec::new());
        for group in groups {
            let (resource, lane) = plan_group(decl, &settings, planning, &group);
            resources.push(resource);
            lanes.extend(lane);
        }
        stage_plan(decl, resources, lanes)
    }
}

/// The target groups that the sidecars are in; where they are gone already, those of the shared service.
fn groups(settings: &Settings, facts: &Facts) -> Vec<TargetGroup> {
    let entries = |service: &str| facts.services.get(service).and_then(|found| found["loadBalancers"].as_array());
    let arn = |entry: &Value| entry["targetGroupArn"].as_str().map(str::to_owned);
    let sidecars = settings.services.iter().filter_map(|service| entries(service)).flatten();
    let mut arns: BTreeSet<String> = sidecars.filter(|entry| entry["containerName"] == *settings.sidecar).filter_map(arn).collect();
    if arns.is_empty() {
        arns = entries(&settings.service).into_iter().flatten().filter_map(arn).collect();
    }
    arns.iter().filter_map(|arn| facts.target_groups.get(arn)).cloned().collect()
}

/// Whether the group's checks are to ask for another path than they do. Some checks ask for none: they look at a connection.
fn is_due(group: &TargetGroup, path: &str) -> bool {
    group.health_path.as_deref().is_some_and(|now| now != path)
}

/// How long until a target would have been called unhealthy, and one check more.
fn watched(group: &TargetGroup) -> u64 {
    (group.unhealthy_threshold + 1) * group.interval
}

fn paths<'a>(decl: &'a StageDecl, facts: &Facts, on: bool) -> Vec<subject::HealthPath<'a>> {
    let settings: Settings = checked(decl);
    let path = |group: TargetGroup| subject::HealthPath { decl, on, path: settings.path.clone(), group: Some(group.arn) };
    groups(&settings, facts).into_iter().map(path).collect()
}

fn plan_group(decl: &StageDecl, settings: &Settings, planning: &mut Planning<'_>, group: &TargetGroup) -> (Resource, Option<Lane>) {
    let resource =
        |disposition, changes| Resource { kind: "target group".to_owned(), name: group.name.clone(), disposition, changes };
    if !is_due(group, &settings.path) {
        return (resource(Disposition::AlreadySo, Vec::new()), None);
    }
    let refused = refusals(decl, settings, planning, group);
    if refused {
        return (resource(Disposition::Foreign, Vec::new()), None);
    }
    let from = group.health_path.clone().unwrap_or_default();
    let mut lane = LaneBuilder::new(decl, &group.name);
    let seconds = watched(group);
    let params = json!({ "targetGroup": group.arn, "name": group.name, "path": settings.path, "from": from, "seconds": seconds });
    let title = format!("let the health checks of {} ask for {}", group.name, settings.path);
    lane.step("set", "elb.set-health-path", StepClass::Mutation, title, params, Vec::new());
    let params = json!({ "targetGroup": group.arn, "name": group.name, "path": settings.path, "seconds": seconds });
    let title = format!("watch its targets for {seconds} s: each must stay healthy");
    lane.step("watch", "elb.watch-targets", StepClass::Verify, title, params, Vec::new());
    lane.expect(seconds);
    // A look that AWS keeps waiting is still a look.
    lane.deadline(2 * seconds + 60);
    let change = Change { path: "healthCheckPath".to_owned(), from: Some(json!(from)), to: Some(json!(settings.path)) };
    (resource(Disposition::Update, vec![change]), lane.build())
}

/// Raises what speaks against asking the group's targets for the path; `true` where the path must not be moved.
fn refusals(decl: &StageDecl, settings: &Settings, planning: &mut Planning<'_>, group: &TargetGroup) -> bool {
    let path = &settings.path;
    let mut refused = false;
    if !takes_ok(group.matcher.as_deref()) {
        let codes = group.matcher.as_deref().unwrap_or_default();
        let found = format!("the health checks of `{}` take the status {codes}, and {path} is answered with 200", group.name);
        let consequence = "every target in it would become unhealthy, and ECS would replace the tasks for ever";
        let fix = format!("aws elbv2 modify-target-group --target-group-arn {} --matcher HttpCode=200,{codes}", group.arn);
        planning.raise(&HEALTH_CODES_UNFIT, Seen::new(&group.name, found, consequence, fix));
        refused = true;
    }
    let off = decl.setting("/enabled");
    for (service, container) in members(settings, planning.facts, group) {
        let named = container["name"].as_str().unwrap_or_default();
        match told(&settings.base_path, &container) {
            Told::Nothing => {}
            Told::Path(base) if path.starts_with(&format!("{base}/")) => {}
            Told::Path(base) => {
                let found = format!("container `{named}` in target group `{}` answers only under {base}, not {path}", group.name);
                let consequence = "it would become unhealthy, and ECS would replace the service's tasks for ever";
                let fix = format!("deploy it without a base path, or with the same one, first; or set {off} to false");
                planning.raise(&PATH_UNANSWERED, Seen::new(&service, found, consequence, fix));
                refused = true;
            }
            Told::Hidden(why) => {
                let found = format!("container `{named}` in target group `{}` {why}", group.name);
                planning.raise(&PATH_UNKNOWN, unknown(&service, found, path));
            }
        }
    }
    let known = |service: &&String| settings.services.contains(*service) || **service == settings.service;
    let behind = planning.facts.behind.iter().filter(|(_, groups)| groups.contains(&group.arn));
    for service in behind.map(|(service, _)| service).filter(|service| !known(service)) {
        let found = format!("it is in target group `{}` too, and the runbook does not say what it is", group.name);
        planning.raise(&PATH_UNKNOWN, unknown(service, found, path));
    }
    refused
}

fn unknown(service: &str, found: String, path: &str) -> Seen {
    let consequence = "if it does not answer with 200, ECS would replace its tasks for ever";
    Seen::new(service, found, consequence, format!("ask one of its tasks for {path} from inside the network; then accept it"))
}

/// The containers that are in the group: those that the services' load-balancer entries name.
fn members(settings: &Settings, facts: &Facts, group: &TargetGroup) -> Vec<(String, Value)> {
    let mut members = Vec::new();
    for service in settings.services.iter().chain([&settings.service]) {
        let entries = facts.services.get(service).and_then(|found| found["loadBalancers"].as_array()).into_iter().flatten();
        for entry in entries.filter(|entry| entry["targetGroupArn"] == *group.arn) {
            let name = entry["containerName"].as_str().unwrap_or_default();
            let container = facts.definition_of(service).and_then(|definition| definition.container(name));
            members.extend(container.map(|container| (service.clone(), container.clone())));
        }
    }
    members
}

/// Whether the status 200 is among a matcher's: `200`, `200,301`, `200-399`; none is 200.
fn takes_ok(matcher: Option<&str>) -> bool {
    let ok = 200_u16;
    matcher.unwrap_or("200").split(',').any(|part| match part.trim().split_once('-') {
        Some((from, to)) => from.parse().is_ok_and(|from: u16| from <= ok) && to.parse().is_ok_and(|to: u16| ok <= to),
        None => part.trim().parse() == Ok(ok),
    })
}

fn told(base_path: &BasePath, container: &Value) -> Told {
    let texts = |member: &str| container[member].as_array().into_iter().flatten().filter_map(Value::as_str);
    let words: Vec<&str> = texts("entryPoint").chain(texts("command")).collect();
    for argument in &base_path.arguments {
        let given = words.iter().enumerate().find_map(|(at, word)| match word.strip_prefix(argument.as_str())? {
            "" => words.get(at + 1).copied(),
            rest => rest.strip_prefix('='),
        });
        if let Some(path) = given {
            return as_base(path);
        }
    }
    let mut environment = container["environment"].as_array().into_iter().flatten();
    if let Some(pair) = environment.find(|pair| base_path.variables.iter().any(|variable| pair["name"] == **variable)) {
        return as_base(pair["value"].as_str().unwrap_or_default());
    }
    let secrets = container["secrets"].as_array().into_iter().flatten().filter_map(|secret| secret["name"].as_str());
    if let Some(name) = secrets.into_iter().find(|name| base_path.variables.iter().any(|variable| variable == name)) {
        return Told::Hidden(format!("takes {name} from a secret"));
    }
    let hides =
        |word: &&&str| base_path.hidden_by.iter().any(|argument| **word == argument || word.starts_with(&format!("{argument}=")));
    if let Some(word) = words.iter().find(hides) {
        let argument = word.split('=').next().unwrap_or(word);
        return Told::Hidden(format!("has the argument {argument}, and what that leads to cannot be read"));
    }
    let files = container["environmentFiles"].as_array().is_some_and(|files| !files.is_empty());
    if files && !base_path.variables.is_empty() {
        return Told::Hidden("reads its environment from files".to_owned());
    }
    Told::Nothing
}

/// A base path without the slash at its end; the root is none.
fn as_base(path: &str) -> Told {
    match path.trim_end_matches('/') {
        "" => Told::Nothing,
        base => Told::Path(base.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_says_its_base_path_in_many_ways() {
        let base_path = BasePath {
            variables: vec!["BASE".to_owned()],
            arguments: vec!["--base".to_owned(), "--set=ui.base".to_owned()],
            hidden_by: vec!["--config".to_owned()],
        };
        let path = |text: &str| Told::Path(text.to_owned());
        let told = |container: Value| told(&base_path, &container);
        for (container, expected) in [
            (json!({}), Told::Nothing),
            (json!({ "environment": [{ "name": "BASE", "value": "/a/" }] }), path("/a")),
            (json!({ "environment": [{ "name": "BASE", "value": "/" }, { "name": "OTHER", "value": "/x" }] }), Told::Nothing),
            (json!({ "command": ["--base=/b"] }), path("/b")),
            (json!({ "entryPoint": ["/run", "--base"], "command": ["/b"] }), path("/b")),
            (json!({ "command": ["--base-other=/b"] }), Told::Nothing),
            (json!({ "command": ["--config", "file:x", "--set=ui.base=/c"] }), path("/c")),
            // What is said on the command line goes before the environment.
            (json!({ "command": ["--base=/b"], "environment": [{ "name": "BASE", "value": "/a" }] }), path("/b")),
        ] {
            assert_eq!(told(container.clone()), expected, "{container}");
        }
        for hidden in [
            json!({ "secrets": [{ "name": "BASE", "valueFrom": "arn" }] }),
            json!({ "command": ["--config=file:x"] }),
            json!({ "command": ["--config", "x"] }),
            json!({ "environmentFiles": [{ "type": "s3", "value": "arn" }] }),
        ] {
            assert!(matches!(told(hidden.clone()), Told::Hidden(_)), "{hidden}");
        }
    }

    #[test]
    fn codes_take_200_or_do_not() {
        for (codes, takes) in [
            (None, true),
            (Some("200"), true),
            (Some("301, 200"), true),
            (Some("200-399"), true),
            (Some("100-199,201-299"), false),
            (Some("307"), false),
        ] {
            assert_eq!(takes_ok(codes), takes, "{codes:?}");
        }
    }
}
