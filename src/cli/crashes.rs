//! `sidestep rehearse --faults crashes`: kills the rehearsed run at every point, takes it up again, and says whether it ended as
//! it must.

use serde_json::{Value, json};

use super::args::RehearseArgs;
use super::context::Context;
use super::world::WorldFile;
use super::{account, plan, runbooks};
use crate::drill::{Case, Choice, Course, Depth, Lab, Row, Tally, Tries, lived_in, paused, sweep};
use crate::model::{Error, Exit, Runbook};
use crate::sim::State;
use crate::ui::sweep_view::{self, Counting, SweepRow};
use crate::ui::text::{count, shell_word};

pub fn call(context: &Context, args: &RehearseArgs, runbook: &Runbook, file: &WorldFile) -> Result<Exit, Error> {
    let there = Case {
        name: "The way there".to_owned(),
        start: start(context, args, runbook, file)?,
        runbook: runbook.clone(),
        accepted: args.accept.clone(),
        course: Course::Forward,
        seed: args.seed,
    };
    let back = Case { name: "The way back".to_owned(), course: Course::Back, ..there.clone() };
    let mut cases = vec![there];
    // A point is replayed on the way there, unless it is said to be one of the way back.
    if args.point.is_none() || args.way_back {
        cases.push(back);
    }
    if args.way_back {
        cases.remove(0);
    }
    if !context.json() {
        context.out.progress(&format!("{}, seed {}: {EXPLAINED}", runbook.name, args.seed));
    }
    let mut found = Vec::new();
    for case in cases {
        let tally = swept(context, args, &case)?;
        tell(context, args, &case, &tally);
        found.push((case, tally));
    }
    verdict(context, args, &found)
}

const EXPLAINED: &str = "the process dies before and after each AWS request and around each journal commit; from the journal as \
    it is then, the run is resumed, and rolled back. Points with the same journal and world are tried once.";

/// The world that a drill starts from, once it is known to be one that a plain rehearsal takes.
pub fn start(context: &Context, args: &RehearseArgs, runbook: &Runbook, file: &WorldFile) -> Result<State, Error> {
    let loaded = file.load(args.seed)?;
    paused(fit(context, args, runbook, &loaded))??;
    let services: Vec<&str> = runbook.target["services"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    lived_in(&file.world, args.seed, runbooks::target(runbook, "cluster"), &services).map_err(|why| file.invalid(why))
}

/// What a plain rehearsal would refuse is refused here too, in the same words.
async fn fit(context: &Context, args: &RehearseArgs, runbook: &Runbook, start: &State) -> Result<(), Error> {
    let lab = Lab::on(start.clone(), runbook, args.seed)?;
    let identity = lab.aws.identity().await?;
    let run = account::fresh_run(None, args.seed)?;
    let made = account::plan(context, &lab.aws, &identity, runbook, &run).await?;
    plan::blocked(&made, &args.accept)
}

fn swept(context: &Context, args: &RehearseArgs, case: &Case) -> Result<Tally, Error> {
    let bar = Counting::new(&case.name, context.has_bars());
    let choice = args.point.map_or(Choice::All, Choice::One);
    let tally = sweep(case, choice, Depth::Once, &|done, of| bar.at(done, of));
    bar.finish();
    tally
}

fn row(row: &Row) -> SweepRow {
    let pair = |tries: Tries| (tries.tried, tries.failed);
    SweepRow {
        stage: row.stage.as_ref().map(ToString::to_string),
        points: row.points,
        distinct: row.distinct,
        resumed: pair(row.resumed),
        rolled_back: pair(row.rolled_back),
    }
}

fn tell(context: &Context, args: &RehearseArgs, case: &Case, tally: &Tally) {
    let rows: Vec<SweepRow> = tally.rows.iter().map(row).collect();
    if context.json() {
        let tries = |(tried, failed): (usize, usize)| json!({ "tried": tried, "failed": failed });
        let rows: Vec<Value> = rows
            .iter()
            .map(|row| {
                json!({ "stage": row.stage, "points": row.points, "distinct": row.distinct,
                    "resumed": tries(row.resumed), "rolledBack": tries(row.rolled_back) })
            })
            .collect();
        let failures: Vec<Value> = tally
            .failures
            .iter()
            .map(|failed| json!({ "point": failed.point.number, "what": failed.what, "differences": failed.lines }))
            .collect();
        let line = json!({ "event": "crash-sweep", "back": case.course == Course::Back, "seed": case.seed, "stages": rows, "failures": failures });
        context.line(line);
        return;
    }
    if args.point.is_some() {
        for point in &tally.points {
            let stage = point.stage.as_ref().map_or_else(|| "before the first stage".to_owned(), |stage| format!("in {stage}"));
            context.out.data(&format!("{}: {point}, {stage}", case.name));
        }
        return;
    }
    context.out.data(&format!("\n{}", sweep_view::render(&case.name, &rows, &row(&tally.total()), &context.out_style)));
}

fn verdict(context: &Context, args: &RehearseArgs, found: &[(Case, Tally)]) -> Result<Exit, Error> {
    let totals = found.iter().map(|(_, tally)| tally.total());
    let tried = totals.map(|total| total.resumed.tried + total.rolled_back.tried).sum();
    if let (Some(number), 0) = (args.point, tried) {
        let hint = "points of the way back want `--way-back`; without `--point` the table shows what there is".to_owned();
        return Err(Error::Usage { message: format!("no crash point to try has the number {number}"), hint: Some(hint) });
    }
    let failures = || found.iter().flat_map(|(case, tally)| tally.failures.iter().map(move |failed| (case, failed)));
    let Some((case, failed)) = failures().next() else {
        let words = format!("all {} ended as they must: as without the crash, or back at the start", count(tried, "try", "tries"));
        if !context.json() {
            context.out.data(&format!("\n{words}"));
        }
        return Ok(Exit::Done);
    };
    let mut first = vec![failed.what.clone()];
    first.extend(failed.lines.iter().cloned());
    let back = if case.course == Course::Back { " --way-back" } else { "" };
    let replay = format!("{} --faults crashes --point {}{back}", rehearsal(context, args), failed.point.number);
    Err(Error::DrillFailed { failed: failures().count(), tried, first, replay })
}

/// The rehearsal of this command line, without its faults.
pub fn rehearsal(context: &Context, args: &RehearseArgs) -> String {
    let runbook = args.runbook.as_ref().map(|named| format!(" {}", shell_word(named))).unwrap_or_default();
    let mut words = format!("rehearse{runbook} --seed {}", args.seed);
    let mut option = |name: &str, value: &str| words.push_str(&format!(" {name} {}", shell_word(value)));
    if let Some(path) = &args.world {
        option("--world", &path.to_string_lossy());
    }
    for file in &context.common.var_files {
        option("--var-file", &file.to_string_lossy());
    }
    for (name, value) in &context.common.vars {
        option("--var", &format!("{name}={value}"));
    }
    for finding in &args.accept {
        option("--accept", finding);
    }
    context.command(&words)
}
