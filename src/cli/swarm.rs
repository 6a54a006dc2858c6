//! `sidestep rehearse --faults all`: rehearses again and again, each time in another weather of faults, and says whether a promise
//! was broken.

use serde_json::{Value, json};

use super::args::RehearseArgs;
use super::context::Context;
use super::crashes::{rehearsal, start};
use super::world::WorldFile;
use crate::drill::invariants::INVARIANTS;
use crate::drill::{Ended, Ground, Herd, Kind, swarm};
use crate::model::{Error, Exit, Runbook};
use crate::ui::sweep_view::{self, Counting};
use crate::ui::text::count;

/// How many runs, unless said.
const RUNS: u64 = 100;

pub fn call(context: &Context, args: &RehearseArgs, runbook: &Runbook, file: &WorldFile) -> Result<Exit, Error> {
    let state = start(context, args, runbook, file)?;
    let ground = Ground::new(&state, runbook, &args.accept)?;
    let runs = args.runs.unwrap_or(RUNS);
    let bar = Counting::new("runs", context.has_bars());
    let herd = swarm(&ground, args.seed, runs, &|done| {
        bar.at(usize::try_from(done).unwrap_or(usize::MAX), usize::try_from(runs).unwrap_or(usize::MAX));
    });
    bar.finish();
    tell(context, args, runbook, &herd);
    let Some((seed, why)) = herd.failures.iter().next() else { return Ok(Exit::Done) };
    let replayed = RehearseArgs { seed: *seed, ..args.clone() };
    let replay = format!("{} --faults all --runs 1", rehearsal(context, &replayed));
    let first = vec![format!("seed {seed}: {why}")];
    Err(Error::DrillFailed { failed: herd.failures.len(), tried: herd.runs, first, replay })
}

fn ended(herd: &Herd, how: Ended) -> usize {
    herd.ended.get(&how).copied().unwrap_or(0)
}

fn tell(context: &Context, args: &RehearseArgs, runbook: &Runbook, herd: &Herd) {
    if context.json() {
        let kinds: serde_json::Map<String, Value> =
            herd.kinds.iter().map(|(kind, runs)| (kind.words().to_owned(), json!(runs))).collect();
        let failures: Vec<Value> = herd.failures.iter().map(|(seed, why)| json!({ "seed": seed, "why": why })).collect();
        let line = json!({
            "event": "fault-swarm", "seed": args.seed, "runs": herd.runs, "lives": herd.lives, "looks": herd.looks,
            "done": ended(herd, Ended::Done), "rolledBack": ended(herd, Ended::RolledBack),
            "forAPerson": ended(herd, Ended::ForAPerson), "faults": kinds, "failures": failures,
        });
        context.line(line);
        return;
    }
    let mut lines = vec![format!(
        "{}: {} from seed {}, in which the process was started {}",
        runbook.name,
        count(herd.runs, "run", "runs"),
        args.seed,
        count(herd.lives, "time", "times")
    )];
    let rows: Vec<(String, usize)> =
        Kind::ALL.iter().filter_map(|kind| Some((kind.words().to_owned(), *herd.kinds.get(kind)?))).collect();
    lines.push(sweep_view::numbers("What could strike, in how many runs", &rows, &context.out_style));
    let rows = [
        ("done, the world as it should be".to_owned(), ended(herd, Ended::Done)),
        ("rolled back, the world as before".to_owned(), ended(herd, Ended::RolledBack)),
        ("stopped before somebody else's change".to_owned(), ended(herd, Ended::ForAPerson)),
        ("broken".to_owned(), herd.failures.len()),
    ];
    lines.push(sweep_view::numbers("How they ended", &rows, &context.out_style));
    lines.push(format!("{} checked {}", count(INVARIANTS.len(), "invariant", "invariants"), count(herd.looks, "time", "times")));
    context.out.data(&lines.join("\n\n"));
}
