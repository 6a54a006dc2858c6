//! The exit codes, a contract with scripts and CI.

/// How the process ends. The numbers are documented in docs/contract.md and do not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Everything asked for is done (or there was nothing to do).
    Done = 0,
    /// An error of the tool itself.
    Internal = 1,
    /// The command line was wrong, or the journal cannot be used.
    Usage = 2,
    /// The runbook or its variables are invalid.
    RunbookInvalid = 3,
    /// The plan is blocked by findings, or something was found wrong.
    Blocked = 4,
    /// The run stopped on a failure or on drift; it can be resumed.
    Stopped = 5,
    /// The run is paused: a gate, an operator's wish, or credentials that expired.
    Paused = 6,
    /// A run ended by rolling back (the verb `rollback` itself ends with 0).
    RolledBack = 7,
    /// The run is stuck: a person must act.
    Stuck = 8,
    /// Another operator or process holds the run or its target.
    Held = 9,
}

impl Exit {
    /// All of them, by number.
    pub const ALL: [Self; 10] = [
        Self::Done,
        Self::Internal,
        Self::Usage,
        Self::RunbookInvalid,
        Self::Blocked,
        Self::Stopped,
        Self::Paused,
        Self::RolledBack,
        Self::Stuck,
        Self::Held,
    ];

    /// In a few words, for `--help` and the pages that explain the numbers.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done, or nothing to do",
            Self::Internal => "internal error, or a rehearsal with faults that broke a promise",
            Self::Usage => "wrong usage, or a journal that cannot be used",
            Self::RunbookInvalid => "runbook, variables or world file invalid",
            Self::Blocked => "the plan is blocked by findings, or `doctor` found something wrong",
            Self::Stopped => "stopped on a failure or drift; can be resumed",
            Self::Paused => "paused: a gate, the operator, expired credentials",
            Self::RolledBack => "a run that ended by rolling back (`rollback` itself: 0)",
            Self::Stuck => "stuck: a person must act",
            Self::Held => "held by another operator: a live process, or a claim on a service",
        }
    }

    /// The number given to the operating system.
    pub fn code(self) -> u8 {
        self as u8
    }
}
