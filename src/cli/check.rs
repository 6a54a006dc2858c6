//! `sidestep check`: a runbook and its variables, without AWS.

use serde_json::json;

use super::args::RunbookArgs;
use super::context::Context;
use super::runbooks;
use crate::model::{Error, Exit, spelled};

pub fn call(context: &Context, args: &RunbookArgs) -> Result<Exit, Error> {
    let runbook = runbooks::load(&args.runbook, &runbooks::sources(context, Vec::new())?)?;
    let stages: Vec<&str> = runbook.stages.iter().map(|stage| stage.id.as_str()).collect();
    let off: Vec<&str> = runbook.off.iter().map(|stage| stage.id.as_str()).collect();
    if context.json() {
        let value = json!({ "format": "sidestep-check", "version": 1, "runbook": runbook.name, "digest": runbook.digest, "stages": stages,
            "off": off, "variables": runbook.shown_values() });
        context.out.data(&value.to_string());
    } else {
        let more = if off.is_empty() { String::new() } else { format!("; switched off: {}", off.join(", ")) };
        context.out.data(&spelled(&format!("{}: {} stages, no problem found{more}", runbook.name, stages.len())));
    }
    Ok(Exit::Done)
}
