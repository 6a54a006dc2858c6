//! Stage kind `open_ports`: the security groups of one service let the tasks of others in on some ports. What lets them in already, by
//! whatever rule, is left as it is; only what is missing is added, one rule for each port.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::json;

use super::facts::{self, Facts, Wants};
use super::findings::{RULES_UNREAD, Seen};
use super::kind::{LaneBuilder, Planning, StageKind, checked, settings, stage_plan};
use super::port::Port;
use super::reach::{Answer, Peer, Way, lets_through};
use super::subject::{Opening, Subject};
use crate::model::{Change, Disposition, Lane, Problem, Resource, StageDecl, StagePlan, StepClass};

/// See the module's text.
pub struct OpenPorts;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The services whose tasks are let in.
    from: Vec<String>,
    /// The service that lets them in.
    to: String,
    /// The service whose security groups it gets, while it is not there.
    like_service: String,
    ports: Vec<Port>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

impl StageKind for OpenPorts {
    fn kind(&self) -> &'static str {
        "open_ports"
    }

    fn check(&self, decl: &StageDecl) -> Vec<Problem> {
        let settings: Settings = match settings(decl) {
            Ok(settings) => settings,
            Err(problems) => return problems,
        };
        let mut problems = Vec::new();
        if settings.ports.is_empty() {
            problems.push(decl.problem_at("/ports", "ports wants one port at least", None));
        }
        if settings.from.is_empty() {
            problems.push(decl.problem_at("/from", "no service to let in", Some("name at least one".to_owned())));
        }
        problems
    }

    fn wants(&self, decl: &StageDecl, wants: &mut Wants) {
        let settings: Settings = checked(decl);
        let groups = facts::Resource::GroupsOf(settings.to.clone(), settings.like_service.clone());
        wants.permit("ec2:AuthorizeSecurityGroupIngress", groups.clone());
        // With tags, IAM holds it against the rule that is made as well.
        wants.allow(&[facts::Purpose::Run], &["ec2:AuthorizeSecurityGroupIngress"], &facts::Resource::GroupRules);
        wants.permit("ec2:CreateTags", facts::Resource::GroupRules);
        wants.permit_both(&["ec2:DescribeSecurityGroupRules"], &facts::Resource::Any);
        wants.permit_back("ec2:RevokeSecurityGroupIngress", groups);
        wants.services.extend(settings.from);
        wants.services.insert(settings.like_service);
        wants.possible_services.insert(settings.to);
    }

    fn subject<'a>(&self, decl: &'a StageDecl, _facts: &Facts, subject: &mut Subject<'a>) {
        subject.openings.push(opening(decl, true));
    }

    fn offers<'a>(&self, decl: &'a StageDecl, _facts: &Facts, subject: &mut Subject<'a>) {
        subject.openings.push(opening(decl, false));
    }

    fn way_back(&self) -> &'static str {
        "takes away the rules that the run added, each by its id, and no others"
    }

    fn plan(&self, decl: &StageDecl, planning: &mut Planning<'_>) -> StagePlan {
        let settings: Settings = checked(decl);
        let Some(missing) = missing(decl, &settings, planning) else {
            let resource = resource(&settings.to, Disposition::Foreign, Vec::new());
            return stage_plan(decl, vec![resource], Vec::new());
        };
        let mut groups: BTreeMap<&str, Vec<&Missing>> = BTreeMap::new();
        for rule in &missing {
            groups.entry(&rule.group).or_default().push(rule);
        }
        let resources: Vec<Resource> = match groups.is_empty() {
            true => receiving(&settings, planning.facts)
                .iter()
                .map(|group| resource(&named(planning.facts, group), Disposition::AlreadySo, Vec::new()))
                .collect(),
            false => groups.iter().map(|(group, rules)| changed(planning.facts, group, rules)).collect(),
        };
        let lanes = groups.iter().filter_map(|(group, rules)| lane(decl, &settings, group, rules)).collect();
        stage_plan(decl, resources, lanes)
    }
}

fn opening(decl: &StageDecl, on: bool) -> Opening<'_> {
    let Settings { from, to, ports, .. } = checked(decl);
    Opening { decl, on, from, to, ports }
}

/// A rule that is not there.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Missing {
    group: String,
    source: String,
    port: Port,
}

/// The security groups that let in.
fn receiving(settings: &Settings, facts: &Facts) -> Vec<String> {
    match facts.services.contains_key(&settings.to) {
        true => facts.groups_of(&settings.to),
        false => facts.groups_of(&settings.like_service),
    }
}

/// The rules to add; `None`, with a finding, where the rules that there are could not be read.
fn missing(decl: &StageDecl, settings: &Settings, planning: &mut Planning<'_>) -> Option<BTreeSet<Missing>> {
    let facts = planning.facts;
    let to = receiving(settings, facts);
    let mut rules = BTreeSet::new();
    for service in &settings.from {
        let from = facts.groups_of(service);
        let unread = to.iter().chain(&from).find(|group| !facts.security_groups.contains_key(*group));
        let (Some(first_to), Some(first_from), None) = (to.first(), from.first(), unread) else {
            let found = match unread {
                Some(group) => format!("the rules of {group} could not be read"),
                None => format!("`{service}` or `{}` has no security group that can be read", settings.to),
            };
            let fix = format!(
                "allow ec2:DescribeSecurityGroups for the caller; or leave stage `{}` out ({}) and open the ports yourself",
                decl.id,
                decl.setting("/enabled")
            );
            planning.raise(&RULES_UNREAD, Seen::new(&settings.to, found, "which rules are missing is not known", fix));
            return None;
        };
        // A group that both have lets itself in.
        let (group, source) = match to.iter().find(|group| from.contains(group)) {
            Some(both) => (both, both),
            None => (first_to, first_from),
        };
        let peer = Peer::new(facts, from.clone(), &facts.subnets_of(service));
        let addresses = facts.addresses.get(service).map(Vec::as_slice).unwrap_or_default();
        for port in &settings.ports {
            let way = Way { outwards: false, port: *port };
            if lets_through(facts, &to, &way, &peer, addresses) != Answer::Open {
                rules.insert(Missing { group: group.clone(), source: source.clone(), port: *port });
            }
        }
    }
    Some(rules)
}

fn resource(name: &str, disposition: Disposition, changes: Vec<Change>) -> Resource {
    Resource { kind: "security group".to_owned(), name: name.to_owned(), disposition, changes }
}

/// A group's id, with its name.
fn named(facts: &Facts, group: &str) -> String {
    match facts.security_groups.get(group).map(|found| found.name.as_str()).filter(|name| !name.is_empty()) {
        Some(name) => format!("{group} ({name})"),
        None => group.to_owned(),
    }
}

fn changed(facts: &Facts, group: &str, rules: &[&Missing]) -> Resource {
    let added = |rule: &&Missing| {
        let to = json!(format!("from {}", named(facts, &rule.source)));
        Change { path: format!("ingress[{}]", rule.port), from: None, to: Some(to) }
    };
    resource(&named(facts, group), Disposition::Update, rules.iter().map(added).collect())
}

fn lane(decl: &StageDecl, settings: &Settings, group: &str, rules: &[&Missing]) -> Option<Lane> {
    let mut lane = LaneBuilder::new(decl, group);
    for rule in rules {
        let params = json!({
            "group": group,
            "source": rule.source,
            "protocol": rule.port.protocol.word(),
            "port": rule.port.number,
            "description": format!("{} to {}", settings.from.join(", "), settings.to),
            "tags": settings.tags,
        });
        let whom = if rule.source == group { "itself".to_owned() } else { rule.source.clone() };
        let title = format!("open {} of {group} to {whom}", rule.port);
        let name = format!("{}-{}-from-{}", rule.port.protocol.word(), rule.port.number, rule.source);
        lane.step(&name, "ec2.authorize-ingress", StepClass::Mutation, title, params, Vec::new());
    }
    lane.build()
}
