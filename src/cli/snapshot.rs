//! `sidestep snapshot`: captures what the runbook can see of the live account, as a world file to rehearse on. It reads AWS and
//! changes nothing there.

use serde_json::{Value, json};

use super::args::SnapshotArgs;
use super::context::Context;
use super::files::Sort;
use super::world::missing;
use super::{account, runbooks};
use crate::aws::Access;
use crate::capture::{Captured, capture, masked};
use crate::model::{Error, Exit};
use crate::plan::observe;
use crate::sim::State;
use crate::stages::facts::Facts;
use crate::ui::text::{count, shell_word};

const WORLD_FILE: Sort = Sort { what: "world file", format: "sidestep-world" };

pub fn call(context: &Context, args: &SnapshotArgs) -> Result<Exit, Error> {
    WORLD_FILE.may_be_written(&args.out)?;
    let runbook = runbooks::load(&args.runbook.runbook, &runbooks::sources(context, Vec::new())?)?;
    let (captured, unfit) = context.runtime()?.block_on(async {
        let (aws, identity) = account::connect_for(context, &runbook, Access::ReadOnly).await?;
        // Without it nothing could be planned, nor rehearsed: then that is said of the capture.
        let (facts, unfit) = match observe(&aws, &runbook, &identity).await {
            Ok(facts) => (facts, None),
            Err(refused @ Error::Refused { .. }) => (Facts::default(), Some(refused)),
            Err(error) => return Err(error),
        };
        Ok((capture(&aws, &runbook, &facts).await?, unfit))
    })?;
    let world = masked(&captured.world, &runbook);
    State::load(&world, 1).map_err(|why| Error::Internal { message: format!("the capture cannot be loaded again: {why}") })?;
    let text = serde_json::to_string_pretty(&world).map_err(|error| Error::Internal { message: error.to_string() })?;
    WORLD_FILE.write(&args.out, &text)?;
    tell(context, args, &captured, unfit.as_ref());
    Ok(Exit::Done)
}

/// What is in it, in the words that AWS uses: the world's member, one, many.
const COUNTED: &[(&str, &str, &str)] = &[
    ("/ecs/services", "service", "services"),
    ("/ecs/tasks", "task", "tasks"),
    ("/ecs/taskDefinitions", "task definition", "task definitions"),
    ("/elbv2/targetGroups", "target group", "target groups"),
    ("/elbv2/loadBalancers", "load balancer", "load balancers"),
    ("/ec2/securityGroups", "security group", "security groups"),
    ("/servicediscovery/namespaces", "namespace", "namespaces"),
    ("/logs/logGroups", "log group", "log groups"),
];

fn tell(context: &Context, args: &SnapshotArgs, captured: &Captured, unfit: Option<&Error>) {
    let world = &captured.world;
    let path = args.out.display().to_string();
    let number = |pointer: &str| world.pointer(pointer).and_then(Value::as_array).map_or(0, Vec::len);
    if context.json() {
        let counts: serde_json::Map<String, Value> = COUNTED
            .iter()
            .map(|(pointer, ..)| (pointer.rsplit('/').next().unwrap_or_default().to_owned(), json!(number(pointer))))
            .collect();
        let missing: Vec<Value> = captured.missing.iter().map(|missing| missing.to_json()).collect();
        let line = json!({ "event": "snapshot", "path": path, "account": world["account"], "region": world["region"],
            "capturedAt": world["capturedAt"], "counts": counts, "missing": missing, "unfit": unfit.map(ToString::to_string) });
        context.line(line);
        return;
    }
    let (account, region) = (world["account"].as_str().unwrap_or_default(), world["region"].as_str().unwrap_or_default());
    let counts: Vec<String> = COUNTED.iter().map(|(pointer, one, many)| count(number(pointer), one, many)).collect();
    context.out.data(&format!("Captured account {account}, Region {region} in `{path}`: {}.", counts.join(", ")));
    context.out.data("What may be secret in it is masked; names, ARNs, addresses and tags are not.");
    if !captured.missing.is_empty() {
        context.out.status("It lacks what could not be read:");
        for lacking in &captured.missing {
            context.out.status(&missing(&lacking.operation, &lacking.resource, &lacking.why));
        }
    }
    match unfit {
        Some(error) => {
            let causes: String = error.causes().iter().map(|cause| format!(": {cause}")).collect();
            context.out.status(&format!("A rehearsal on it would not begin, nor would a run: {error}{causes}"));
        }
        None => context.out.data(&format!("Rehearse on it with `sidestep rehearse --world {}`.", shell_word(&path))),
    }
}
