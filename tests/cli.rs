//! Black-box tests: the real binary, a second process that serves a simulated account, and everything an operator would see.

#[allow(dead_code, reason = "each test uses some of it")]
mod cli_support;

#[path = "cli/bad_input.rs"]
mod bad_input;
#[path = "cli/bad_runbook.rs"]
mod bad_runbook;
#[path = "cli/broken_journal.rs"]
mod broken_journal;
#[path = "cli/claims.rs"]
mod claims;
#[path = "cli/contract.rs"]
mod contract;
#[path = "cli/doctor.rs"]
mod doctor;
#[path = "cli/dry_run.rs"]
mod dry_run;
#[path = "cli/failures.rs"]
mod failures;
#[path = "cli/files.rs"]
mod files;
#[path = "cli/gates.rs"]
mod gates;
#[path = "cli/journey.rs"]
mod journey;
#[path = "cli/lanes.rs"]
mod lanes;
#[path = "cli/policy.rs"]
mod policy;
#[path = "cli/rehearse.rs"]
mod rehearse;
#[path = "cli/report.rs"]
mod report;
#[path = "cli/resistance.rs"]
mod resistance;
#[path = "cli/saying.rs"]
mod saying;
#[path = "cli/sealed.rs"]
mod sealed;
#[path = "cli/seat.rs"]
mod seat;
#[path = "cli/secrets.rs"]
mod secrets;
#[path = "cli/snapshot.rs"]
mod snapshot;
#[path = "cli/spans.rs"]
mod spans;
#[path = "cli/steering.rs"]
mod steering;
#[path = "cli/take_over.rs"]
mod take_over;
