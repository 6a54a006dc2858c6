//! The command line: one file per verb, tied together here.

mod abandon;
mod about;
mod account;
mod agree;
mod amend;
mod approve;
mod args;
mod check;
mod completions;
mod context;
mod crashes;
mod doctor;
mod drive;
mod dry_run;
mod ending;
mod files;
mod help;
mod hold_before;
mod holds;
mod logs;
mod man;
mod pause;
mod plan;
mod policy;
mod rehearse;
mod report;
mod resume;
mod rollback;
mod run;
mod runbooks;
mod runs;
mod screen;
mod signals;
mod simulate;
mod snapshot;
mod standing;
mod status;
mod steer;
mod swarm;
mod take_over;
mod watch;
mod world;

use std::process::ExitCode;

use clap::FromArgMatches as _;

use args::{Cli, Verb};
use context::Context;
pub use policy::wants;

use crate::model::{Error, Exit};
use crate::runbook::render_problem;
use crate::ui;

/// Parses the command line, calls the verb, and turns what comes of it into a message and an exit code.
pub fn main() -> ExitCode {
    let parsed = help::command().try_get_matches().and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // `--help` and `--version` are data; a wrong command line is exit code 2, as clap has it.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { Exit::Usage.code() } else { Exit::Done.code() });
        }
    };
    let context = Context::of(cli.common);
    let exit = match call(&context, cli.verb) {
        Ok(exit) => exit,
        Err(error) => {
            context.out.share_with(None);
            context.out.status(&context.located(&ui::error::render(&error, &render_problem, &context.err_style)));
            error.exit()
        }
    };
    ExitCode::from(exit.code())
}

fn call(context: &Context, verb: Verb) -> Result<Exit, Error> {
    match verb {
        Verb::Plan(args) => plan::call(context, &args),
        Verb::Run(args) => run::call(context, &args),
        Verb::Resume(args) => resume::call(context, &args),
        Verb::Rollback(args) => rollback::call(context, &args),
        Verb::Pause(args) => pause::call(context, &args),
        Verb::HoldBefore(args) => hold_before::call(context, &args),
        Verb::Approve(args) => approve::call(context, &args),
        Verb::Abandon(args) => abandon::call(context, &args),
        Verb::Status(args) => status::call(context, &args),
        Verb::Runs(args) => runs::call(context, &args),
        Verb::Report(args) => report::call(context, &args),
        Verb::Doctor(args) => doctor::call(context, &args),
        Verb::Logs(args) => logs::call(context, &args),
        Verb::Rehearse(args) => rehearse::call(context, &args),
        Verb::Snapshot(args) => snapshot::call(context, &args),
        Verb::Simulate(args) => simulate::call(context, &args),
        Verb::Policy(args) => policy::call(context, &args),
        Verb::Check(args) => check::call(context, &args),
        Verb::Completions(args) => completions::call(context, &args),
        Verb::Man(args) => man::call(context, &args),
    }
}
