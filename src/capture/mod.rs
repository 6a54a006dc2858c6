//! A capture: all that a runbook can see of the live account, as a world file that `rehearse` and `simulate` read.
//!
//! ```text
//!   services of the cluster ─▶ task definitions ─▶ log groups
//!        │        │ └─▶ tasks, deployments and revisions of the services that the runbook names
//!        │        └─▶ target groups ─▶ load balancers ─▶ listeners ─▶ rules
//!        └─▶ subnets, security groups (and the groups in their rules) ─▶ VPCs
//!   namespace ─▶ VPCs of its zone; names ─▶ instances
//!   who owns desired counts; what IAM would decide
//! ```
//!
//! It only reads. What the caller may not read is left out and said, in the file too, so that a rehearsal on it knows as little:
//! nothing stands in for it that would look as if it had been seen. The exceptions are VPCs, subnets and log groups of tasks that
//! run: they exist, and without them nothing could be started; only their names are known then.
//!
//! [`masked`] takes out what may be secret before a capture is written.

mod ecs;
mod governance;
mod logs;
mod mask;
mod names;
mod permits;
mod reader;
mod routes;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

pub use mask::{MASK, masked};
pub use permits::permits;
pub use reader::Missing;

use crate::aws::{Aws, CallError, Parameters};
use crate::model::{Error, Runbook};
use crate::stages::facts::{Facts, Wants};
use crate::stages::registry;
use reader::Reader;

/// What was captured.
#[derive(Clone, Debug)]
pub struct Captured {
    /// The world file's content, nothing masked.
    pub world: Value,
    /// What could not be read.
    pub missing: Vec<Missing>,
}

/// What a runbook points at.
struct Scope {
    cluster: String,
    wants: Wants,
}

impl Scope {
    fn of(runbook: &Runbook) -> Self {
        let wants = registry::wants(runbook);
        let cluster = runbook.target.get("cluster").and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { cluster, wants }
    }

    /// The services that the runbook names, whether they are there or not.
    fn services(&self) -> BTreeSet<&String> {
        self.wants.services.union(&self.wants.possible_services).collect()
    }
}

/// Reads what the runbook can see. Of `facts`, which planning read, it keeps what IAM would decide.
///
/// # Errors
/// [`Error::Credentials`] and [`Error::Unreachable`]; being refused a read is none, see [`Captured::missing`].
pub async fn capture(aws: &Aws, runbook: &Runbook, facts: &Facts) -> Result<Captured, Error> {
    let scope = Scope::of(runbook);
    let reader = Reader::new(aws);
    let (world, caller) = read(&reader, &scope, facts).await?;
    reader.note_unread(&facts.unread);
    let missing = reader.missing();
    let mut world = world;
    let account = caller["Account"].as_str().unwrap_or_default();
    let mut put = |name: &str, value: Value| world.insert(name.to_owned(), value);
    put("format", json!("sidestep-world"));
    put("version", json!(1));
    put("account", json!(account));
    put("region", json!(aws.region));
    put("sts", json!({ "callerIdentity": caller }));
    let mut named = json!({ "name": runbook.name });
    if let Some(path) = &runbook.path {
        named["path"] = json!(path);
    }
    put("runbook", named);
    put("variables", json!(runbook.shown_values()));
    if !missing.is_empty() {
        put("missing", missing.iter().map(Missing::to_json).collect());
    }
    Ok(Captured { world: Value::Object(world), missing })
}

async fn read(reader: &Reader<'_>, scope: &Scope, facts: &Facts) -> Result<(Map<String, Value>, Value), CallError> {
    let caller = reader.aws().read_printed("GetCallerIdentity", "the caller", &Parameters::new()).await?;
    let ecs = ecs::read(reader, scope).await?;
    let (routes, names, logs) =
        tokio::join!(routes::read(reader, scope, &ecs), names::read(reader, scope, &ecs), logs::read(reader, scope, &ecs, &caller));
    let (elbv2, ec2) = routes?;
    let mut world = Map::new();
    world.insert("capturedAt".to_owned(), json!(captured_at(reader.aws(), &ecs)));
    world.insert("ecs".to_owned(), ecs);
    world.insert("elbv2".to_owned(), elbv2);
    world.insert("ec2".to_owned(), ec2);
    world.insert("servicediscovery".to_owned(), names?);
    world.insert("logs".to_owned(), logs?);
    let scaling = governance::read_scaling(reader, scope).await?;
    let iam = governance::iam(reader, facts, &caller).await?;
    for (name, part) in [("applicationAutoScaling", scaling), ("iam", iam)] {
        if let Some(part) = part {
            world.insert(name.to_owned(), part);
        }
    }
    Ok((world, caller))
}

/// Now; but not before anything that AWS says has happened, for this machine's clock may be slow.
fn captured_at(aws: &Aws, ecs: &Value) -> String {
    let seen = |value: &Value| value.as_f64().and_then(|seconds| jiff::Timestamp::from_millisecond((seconds * 1000.0) as i64).ok());
    let times = |list: &str| {
        let entries = ecs[list].as_array().into_iter().flatten();
        entries.flat_map(|entry| ["createdAt", "startedAt", "connectivityAt"].map(|name| &entry[name])).filter_map(seen).max()
    };
    let latest = ["tasks", "services", "serviceDeployments"].into_iter().filter_map(times).max();
    latest.map_or(aws.clock.now(), |latest| latest.max(aws.clock.now())).to_string()
}

/// The texts of a list of texts.
fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// The entries of a list.
fn entries(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}
