//! The command line's grammar.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::stages::facts::Purpose;

/// Moves a tracing sidecar out of ECS tasks into one shared ECS service, stage by stage.
#[derive(Debug, Parser)]
#[command(name = "sidestep", version, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub verb: Verb,
}

/// Options that every verb takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Common options")]
pub struct Common {
    /// Set a variable of the runbook (repeatable)
    #[arg(long = "var", value_name = "NAME=VALUE", global = true, value_parser = pair)]
    pub vars: Vec<(String, String)>,
    /// Read variables from a file, for example terraform.tfvars (repeatable)
    #[arg(long = "var-file", value_name = "FILE", global = true)]
    pub var_files: Vec<PathBuf>,
    /// Where runs are journaled
    #[arg(long, value_name = "DIR", global = true, default_value = "state", env = "SIDESTEP_STATE", hide_env_values = true)]
    pub state: PathBuf,
    /// How results are printed
    #[arg(long, value_name = "FORMAT", value_enum, global = true, default_value_t = Output::Text)]
    pub output: Output,
    /// AWS profile
    #[arg(long, value_name = "NAME", global = true)]
    pub profile: Option<String>,
    /// AWS Region; the runbook's own unless given
    #[arg(long, value_name = "REGION", global = true)]
    pub region: Option<String>,
    /// Endpoint of every AWS service, for example a simulator's
    #[arg(long, value_name = "URL", global = true)]
    pub endpoint_url: Option<String>,
    /// Say less: results, warnings, questions and errors, but not how it goes
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more: a line on stderr for each call to AWS, with its duration and request id
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For programs: one JSON value, or one per line for events.
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show what a run would do; reads AWS and changes nothing
    Plan(PlanArgs),
    /// Plan, ask, and carry the plan out
    Run(RunArgs),
    /// Go on with a run that stopped, paused or crashed
    Resume(ResumeArgs),
    /// Take a run back, to its start or part of the way
    Rollback(RollbackArgs),
    /// Ask a live run to pause
    Pause(RunId),
    /// Have a run stop before a stage
    HoldBefore(HoldBeforeArgs),
    /// Open a step that waits for a person
    Approve(ApproveArgs),
    /// Give a run up as it stands
    Abandon(AbandonArgs),
    /// Show where a run stands
    Status(StatusArgs),
    /// List the runs
    Runs(RunsArgs),
    /// What happened in a run, and what it changed: a record to hand to others
    Report(ReportArgs),
    /// Say why it does not work, the likely cause first; reads AWS and changes nothing
    Doctor(DoctorArgs),
    /// Show the shared service's log lines
    Logs(LogsArgs),
    /// Carry the whole migration out on a simulated AWS
    Rehearse(RehearseArgs),
    /// Capture what the runbook can see of the account, as a world file to rehearse on; reads AWS and changes nothing
    Snapshot(SnapshotArgs),
    /// Serve a simulated AWS on loopback, for any AWS client
    Simulate(SimulateArgs),
    /// Print the IAM policy that allows what the runbook needs, and nothing else
    Policy(PolicyArgs),
    /// Check a runbook and its variables
    Check(RunbookArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Print the manual page, or write all pages to a directory
    Man(ManArgs),
}

impl Verb {
    /// Whether all that is lost with its output is the output.
    pub fn only_prints(&self) -> bool {
        !matches!(
            self,
            Self::Run(_)
                | Self::Resume(_)
                | Self::Rollback(_)
                | Self::Pause(_)
                | Self::HoldBefore(_)
                | Self::Approve(_)
                | Self::Abandon(_)
        )
    }
}

/// Which runbook.
#[derive(Clone, Debug, Args)]
pub struct RunbookArgs {
    /// Path of a runbook, or the name of a shipped one
    #[arg(value_name = "RUNBOOK", default_value = crate::cli::runbooks::DEFAULT)]
    pub runbook: String,
}

#[derive(Debug, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub runbook: RunbookArgs,
    /// The run whose trouble is looked into, and whose variables count: its id, or the beginning of it; the unfinished one unless given
    #[arg(long, value_name = "RUN")]
    pub run: Option<String>,
}

#[derive(Debug, Args)]
pub struct LogsArgs {
    #[command(flatten)]
    pub runbook: RunbookArgs,
    /// The run whose variables count: its id, or the beginning of it; the unfinished one's unless given
    #[arg(long, value_name = "RUN")]
    pub run: Option<String>,
    /// Go on with new lines as they come, until Ctrl-C
    #[arg(long, short)]
    pub follow: bool,
    /// How far back to begin: a number with s, m, h or d
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = span)]
    pub since: std::time::Duration,
}

#[derive(Debug, Args)]
pub struct PolicyArgs {
    #[command(flatten)]
    pub runbook: RunbookArgs,
    /// The run whose variables count: its id, or the beginning of it; the unfinished one's unless given
    #[arg(long, value_name = "RUN")]
    pub run: Option<String>,
    /// What it is to allow (repeatable, or with commas between)
    #[arg(long = "for", value_name = "USE", value_enum, value_delimiter = ',', default_values_t = [Use::Plan, Use::Run, Use::Rollback])]
    pub uses: Vec<Use>,
    /// Read the account, and name what is there: roles, task definitions, target groups, security groups, the namespace
    #[arg(long)]
    pub live: bool,
}

/// What a policy allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Use {
    /// Planning; nothing but reading.
    Plan,
    /// Planning, running and resuming.
    Run,
    /// Rolling a run back.
    Rollback,
    /// `doctor` and `logs`; nothing but reading.
    Doctor,
    /// `snapshot` and dry runs; nothing but reading.
    Snapshot,
}

impl Use {
    /// What it needs.
    pub fn purposes(self) -> &'static [Purpose] {
        match self {
            Self::Plan => &[Purpose::Plan],
            Self::Run => &[Purpose::Plan, Purpose::Run],
            Self::Rollback => &[Purpose::Rollback],
            Self::Doctor => &[Purpose::Plan, Purpose::Doctor],
            Self::Snapshot => &[Purpose::Plan, Purpose::Snapshot],
        }
    }
}

#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub runbook: RunbookArgs,
    /// Seal the plan in a file: `run --plan FILE` carries out exactly it, or says what changed since
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub runbook: RunbookArgs,
    /// Plan, and try the plan on a simulated AWS loaded with what was read; a guard lets no changing call out
    #[arg(long, conflicts_with_all = ["yes", "pause_before"])]
    pub dry_run: bool,
    /// Carry out the plan that was sealed in this file with `plan --out`, or say what changed since
    #[arg(long, value_name = "FILE", conflicts_with_all = ["runbook", "dry_run", "resume"])]
    pub plan: Option<PathBuf>,
    /// Go on with a run instead of starting one
    #[arg(long, value_name = "RUN", num_args = 0..=1, default_missing_value = "")]
    pub resume: Option<String>,
    /// Answer the start and the stage confirmations with yes, and nothing else
    #[arg(long, short)]
    pub yes: bool,
    /// Confirm the environment by its name, as is wanted for prod and production
    #[arg(long, value_name = "ENVIRONMENT")]
    pub confirm: Option<String>,
    /// Stop before a stage (repeatable)
    #[arg(long, value_name = "STAGE")]
    pub pause_before: Vec<String>,
    /// Start although this finding blocks the plan (repeatable)
    #[arg(long, value_name = "FINDING")]
    pub accept: Vec<String>,
}

#[derive(Clone, Debug, Args)]
pub struct RunId {
    /// The run: its id, or the beginning of it; the unfinished one unless given
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
}

#[derive(Debug, Args)]
pub struct ResumeArgs {
    #[command(flatten)]
    pub run: RunId,
    /// Answer confirmations (also of an amended plan) with yes, and nothing else
    #[arg(long, short)]
    pub yes: bool,
    /// Confirm the environment of an amended plan by its name, as is wanted for prod and production
    #[arg(long, value_name = "ENVIRONMENT")]
    pub confirm: Option<String>,
    /// Stop before a stage (repeatable)
    #[arg(long, value_name = "STAGE")]
    pub pause_before: Vec<String>,
    /// Accept what others changed since, and plan what is left anew from what is there now
    #[arg(long)]
    pub replan: bool,
    /// Amend the plan by this runbook: its file moved, or its text changed; so do variables given with --var or --var-file
    #[arg(long, value_name = "RUNBOOK")]
    pub runbook: Option<String>,
    /// Go on although this finding blocks an amended plan (repeatable)
    #[arg(long, value_name = "FINDING")]
    pub accept: Vec<String>,
    /// Go on with this target's lanes alone, until they have nothing more to do (repeatable)
    #[arg(long = "lane", value_name = "TARGET")]
    pub lanes: Vec<String>,
    #[command(flatten)]
    pub take_over: TakeOverArgs,
}

/// How a run is taken from a process that holds it.
#[derive(Debug, Default, Args)]
pub struct TakeOverArgs {
    /// Take the run from the process that holds it and is stopped, asleep or hung: it can change nothing more
    #[arg(long, requires = "reason")]
    pub take_over: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub reason: Option<String>,
}

#[derive(Debug, Args)]
pub struct RollbackArgs {
    #[command(flatten)]
    pub run: RunId,
    /// Go back only so far: this stage and those before it stay done
    #[arg(long, value_name = "STAGE")]
    pub to: Option<String>,
    /// Take back only what was done for this target (repeatable)
    #[arg(long = "lane", value_name = "TARGET")]
    pub lanes: Vec<String>,
    /// Pass over a step that does not come to its end, and what rests on it: what it would have undone stays
    #[arg(long, value_name = "STEP", requires = "reason", conflicts_with_all = ["to", "lanes", "onto_newest"])]
    pub skip: Option<String>,
    /// Where others deployed a service since, take only this run's changes back, on what it runs now
    #[arg(long)]
    pub onto_newest: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    #[command(flatten)]
    pub take_over: TakeOverArgs,
}

/// Which runs are listed: those that all of these let through.
#[derive(Debug, Default, Args)]
pub struct RunsArgs {
    /// Only runs that stand so: running, unfinished, held, stopped, stuck, done, rolled-back or abandoned (repeatable)
    #[arg(long, value_name = "WORD")]
    pub status: Vec<String>,
    /// Only runs in this environment
    #[arg(long, value_name = "NAME")]
    pub environment: Option<String>,
    /// Only runs of this runbook
    #[arg(long, value_name = "NAME")]
    pub runbook: Option<String>,
    /// Only runs that began since then: a date (2026-01-31, in UTC), a moment (2026-01-31T08:00:00Z), or so long ago (90m, 12h, 7d, 2w)
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// Only so many, the newest
    #[arg(long, value_name = "NUMBER")]
    pub limit: Option<usize>,
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    #[command(flatten)]
    pub run: RunId,
    /// Its form; `--output json` asks for JSON too
    #[arg(long, value_enum)]
    pub format: Option<ReportFormat>,
    /// Write it to this file, with mode 0600; a report that is there is replaced, anything else is not
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For a terminal, a ticket or a repository.
    Markdown,
    /// One page that needs nothing else, for a browser or paper.
    Html,
    /// For programs.
    Json,
}

#[derive(Debug, Args)]
pub struct HoldBeforeArgs {
    /// The stage
    #[arg(value_name = "STAGE")]
    pub stage: String,
    #[command(flatten)]
    pub run: RunId,
    /// Take the hold away again
    #[arg(long)]
    pub lift: bool,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub run: RunId,
    /// Show the run as it goes on, until it stands or ends; Ctrl-C leaves the run alone
    #[arg(long)]
    pub watch: bool,
    /// Ask AWS as well how the rollouts under way stand
    #[arg(long)]
    pub live: bool,
}

#[derive(Debug, Args)]
pub struct ApproveArgs {
    #[command(flatten)]
    pub run: RunId,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub comment: String,
}

#[derive(Debug, Args)]
pub struct AbandonArgs {
    #[command(flatten)]
    pub run: RunId,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

#[derive(Clone, Debug, Args)]
pub struct SnapshotArgs {
    #[command(flatten)]
    pub runbook: RunbookArgs,
    /// The file to write; a world file that is there is replaced, anything else is not
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

#[derive(Clone, Debug, Args)]
pub struct RehearseArgs {
    /// Path of a runbook, or the name of a shipped one; unless given, the one that the world file was captured for
    #[arg(value_name = "RUNBOOK")]
    pub runbook: Option<String>,
    /// World file to rehearse on; the built-in one unless given
    #[arg(long, value_name = "FILE")]
    pub world: Option<PathBuf>,
    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Go on although this finding blocks the plan (repeatable)
    #[arg(long, value_name = "FINDING")]
    pub accept: Vec<String>,
    /// What goes wrong meanwhile
    #[arg(long, value_enum, default_value_t = Faults::None)]
    pub faults: Faults,
    /// With `--faults crashes`: only the crash point of this number, to replay a failure
    #[arg(long, value_name = "NUMBER")]
    pub point: Option<usize>,
    /// With `--faults crashes`: only the way back of a finished run
    #[arg(long)]
    pub way_back: bool,
    /// With `--faults all`: how many runs, each with the next seed (100 unless given)
    #[arg(long, value_name = "NUMBER")]
    pub runs: Option<u64>,
}

/// What goes wrong in a rehearsal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Faults {
    /// Nothing.
    None,
    /// The process is killed at every point, and taken up again: resumed, and rolled back.
    Crashes,
    /// Run after run, each with other faults: lost and late answers, throttling, crashes, other hands, a journal that fails.
    All,
}

#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// World file to serve; the built-in one unless given
    #[arg(long, value_name = "FILE")]
    pub world: Option<PathBuf>,
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: std::net::SocketAddr,
    /// Virtual seconds for each second of the wall clock
    #[arg(long, default_value_t = 1.0, value_parser = speed)]
    pub speed: f64,
    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// Which shell.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell that loads the script
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: Shell,
}

/// Shells that load completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// Bash 4 or newer.
    Bash,
    /// Zsh.
    Zsh,
    /// Fish.
    Fish,
}

#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write sidestep.1 and a page for each verb to this directory
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

/// `90s`, `10m`, `2h`, `1d`.
fn span(text: &str) -> Result<std::time::Duration, String> {
    let wrong = || "write a number with s, m, h or d, such as 10m".to_owned();
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1_u64,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number = text[..text.len() - unit.len_utf8()].parse::<u64>().map_err(|_| wrong())?;
    // CloudWatch Logs keeps lines for ten years at most.
    match number.checked_mul(seconds).filter(|all| *all <= 3_653 * 86_400) {
        Some(all) => Ok(std::time::Duration::from_secs(all)),
        None => Err("that is longer than CloudWatch Logs keeps anything".to_owned()),
    }
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && (0.001..=100_000.0).contains(&number) => Ok(number),
        _ => Err("a number from 0.001 to 100000".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_span_of_time_has_a_unit() {
        let seconds = |text: &str| span(text).map(|span| span.as_secs());
        assert_eq!((seconds("90s"), seconds("10m"), seconds("2h"), seconds("1d")), (Ok(90), Ok(600), Ok(7_200), Ok(86_400)));
        for wrong in ["", "10", "m", "-1m", "1.5h", "10ü", "99999999999999999999d", "9999999d"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn verbose_may_be_said_again() {
        let verbose = |words: &[&str]| Cli::try_parse_from([&["sidestep", "runs"], words].concat()).map(|cli| cli.common.verbose);
        for (words, times) in [(&[][..], 0), (&["-v"], 1), (&["-vv"], 2), (&["-v", "--verbose", "-v"], 3)] {
            assert_eq!(verbose(words).expect("it is taken"), times, "{words:?}");
        }
        assert!(verbose(&["-vv", "--quiet"]).is_err());
    }

    #[test]
    fn resume_without_an_id_is_told_from_no_resume() {
        let run = |words: &[&str]| match Cli::try_parse_from(words).map(|cli| cli.verb) {
            Ok(Verb::Run(args)) => args.resume,
            other => panic!("{other:?}"),
        };
        assert_eq!(run(&["sidestep", "run"]), None);
        assert_eq!(run(&["sidestep", "run", "--resume"]).as_deref(), Some(""));
        assert_eq!(run(&["sidestep", "run", "--resume", "r7k2"]).as_deref(), Some("r7k2"));
    }
}
