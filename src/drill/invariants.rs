//! What must hold whatever happens, by name. Checked after every request that changed the account.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::hands::Use;
use crate::model::Runbook;
use crate::sim::Effect;

/// A promise.
pub struct Invariant {
    /// Its name.
    pub name: &'static str,
    /// In words.
    pub says: &'static str,
    /// Looks; what is broken.
    check: fn(&Scene<'_>) -> Option<String>,
}

/// All of them.
pub const INVARIANTS: &[Invariant] = &[
    Invariant {
        name: "somewhere-to-send",
        says: "an API service always points at its own sidecar, or at a shared service that is there under a name that is there, \
               unless somebody else took those away",
        check: somewhere_to_send,
    },
    Invariant {
        name: "only-ours-is-deleted",
        says: "nothing is deleted or deregistered that this operator did not create",
        check: only_ours_is_deleted,
    },
    Invariant {
        name: "a-revision-in-use-stays",
        says: "a revision that a service uses is never deregistered",
        check: revision_in_use_stays,
    },
    Invariant {
        name: "what-others-use-stays",
        says: "once the run has looked for users of what it made and somebody else uses it, by its name or by the address of a task, neither \
               that name nor the shared service is touched",
        check: what_others_use_stays,
    },
    Invariant {
        name: "an-intent-before-each-effect",
        says: "nothing takes effect whose intent is not in the journal",
        check: intent_before_effect,
    },
    Invariant {
        name: "what-is-tagged-is-journaled",
        says: "every resource with the run's tag is in the run's journal",
        check: tagged_is_journaled,
    },
    Invariant {
        name: "rolled-back-is-so",
        says: "a run that says it went back leaves each API service at its desired count, its sidecar running in every task, unless \
               somebody else changed it",
        check: rolled_back_is_so,
    },
    Invariant {
        name: "done-is-so",
        says: "a run that says it is done leaves each API service and the shared service at their desired count, every container of the \
               shared service running, unless somebody else changed them",
        check: done_is_so,
    },
];

/// What an invariant looks at.
pub struct Scene<'a> {
    /// The account.
    pub world: &'a Value,
    /// Each mutation that took effect.
    pub ledger: &'a [Effect],
    /// The operator's access key.
    pub caller: &'a str,
    /// What the runbook is about.
    pub ties: &'a Ties,
    /// Mutations that the journal says were started.
    pub started: usize,
    /// Tokens of the intents in the journal.
    pub tokens: &'a BTreeSet<String>,
    /// Effects in the ledger when the run last looked for users of what it made and there was one of somebody else, and how that one uses
    /// it.
    pub warned: Option<(usize, Use)>,
    /// What the run has just said of itself, at the end of a process.
    pub said: Option<Said>,
    /// Whether health checks fail without a cause: then a task that was seen to serve may be gone a moment later.
    pub unwell: bool,
}

/// What a run says of itself at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// All stages are done.
    Done,
    /// It went back to the start.
    RolledBack,
}

/// What a runbook ties the API services to.
#[derive(Clone, Debug, Default)]
pub struct Ties {
    /// The API services.
    pub services: Vec<String>,
    /// Their sidecar.
    pub sidecar: String,
    /// By variable: the value that means the sidecar, and the one that means the shared service.
    pub endpoints: BTreeMap<String, (String, String)>,
    /// The shared service.
    pub shared: String,
    /// Its name in Cloud Map.
    pub name: String,
    /// Its host name.
    pub host: String,
}

impl Ties {
    /// From the runbook's own stages.
    pub fn of(runbook: &Runbook) -> Self {
        let body = |kind: &str| runbook.stages.iter().find(|stage| stage.kind == kind).map_or(&Value::Null, |stage| &stage.body);
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let retarget = body("retarget_env");
        let endpoints = retarget["set"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(variable, set)| (variable.clone(), (word(&set["from"]), word(&set["to"]))))
            .collect();
        let services = retarget["services"].as_array().into_iter().flatten().map(word).collect();
        Self {
            services,
            sidecar: word(&retarget["sidecar"]),
            endpoints,
            shared: word(&body("service")["name"]),
            name: word(&body("dns")["name"]),
            host: format!("{}.{}", word(&body("dns")["name"]), word(&body("dns")["namespace"])),
        }
    }
}

/// Looks at everything; the first broken promise, with its name.
pub fn broken(scene: &Scene<'_>) -> Option<String> {
    INVARIANTS.iter().find_map(|invariant| (invariant.check)(scene).map(|what| format!("{}: {what}", invariant.name)))
}

fn list<'a>(world: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    world.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn active_services(world: &Value) -> impl Iterator<Item = &Value> {
    list(world, "/ecs/services").filter(|service| service["status"] == "ACTIVE")
}

fn revision<'a>(world: &'a Value, arn: &Value) -> Option<&'a Value> {
    list(world, "/ecs/taskDefinitions").map(|known| &known["taskDefinition"]).find(|known| known["taskDefinitionArn"] == *arn)
}

fn by_others<'a>(scene: &'a Scene<'_>, action: &'a str) -> impl Iterator<Item = &'a Effect> {
    scene.ledger.iter().filter(move |effect| effect.action == action && effect.caller != scene.caller)
}

fn somewhere_to_send(scene: &Scene<'_>) -> Option<String> {
    let ties = scene.ties;
    if by_others(scene, "DeleteService").next().is_some() {
        return None;
    }
    for service in active_services(scene.world).filter(|service| ties.services.iter().any(|name| service["serviceName"] == **name))
    {
        let Some(revision) = revision(scene.world, &service["taskDefinition"]) else { continue };
        let containers = || revision["containerDefinitions"].as_array().into_iter().flatten();
        let sidecar = containers().any(|container| container["name"] == *ties.sidecar);
        let points = containers()
            .filter(|container| container["name"] != *ties.sidecar)
            .flat_map(|container| container["environment"].as_array().into_iter().flatten());
        for variable in points {
            let Some((before, after)) = variable["name"].as_str().and_then(|name| ties.endpoints.get(name)) else { continue };
            let name = &service["serviceName"];
            if variable["value"] == **before && !sidecar {
                return Some(format!("{name} sends to its sidecar and has none"));
            }
            if variable["value"] == **after && !sidecar && !shared_is_there(scene) {
                return Some(format!("{name} sends to {}, which is not there", ties.shared));
            }
        }
    }
    None
}

fn shared_is_there(scene: &Scene<'_>) -> bool {
    let named = list(scene.world, "/servicediscovery/services").any(|name| name["Name"] == *scene.ties.name);
    let serves =
        active_services(scene.world).any(|service| service["serviceName"] == *scene.ties.shared && service["desiredCount"] != 0);
    named && serves
}

/// What a service lacks that is to serve, with these containers in each task.
fn lacks(scene: &Scene<'_>, name: &str, containers: &dyn Fn(&Value) -> bool) -> Option<String> {
    let others = |action| by_others(scene, action).any(|effect| effect.resource.ends_with(&format!("/{name}")));
    if scene.unwell || others("UpdateService") || others("DeleteService") {
        return None;
    }
    let Some(service) = active_services(scene.world).find(|service| service["serviceName"] == *name) else {
        return Some(format!("{name} is not there"));
    };
    if service["runningCount"] != service["desiredCount"] {
        return Some(format!("{name} runs {} of {} tasks", service["runningCount"], service["desiredCount"]));
    }
    let group = format!("service:{name}");
    let tasks = list(scene.world, "/ecs/tasks").filter(|task| task["group"] == *group && task["desiredStatus"] == "RUNNING");
    let mut all = tasks.flat_map(|task| task["containers"].as_array().into_iter().flatten());
    let stopped = all.find(|container| containers(&container["name"]) && container["lastStatus"] != "RUNNING")?;
    Some(format!("container {} of {name} is {}", stopped["name"], stopped["lastStatus"]))
}

fn rolled_back_is_so(scene: &Scene<'_>) -> Option<String> {
    let ties = scene.ties;
    (scene.said == Some(Said::RolledBack)).then_some(())?;
    ties.services.iter().find_map(|name| lacks(scene, name, &|container| *container == *ties.sidecar))
}

fn done_is_so(scene: &Scene<'_>) -> Option<String> {
    let ties = scene.ties;
    (scene.said == Some(Said::Done)).then_some(())?;
    let apis = || ties.services.iter().find_map(|name| lacks(scene, name, &|_| false));
    apis().or_else(|| lacks(scene, &ties.shared, &|_| true))
}

/// What makes a resource, and what ends it.
const MAKES: &[&str] = &["CreateLogGroup", "RegisterTaskDefinition", "CreateService", "AuthorizeSecurityGroupIngress"];
const ENDS: &[&str] =
    &["DeleteLogGroup", "DeregisterTaskDefinition", "DeleteTaskDefinitions", "DeleteService", "RevokeSecurityGroupIngress"];

fn only_ours_is_deleted(scene: &Scene<'_>) -> Option<String> {
    let mut maker: BTreeMap<&str, &str> = BTreeMap::new();
    for effect in scene.ledger {
        if MAKES.contains(&effect.action.as_str()) {
            maker.insert(&effect.resource, &effect.caller);
        }
        let ended = ENDS.contains(&effect.action.as_str()) && effect.caller == scene.caller;
        if ended && maker.get(effect.resource.as_str()).copied() != Some(scene.caller) {
            return Some(format!("{} of {}, which is somebody else's", effect.action, effect.resource));
        }
    }
    None
}

fn revision_in_use_stays(scene: &Scene<'_>) -> Option<String> {
    active_services(scene.world).find_map(|service| {
        let gone = revision(scene.world, &service["taskDefinition"]).is_some_and(|revision| revision["status"] == "INACTIVE");
        let ours = scene.ledger.iter().any(|effect| {
            effect.action == "DeregisterTaskDefinition"
                && effect.caller == scene.caller
                && service["taskDefinition"] == *effect.resource
        });
        (gone && ours).then(|| format!("{} runs {}", service["serviceName"], service["taskDefinition"]))
    })
}

fn what_others_use_stays(scene: &Scene<'_>) -> Option<String> {
    let shared = format!("/{}", scene.ties.shared);
    let (effects, how) = scene.warned?;
    let touched = scene.ledger.iter().skip(effects).find(|effect| {
        // Who sends to an address does not need the name.
        let name = how == Use::Name && effect.action == "DeleteService" && effect.resource.contains(":servicediscovery:");
        let service = ["DeleteService", "UpdateService"].contains(&effect.action.as_str()) && effect.resource.ends_with(&shared);
        effect.caller == scene.caller && (name || service)
    })?;
    Some(format!("{} of {}", touched.action, touched.resource))
}

fn intent_before_effect(scene: &Scene<'_>) -> Option<String> {
    let effects = scene.ledger.iter().filter(|effect| effect.caller == scene.caller).count();
    (effects > scene.started).then(|| format!("{effects} changes took effect, {} were intended", scene.started))
}

fn tagged_is_journaled(scene: &Scene<'_>) -> Option<String> {
    let mut tokens = BTreeSet::new();
    tagged(scene.world, &mut tokens);
    tokens.difference(scene.tokens).next().map(|token| format!("something has the token {token}, which is in no intent"))
}

/// The values of the tag that marks an attempt, wherever a tag stands.
fn tagged(value: &Value, found: &mut BTreeSet<String>) {
    const TAG: &str = "sidestep:token";
    match value {
        Value::Array(list) => list.iter().for_each(|entry| tagged(entry, found)),
        Value::Object(members) => {
            let key = members.get("key").or_else(|| members.get("Key"));
            if key.is_some_and(|key| key == TAG) {
                let token = members.get("value").or_else(|| members.get("Value"));
                found.extend(token.and_then(Value::as_str).map(str::to_owned));
            }
            found.extend(members.get(TAG).and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| tagged(member, found));
        }
        _ => {}
    }
}
