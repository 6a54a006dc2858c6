//! `--take-over`: a run is taken from the process that holds it, which then can change nothing more, and is gone on with when
//! nothing that one sent can arrive any more.

use super::args::TakeOverArgs;
use super::context::Context;
use crate::aws::Aws;
use crate::journal::{Journal, OpenRun};
use crate::model::{Actor, Error, Holder, RunId};
use crate::ui::Ask;

/// Between two lines that say how long is left to wait, in real seconds.
const SAID_EVERY: u64 = 5;

/// A run that is to be taken up, and by whom.
pub struct TakeUp<'a> {
    pub context: &'a Context,
    pub journal: &'a Journal,
    pub run: &'a RunId,
    pub by: &'a Actor,
    pub aws: &'a Aws,
}

/// Refuses a reason that is given for nothing: it would be in no record.
pub fn reason_has_a_use(args: &TakeOverArgs, others: &[&str], used: bool) -> Result<(), Error> {
    if args.reason.is_none() || args.take_over || used {
        return Ok(());
    }
    let options: Vec<String> = ["--take-over"].iter().chain(others).map(|option| format!("`{option}`")).collect();
    Err(Error::Usage {
        message: "`--reason` is given for nothing".to_owned(),
        hint: Some(format!("it belongs to {}", options.join(" or "))),
    })
}

/// Takes the run up: as usual, or from its holder where that is asked for.
pub async fn take_up<'d>(
    what: &TakeUp<'_>,
    args: &TakeOverArgs,
    ask: Option<&mut (dyn Ask + 'd)>,
    yes: bool,
) -> Result<OpenRun, Error> {
    let &TakeUp { context, journal, run, by, aws } = what;
    let Some(reason) = args.reason.as_deref().filter(|_| args.take_over) else {
        return journal.acquire(run, by, aws.clock.now());
    };
    let Some(holder) = journal.is_live(run)? else {
        context.out.status(&format!("No process holds run {run}: nothing is to be waited for."));
        return journal.acquire(run, by, aws.clock.now());
    };
    let from = format!("{}@{} (pid {})", holder.actor.user, holder.actor.host, holder.pid);
    if !is_stopped(&holder, by) {
        let agreed = match ask {
            Some(ask) => ask.confirm_take_over(run, &from),
            None => yes,
        };
        if !agreed {
            return Err(Error::HolderRuns { run: run.clone(), holder: from });
        }
        context.out.status(&format!("{from} is not seen to be stopped: what it waits for is left, and it ends with exit code 5."));
    }
    let taken = journal.take_over(run, &holder, by, reason, aws.clock.now())?;
    context.out.status(&format!("Run {run} is taken from {from}. A change that it sent may still be on its way to AWS:"));
    let (begun, window) = (aws.clock.elapsed(), aws.landing_window());
    loop {
        let left = aws.clock.to_real(window.saturating_sub(aws.clock.elapsed().saturating_sub(begun)));
        if left.is_zero() {
            break;
        }
        let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        context.out.progress(&format!("  waiting {seconds} s more"));
        let until_next = (seconds - 1) % SAID_EVERY + 1;
        aws.clock.sleep(aws.clock.from_real(left.min(std::time::Duration::from_secs(until_next)))).await;
    }
    taken.open(aws.clock.now())
}

/// Whether the process is seen to be stopped: of this machine, and by a signal or a debugger. Only Linux tells in a file.
fn is_stopped(holder: &Holder, by: &Actor) -> bool {
    holder.actor.host == by.host
        && std::fs::read_to_string(format!("/proc/{}/stat", holder.pid)).is_ok_and(|stat| state(&stat) == Some('T'))
}

/// The state in `/proc/PID/stat`, which follows the program's name in parentheses; `t` under a debugger counts as stopped.
fn state(stat: &str) -> Option<char> {
    let (_, after) = stat.rsplit_once(')')?;
    after.trim_start().chars().next().map(|state| state.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_follows_a_name_that_may_hold_anything() {
        assert_eq!(state("4711 (a) S (b) T 1 4711 4711 0 -1"), Some('T'));
        assert_eq!(state("4711 (sidestep) S 1 4711"), Some('S'));
        assert_eq!(state("4711 (sidestep) t 1 4711"), Some('T'));
        assert_eq!(state(""), None);
    }
}
