//! The checks: what can be known by reading before the first write, one small function for each, in one file for each theme.
//!
//! A check looks at a [`Scene`] (what was read, and what the runbook is about) and says what it saw. A new one is a function and an
//! entry in its theme's list; `docs/findings.md` is made from these lists, and a test holds each to a world where it appears and
//! one where it does not.

mod access;
mod afterwards;
mod api_service;
mod balancer;
mod endpoint;
mod gone;
mod image;
mod network;
mod sidecar;
mod table;

use serde_json::Value;

use crate::aws::task_definition::TaskDefinition;
use crate::model::Finding;
use crate::stages::facts::Facts;
use crate::stages::findings::{FindingKind, Seen};
use crate::stages::subject::{Moved, Shared, Subject};

pub use table::{catalogue, table};

/// One check.
struct Check {
    /// What it finds.
    kind: FindingKind,
    /// Looks.
    look: fn(&Scene<'_>) -> Vec<Seen>,
}

/// Checks of one theme.
struct Theme {
    /// A heading.
    name: &'static str,
    /// The checks.
    checks: &'static [Check],
}

/// In the order in which their findings are told.
const THEMES: &[&Theme] = &[
    &access::THEME,
    &network::THEME,
    &api_service::THEME,
    &gone::THEME,
    &sidecar::THEME,
    &endpoint::THEME,
    &balancer::THEME,
    &image::THEME,
    &afterwards::THEME,
];

/// What checks look at.
pub struct Scene<'a> {
    /// What was read.
    pub facts: &'a Facts,
    /// What the runbook is about.
    pub subject: &'a Subject<'a>,
    /// Whether the runbook says which account it is for.
    pub account_named: bool,
}

/// A service that is still to be changed.
#[derive(Clone, Copy)]
struct Due<'a> {
    name: &'a str,
    moved: &'a Moved<'a>,
    /// As DescribeServices gives it.
    service: &'a Value,
    /// What it runs.
    definition: Option<&'a TaskDefinition>,
}

impl<'a> Scene<'a> {
    /// The services that are still to be changed.
    fn due(&self) -> impl Iterator<Item = Due<'a>> {
        let facts = self.facts;
        self.subject.moved.iter().filter(|(_, moved)| moved.is_due()).filter_map(move |(name, moved)| {
            let service = facts.services.get(name)?;
            Some(Due { name, moved, service, definition: facts.definition_of(name) })
        })
    }

    /// A service that is not there yet, as it will be made.
    fn to_be_made(&self, service: &str) -> Option<&Shared<'a>> {
        self.subject.shared.iter().find(|shared| shared.name == service && !self.facts.services.contains_key(service))
    }

    /// The security groups of a service, or of the one that it will be made like.
    fn groups_of(&self, service: &str) -> Vec<String> {
        match self.to_be_made(service) {
            Some(shared) => self.facts.groups_of(&shared.like),
            None => self.facts.groups_of(service),
        }
    }

    /// The subnets of a service, or of the one that it will be made like.
    fn subnets_of(&self, service: &str) -> Vec<String> {
        match self.to_be_made(service) {
            Some(shared) => self.facts.subnets_of(&shared.like),
            None => self.facts.subnets_of(service),
        }
    }

    /// The command that shows a service.
    fn describe(&self, service: &str) -> String {
        format!("aws ecs describe-services --cluster {} --services {service}", self.facts.cluster)
    }
}

impl Due<'_> {
    /// The containers but the sidecar.
    fn others(&self) -> impl Iterator<Item = &Value> {
        let sidecar = self.moved.sidecar();
        self.definition.into_iter().flat_map(TaskDefinition::containers).filter(move |container| container["name"] != sidecar)
    }

    /// The sidecar's container.
    fn sidecar(&self) -> Option<&Value> {
        self.definition?.container(self.moved.sidecar())
    }
}

/// A container's name.
fn name(container: &Value) -> &str {
    container["name"].as_str().unwrap_or_default()
}

/// The value of a container's environment variable.
fn env<'a>(container: &'a Value, variable: &str) -> Option<&'a str> {
    let pairs = container["environment"].as_array()?;
    pairs.iter().find(|pair| pair["name"] == variable)?["value"].as_str()
}

/// Runs every check.
pub fn run(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for check in THEMES.iter().flat_map(|theme| theme.checks) {
        for finding in (check.look)(scene).into_iter().map(|seen| check.kind.finding(seen)) {
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    }
    findings
}
