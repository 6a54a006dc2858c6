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
mod inputs;
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
use crate::ui::{self, Out, Style};

/// Parses the command line, calls the verb, and turns what comes of it into a message and an exit code.
pub fn main() -> ExitCode {
    let parsed = help::command().try_get_matches().and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // `--help` and `--version` are data; a wrong command line is exit code 2, as clap has it.
            let unsaid = error.print().err().filter(|why| why.kind() != std::io::ErrorKind::BrokenPipe);
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            return ExitCode::from(told(&Out::standard(), exit, unsaid.map(|why| why.to_string()), AGAIN).code());
        }
    };
    let context = Context::of(cli.common);
    let next = if cli.verb.only_prints() { AGAIN } else { SEE };
    let exit = match call(&context, cli.verb) {
        Ok(exit) => exit,
        Err(error) => {
            context.out.share_with(None);
            context.out.status(&context.located(&ui::error::render(&error, &render_problem, &context.err_style)));
            error.exit()
        }
    };
    ExitCode::from(told(&context.out, exit, context.out.unwritten(), next).code())
}

/// What to do about output that was lost, where the command did nothing else.
const AGAIN: &str = "make room, or send stdout elsewhere, and run the same command again";
/// The same where it did.
const SEE: &str = "what the command did stands, only its output is lost: see where the run is with `sidestep status`";

/// What the command ends with where its data could not be written: nobody may take what is missing for an answer.
fn told(out: &Out, exit: Exit, unwritten: Option<String>, next: &str) -> Exit {
    let Some(why) = unwritten else { return exit };
    let error = Error::OutputUnwritable { why, next: next.to_owned() };
    out.status(&ui::error::render(&error, &render_problem, &Style::plain()));
    if exit == Exit::Done { error.exit() } else { exit }
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
