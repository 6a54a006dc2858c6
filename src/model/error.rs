//! The one error type. A variant carries facts; its `Display` is the first line of the message, [`Error::causes`] the
//! `Caused by:` lines, [`Error::state`] where the run stands, [`Error::hints`] what to do next, [`Error::exit`] the exit code.

use super::{Exit, Finding, Problem, Remainder, RunId};

/// What AWS said when it refused or failed a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsRefusal {
    /// The operation: `CreateService`.
    pub operation: String,
    /// The resource that the request was about.
    pub resource: String,
    /// AWS's error code; a few words of ours where there is none (`no answer within 15 s`).
    pub code: String,
    /// AWS's message.
    pub message: String,
    /// AWS's request id, where there is one.
    pub request_id: Option<String>,
}

/// Where a run stands when it stops, and how to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Where {
    /// The run.
    pub run: RunId,
    /// For example `stages 1-4 done, stage 5 not done; the service runs revision 2 as before`.
    pub state: String,
    /// What AWS goes on doing by itself, if anything.
    pub meanwhile: Option<String>,
    /// Exact commands with a reason: `after fixing the image, run `sidestep resume r7k2``.
    pub next: Vec<String>,
}

/// Everything that ends a command with an exit code other than 0.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The command line asks for something that cannot be.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to type instead.
        hint: Option<String>,
    },
    /// A question must be asked, and nobody is there to answer it.
    #[error("not a terminal: nobody can confirm this run")]
    NobodyToAsk,
    /// The environment is one whose name must be given, and it was not, or another one was.
    #[error("{message}")]
    NotConfirmed {
        /// What is missing.
        message: String,
        /// The environment.
        environment: String,
    },
    /// A file named on the command line cannot be read.
    #[error("cannot read {what} `{path}`")]
    FileUnreadable {
        /// `runbook`, `variable file`, `world file`.
        what: String,
        /// The path as given.
        path: String,
        /// The operating system's words, or what is wrong with the content.
        why: String,
        /// What to do.
        hint: Option<String>,
    },
    /// A world file that says something that cannot be.
    #[error("world file `{path}` cannot be used")]
    WorldInvalid {
        /// The path as given.
        path: String,
        /// Which member, and what is wrong with it.
        why: String,
        /// What to do.
        hint: Option<String>,
    },
    /// A file named on the command line cannot be written.
    #[error("cannot write {what} `{path}`")]
    FileUnwritable {
        /// `world file`.
        what: String,
        /// The path as given.
        path: String,
        /// The operating system's words, or why it is left alone.
        why: String,
    },
    /// What a command was to print could not be written.
    #[error("cannot write to stdout: what was to be printed is not all there")]
    OutputUnwritable {
        /// The operating system's words.
        why: String,
        /// What to do.
        next: String,
    },
    /// A file that is no sealed plan, or not the one that was sealed.
    #[error("`{path}` is no sealed plan that can be carried out")]
    SealedPlanInvalid {
        /// The path as given.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// What a sealed plan rests on is no longer so.
    #[error("the sealed plan `{path}` does not fit the account any more")]
    SealedPlanOutdated {
        /// The path as given.
        path: String,
        /// What changed, one line each.
        changes: Vec<String>,
    },
    /// A run id that no run has.
    #[error("no run `{wanted}`")]
    RunNotFound {
        /// What was typed.
        wanted: String,
        /// The absolute path of the state directory.
        state_dir: String,
        /// Ids that are there.
        known: Vec<String>,
    },
    /// A prefix of several run ids, or no id where several runs are unfinished.
    #[error("{}", ambiguous(.wanted.as_deref()))]
    RunAmbiguous {
        /// What was typed; `None` when no run was named.
        wanted: Option<String>,
        /// The candidates.
        candidates: Vec<String>,
    },
    /// No run is unfinished.
    #[error("there is no unfinished run")]
    NoOpenRun {
        /// The absolute path of the state directory.
        state_dir: String,
    },
    /// The verb does not apply to the run as it stands.
    #[error("run `{run}` cannot be {verb}: {why}")]
    NotApplicable {
        /// The run.
        run: RunId,
        /// `resumed`, `approved`, `rolled back`.
        verb: String,
        /// Why.
        why: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The runbook or its variables are invalid.
    #[error("{}", count(.problems.len(), "problem in the runbook or its variables", "problems in the runbook or its variables"))]
    RunbookInvalid {
        /// All of them.
        problems: Vec<Problem>,
    },
    /// The runbook refuses, by its own words.
    #[error("{message}")]
    RunbookRefuses {
        /// What it says.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The runbook or variables changed since the run started.
    #[error("the runbook of run `{run}` has changed since it started")]
    RunbookChanged {
        /// The run.
        run: RunId,
        /// What changed.
        changes: Vec<String>,
    },
    /// Findings block the plan.
    #[error("{}", count(.findings.len(), "finding blocks this plan", "findings block this plan"))]
    Blocked {
        /// The blockers.
        findings: Vec<Finding>,
    },
    /// Credentials are missing, wrong or expired.
    #[error("AWS does not accept the credentials")]
    Credentials {
        /// AWS's or the SDK's words.
        why: String,
        /// The run, if one was under way.
        at: Option<Where>,
    },
    /// Nothing answered.
    #[error("cannot reach AWS: {operation} got no usable answer")]
    Unreachable {
        /// The operation.
        operation: String,
        /// The endpoint or service.
        endpoint: String,
        /// What happened.
        why: String,
        /// The run, if one was under way.
        at: Option<Where>,
    },
    /// AWS refused a request.
    #[error("AWS refused {} for {}", .refusal.operation, .refusal.resource)]
    Refused {
        /// What AWS said.
        refusal: AwsRefusal,
        /// What to do.
        hint: Option<String>,
    },
    /// Something the runbook names is not there.
    #[error("{what} `{name}` does not exist in {place}")]
    NotFound {
        /// `cluster`, `service`, `namespace`.
        what: String,
        /// Its name.
        name: String,
        /// Account and Region, or the cluster.
        place: String,
        /// What to do.
        hint: Option<String>,
    },
    /// Another account, Region or endpoint than planned for.
    #[error("run `{run}` is bound to {bound}, this is {found}")]
    WrongTarget {
        /// The run.
        run: RunId,
        /// `account 111122223333, Region us-west-2`.
        bound: String,
        /// The same for what is found now.
        found: String,
    },
    /// The runbook expects another account or Region than the credentials lead to.
    #[error("the runbook is for {expected}, the credentials lead to {found}")]
    WrongPlace {
        /// What the runbook says.
        expected: String,
        /// What is found.
        found: String,
    },
    /// A run stopped on a failure or on drift.
    #[error("{headline}")]
    Stopped {
        /// ``stage 5/6 `retarget-api` stopped: the rollout of `nexus-ai-api-dev` failed``.
        headline: String,
        /// Causes.
        causes: Vec<String>,
        /// Where it stands.
        at: Where,
    },
    /// A run paused.
    #[error("{headline}")]
    Paused {
        /// Why it paused.
        headline: String,
        /// Details.
        causes: Vec<String>,
        /// Where it stands.
        at: Where,
    },
    /// A rollback cannot go on.
    #[error("{headline}")]
    Stuck {
        /// What resists.
        headline: String,
        /// Why, outermost first.
        causes: Vec<String>,
        /// What is left in AWS.
        remains: Vec<Remainder>,
        /// Where it stands.
        at: Where,
    },
    /// A run ended by going back, as the operator chose at the prompt.
    #[error("run `{run}` was rolled back: the migration is not done")]
    EndedRolledBack {
        /// The run.
        run: RunId,
    },
    /// Another process holds the run.
    #[error("run `{run}` is held by {holder}")]
    RunHeld {
        /// The run.
        run: RunId,
        /// `alice@bastion (pid 4711)`.
        holder: String,
    },
    /// A run is to be taken from a process that goes on, as far as can be seen.
    #[error("run `{run}` is held by {holder}, which is not seen to be stopped")]
    HolderRuns {
        /// The run.
        run: RunId,
        /// `alice@bastion (pid 4711)`.
        holder: String,
    },
    /// Another unfinished run changes the same service.
    #[error("service `{service}` is already being changed by run `{run}`")]
    TargetTaken {
        /// The service.
        service: String,
        /// The other run.
        run: RunId,
        /// The live process that holds that run: `alice@bastion (pid 4711)`; `None` when it stands still.
        holder: Option<String>,
    },
    /// A run that keeps its state elsewhere has claimed a service.
    #[error("{headline}")]
    Claimed {
        /// ``service `nexus-ai-api-dev` is claimed by run `r7k2` of bob@laptop, since …``.
        headline: String,
        /// How the claim goes.
        causes: Vec<String>,
        /// Where this run stands, if one was begun.
        at: Option<Where>,
    },
    /// This process lost its claim on the run: another took over.
    #[error("run `{run}` was taken over by {by}; this one wrote nothing more")]
    Fenced {
        /// The run.
        run: RunId,
        /// `bob@bastion (pid 4712)`, or `another process`.
        by: String,
        /// Why it was taken over, in that operator's words, where it was asked for.
        why: Option<String>,
    },
    /// The state directory or the journal in it cannot be used.
    #[error("cannot use the journal in `{path}`")]
    JournalUnusable {
        /// The absolute path.
        path: String,
        /// Why.
        why: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The journal was written by a newer version.
    #[error("the journal `{path}` was written by a newer sidestep")]
    JournalNewer {
        /// The file.
        path: String,
        /// Its schema version.
        found: u32,
        /// The newest that this program knows.
        known: u32,
    },
    /// What the journal says is not something this program could have written.
    #[error("the journal of run `{run}` is damaged")]
    JournalDamaged {
        /// The run.
        run: RunId,
        /// What is wrong.
        why: String,
    },
    /// A record could not be made durable.
    #[error("the journal `{path}` cannot be written: the run stopped at once")]
    JournalWrite {
        /// The file.
        path: String,
        /// SQLite's words.
        why: String,
        /// Where the run stands.
        at: Option<Where>,
    },
    /// A drill wants a run that comes to its end by itself.
    #[error("the drill has nothing to hold on to: even with nothing in its way the run does not come to its end")]
    DrillUnfit {
        /// Where it stops instead.
        causes: Vec<String>,
    },
    /// A drill found a run that did not recover.
    #[error("{failed} of {tried} interrupted runs did not end as they must")]
    DrillFailed {
        /// Failed tries.
        failed: usize,
        /// All tries.
        tried: usize,
        /// The first failure: what was tried, and how the world differs.
        first: Vec<String>,
        /// The command that replays it.
        replay: String,
    },
    /// An error of the tool itself.
    #[error("internal error: {message}")]
    Internal {
        /// What went wrong.
        message: String,
    },
}

/// What to do about blockers: only some can be accepted.
fn blocked(findings: &[Finding]) -> String {
    let (must, may): (Vec<&Finding>, Vec<&Finding>) = findings.iter().partition(|finding| finding.must_repair);
    let accept: Vec<String> = may.iter().map(|finding| format!("--accept {}", finding.id)).collect();
    let must: Vec<String> = must.iter().map(|finding| format!("`{}`", finding.id)).collect();
    match (must.as_slice(), accept.as_slice()) {
        ([], accept) => format!("repair what is named above; or, knowing the consequence, add `{}`", accept.join(" ")),
        ([one], []) => format!("repair what is named above: {one} cannot be accepted"),
        (must, []) => format!("repair what is named above: {} cannot be accepted", must.join(", ")),
        (must, accept) => {
            format!(
                "repair {}, which cannot be accepted; the rest too, or, knowing the consequence, add `{}`",
                must.join(", "),
                accept.join(" ")
            )
        }
    }
}

/// Why it cannot be told which run is meant.
fn ambiguous(wanted: Option<&str>) -> String {
    match wanted {
        Some(wanted) => format!("several runs begin with `{wanted}`"),
        None => "several runs are unfinished, and none was named".to_owned(),
    }
}

fn count(n: usize, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

impl Error {
    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. }
            | Self::NobodyToAsk
            | Self::NotConfirmed { .. }
            | Self::FileUnreadable { .. }
            | Self::FileUnwritable { .. }
            | Self::OutputUnwritable { .. }
            | Self::RunNotFound { .. }
            | Self::RunAmbiguous { .. }
            | Self::NoOpenRun { .. }
            | Self::NotApplicable { .. }
            | Self::WrongTarget { .. }
            | Self::WrongPlace { .. }
            | Self::JournalUnusable { .. }
            | Self::JournalNewer { .. } => Exit::Usage,
            Self::RunbookInvalid { .. }
            | Self::RunbookRefuses { .. }
            | Self::RunbookChanged { .. }
            | Self::WorldInvalid { .. }
            | Self::SealedPlanInvalid { .. } => Exit::RunbookInvalid,
            Self::Blocked { .. } | Self::NotFound { .. } | Self::SealedPlanOutdated { .. } => Exit::Blocked,
            Self::Credentials { .. } | Self::Paused { .. } => Exit::Paused,
            Self::Unreachable { .. }
            | Self::Refused { .. }
            | Self::Stopped { .. }
            | Self::Fenced { .. }
            | Self::JournalDamaged { .. }
            | Self::JournalWrite { .. }
            | Self::DrillUnfit { .. } => Exit::Stopped,
            Self::Stuck { .. } => Exit::Stuck,
            Self::EndedRolledBack { .. } => Exit::RolledBack,
            Self::RunHeld { .. } | Self::HolderRuns { .. } | Self::TargetTaken { .. } | Self::Claimed { .. } => Exit::Held,
            Self::DrillFailed { .. } | Self::Internal { .. } => Exit::Internal,
        }
    }

    /// The `Caused by:` lines.
    pub fn causes(&self) -> Vec<String> {
        match self {
            Self::FileUnreadable { why, .. }
            | Self::FileUnwritable { why, .. }
            | Self::OutputUnwritable { why, .. }
            | Self::WorldInvalid { why, .. }
            | Self::SealedPlanInvalid { why, .. }
            | Self::Credentials { why, .. }
            | Self::JournalUnusable { why, .. }
            | Self::JournalDamaged { why, .. }
            | Self::JournalWrite { why, .. } => vec![why.clone()],
            Self::Fenced { why, .. } => why.iter().map(|why| format!("the reason given: {why}")).collect(),
            Self::Unreachable { endpoint, why, .. } => vec![format!("{endpoint}: {why}")],
            Self::Refused { refusal, .. } => vec![refusal.to_string()],
            Self::Stopped { causes, .. }
            | Self::Paused { causes, .. }
            | Self::Stuck { causes, .. }
            | Self::Claimed { causes, .. }
            | Self::DrillUnfit { causes } => causes.clone(),
            Self::DrillFailed { first, .. } => first.clone(),
            Self::RunbookChanged { changes, .. } | Self::SealedPlanOutdated { changes, .. } => changes.clone(),
            Self::RunAmbiguous { candidates, .. } => vec![format!("they are {}", candidates.join(", "))],
            Self::TargetTaken { holder: Some(holder), run, .. } => vec![format!("`{run}` is under way: {holder} holds it")],
            Self::RunNotFound { state_dir, known, .. } => {
                let there = if known.is_empty() { "it holds no run".to_owned() } else { format!("it holds {}", known.join(", ")) };
                vec![format!("searched {state_dir}; {there}")]
            }
            Self::NoOpenRun { state_dir } => vec![format!("searched {state_dir}")],
            Self::JournalNewer { found, known, .. } => {
                vec![format!("its schema is version {found}, this program knows up to {known}")]
            }
            _ => Vec::new(),
        }
    }

    /// Where the run stands, if one was under way.
    pub fn state(&self) -> Option<&Where> {
        match self {
            Self::Stopped { at, .. } | Self::Paused { at, .. } | Self::Stuck { at, .. } => Some(at),
            Self::Credentials { at, .. }
            | Self::Unreachable { at, .. }
            | Self::Claimed { at, .. }
            | Self::JournalWrite { at, .. } => at.as_ref(),
            _ => None,
        }
    }

    /// What to do next: exact commands.
    pub fn hints(&self) -> Vec<String> {
        if let Some(at) = self.state() {
            return at.next.clone();
        }
        let one = |hint: &str| vec![hint.to_owned()];
        match self {
            Self::Usage { hint, .. }
            | Self::FileUnreadable { hint, .. }
            | Self::WorldInvalid { hint, .. }
            | Self::NotApplicable { hint, .. }
            | Self::RunbookRefuses { hint, .. }
            | Self::Refused { hint, .. }
            | Self::NotFound { hint, .. }
            | Self::JournalUnusable { hint, .. } => hint.iter().cloned().collect(),
            Self::OutputUnwritable { next, .. } => one(next),
            Self::SealedPlanInvalid { .. } | Self::SealedPlanOutdated { .. } => {
                one("plan anew, read it, and seal it again: `sidestep plan … --out FILE`")
            }
            Self::NobodyToAsk => one("read the plan with `sidestep plan`, then run again with `--yes`"),
            Self::NotConfirmed { environment, .. } => {
                vec![format!("if that is the environment that you mean, add `--confirm {environment}`")]
            }
            Self::RunNotFound { .. } => one("list the runs with `sidestep runs`, or name another directory with `--state DIR`"),
            Self::RunAmbiguous { .. } => one("add the id of the one that is meant; `sidestep runs` tells them apart"),
            Self::NoOpenRun { .. } => one("list the runs with `sidestep runs`; start one with `sidestep run`"),
            Self::RunbookChanged { run, .. } => vec![
                format!("to go on with the plan as it was agreed to, run `sidestep resume {run}` without other variables"),
                format!("to go back, run `sidestep rollback {run}`"),
            ],
            Self::Blocked { findings } => vec![blocked(findings)],
            Self::Credentials { .. } => one("refresh the credentials (for example `aws sso login`) and run the same command again"),
            Self::Unreachable { .. } => one("check the network, `--region` and `--endpoint-url`, and run the same command again"),
            Self::WrongTarget { .. } => one("use the profile, Region and endpoint that the run was started with"),
            Self::WrongPlace { .. } => one("choose another `--profile` or `--region`, or change the runbook's variables"),
            Self::RunHeld { run, .. } => {
                vec![
                    format!("watch it with `sidestep status {run}`"),
                    format!("ask it to pause with `sidestep pause {run}`"),
                    format!(
                        "if it is stopped, asleep or hung, take the run from it with \
                         `sidestep resume {run} --take-over --reason \"…\"`"
                    ),
                ]
            }
            Self::HolderRuns { run, .. } => vec![
                format!("ask it to pause with `sidestep pause {run}`, then go on without `--take-over`"),
                "to take the run from it all the same, add `--yes`: what it waits for is left".to_owned(),
            ],
            Self::TargetTaken { run, holder: Some(_), .. } => vec![
                format!("watch it with `sidestep status {run}`, and start this one when it is over"),
                format!("ask it to pause with `sidestep pause {run}`, or to go back with `sidestep rollback {run}`"),
            ],
            Self::TargetTaken { run, holder: None, .. } => vec![
                format!("finish it with `sidestep resume {run}`, or go back with `sidestep rollback {run}`"),
                format!("give it up as it stands with `sidestep abandon {run}`"),
            ],
            Self::Claimed { .. } => one("when that run is over, run the same command again"),
            Self::Fenced { run, .. } => vec![format!("see who holds it with `sidestep status {run}`")],
            Self::JournalWrite { .. } => one("make room or see to the file's permissions, and run the same command again"),
            Self::JournalNewer { .. } => one("use the newer sidestep, or another directory with `--state DIR`"),
            Self::JournalDamaged { run, .. } => {
                vec![format!("keep the file, and compare AWS with `sidestep status {run}` from a backup")]
            }
            Self::DrillUnfit { .. } => one("see the whole run with `sidestep rehearse` and the same options"),
            Self::DrillFailed { replay, .. } => vec![
                format!("replay the first with `{replay}`"),
                "this is a defect of sidestep: please report it with the world file and that command".to_owned(),
            ],
            Self::EndedRolledBack { run } => vec![format!("read what happened with `sidestep status {run}`")],
            _ => Vec::new(),
        }
    }
}

impl std::fmt::Display for AwsRefusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        if let Some(id) = &self.request_id {
            write!(f, " (request {id})")?;
        }
        Ok(())
    }
}
