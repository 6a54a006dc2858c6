//! `sidestep runs`: what runs there are, or those among them that are asked for.

use jiff::{SignedDuration, Timestamp};

use super::args::RunsArgs;
use super::context::Context;
use crate::journal::Journal;
use crate::model::{Error, Exit};
use crate::runbook::near_miss;
use crate::ui::runs_view::{self, Excluded, RunRow};
use crate::ui::text::shell_word;

pub fn call(context: &Context, args: &RunsArgs) -> Result<Exit, Error> {
    let filters = filters(context, args)?;
    let runs = match Journal::open_existing(&context.common.state)? {
        Some(journal) => journal.runs()?,
        None => Vec::new(),
    };
    let rows: Vec<RunRow> = runs
        .into_iter()
        .map(|run| RunRow {
            id: run.id,
            runbook: run.runbook,
            target: run.target,
            status: run.status,
            started: run.started_at,
            updated: run.updated_at,
            live: run.live,
        })
        .collect();
    let (rows, excluded) = sift(rows, &filters, args.limit);
    let text = if context.json() {
        runs_view::json(&rows, &excluded).to_string()
    } else {
        runs_view::render(&rows, &excluded, &context.state_dir(), &context.out_style)
    };
    context.out.data(&text);
    Ok(Exit::Done)
}

/// An option as it was given, and what it lets through.
struct Filter {
    given: String,
    lets: Box<dyn Fn(&RunRow) -> bool>,
}

fn filters(context: &Context, args: &RunsArgs) -> Result<Vec<Filter>, Error> {
    let mut filters = Vec::new();
    let mut add = |given: String, lets: Box<dyn Fn(&RunRow) -> bool>| filters.push(Filter { given, lets });
    if !args.status.is_empty() {
        let wanted = args.status.iter().map(|word| status(word)).collect::<Result<Vec<String>, Error>>()?;
        let given: Vec<String> = wanted.iter().map(|word| format!("--status {word}")).collect();
        add(given.join(" "), Box::new(move |row| wanted.contains(&row.status_code())));
    }
    if let Some(name) = args.environment.clone() {
        add(format!("--environment {}", shell_word(&name)), Box::new(move |row| row.target.environment == name));
    }
    if let Some(name) = args.runbook.clone() {
        add(format!("--runbook {}", shell_word(&name)), Box::new(move |row| row.runbook == name));
    }
    if let Some(when) = &args.since {
        let from = since(when, context.clock()?.now())?;
        add(format!("--since {}", shell_word(when)), Box::new(move |row| row.started >= from));
    }
    Ok(filters)
}

/// What all filters let through, and what each kept out that those before it let through; then the newest of that.
fn sift(mut rows: Vec<RunRow>, filters: &[Filter], limit: Option<usize>) -> (Vec<RunRow>, Vec<Excluded>) {
    let mut excluded = Vec::new();
    for filter in filters {
        let before = rows.len();
        rows.retain(|row| (filter.lets)(row));
        excluded.push(Excluded { by: filter.given.clone(), runs: before - rows.len() });
    }
    if let Some(limit) = limit {
        excluded.push(Excluded { by: format!("--limit {limit}"), runs: rows.len().saturating_sub(limit) });
        rows.truncate(limit);
    }
    (rows, excluded)
}

/// The word for where a run stands, as the list has it; with or without the hyphen.
fn status(word: &str) -> Result<String, Error> {
    let (wanted, known) = (word.trim().to_ascii_lowercase().replace(' ', "-"), runs_view::statuses());
    if known.contains(&wanted) {
        return Ok(wanted);
    }
    let hint = match near_miss(&wanted, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it is one of {}", known.join(", ")),
    };
    Err(Error::Usage { message: format!("no run stands as `{word}`: there is no such word"), hint: Some(hint) })
}

/// A date or a moment, or so long before `now`.
fn since(when: &str, now: Timestamp) -> Result<Timestamp, Error> {
    let date = || Some(when.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp());
    let moment = || when.parse::<Timestamp>().ok();
    let ago = || {
        let (number, unit) = when.split_at(when.find(|c: char| !c.is_ascii_digit())?);
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 604_800,
            _ => return None,
        };
        let ago = SignedDuration::from_secs(number.parse::<i64>().ok()?.checked_mul(seconds)?);
        now.checked_sub(ago).ok()
    };
    date().filter(|_| !when.contains(['T', 't', ':'])).or_else(moment).or_else(ago).ok_or_else(|| Error::Usage {
        message: format!("--since {} is no time", shell_word(when)),
        hint: Some("write a date (2026-01-31), a moment (2026-01-31T08:00:00Z), or so long ago: 90m, 12h, 7d, 2w".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_takes_dates_moments_and_so_long_ago() {
        let now: Timestamp = "2026-02-10T12:00:00Z".parse().expect("a time");
        let told = |when: &str| since(when, now).map(|at| at.to_string()).unwrap_or_else(|error| error.to_string());
        for (when, from) in [
            ("2026-01-31", "2026-01-31T00:00:00Z"),
            ("2026-01-31T08:00:00Z", "2026-01-31T08:00:00Z"),
            ("2026-01-31T08:00:00+02:00", "2026-01-31T06:00:00Z"),
            ("90m", "2026-02-10T10:30:00Z"),
            ("7d", "2026-02-03T12:00:00Z"),
            ("2w", "2026-01-27T12:00:00Z"),
        ] {
            assert_eq!(told(when), from);
        }
        for when in ["", "7", "d", "7y", "99999999999999d", "999999999999999999999d", "yesterday", "-7d", "2026-13-01"] {
            assert!(since(when, now).is_err(), "{when}: {}", told(when));
        }
    }

    #[test]
    fn a_word_close_to_one_is_a_slip() {
        let told = |word: &str| match status(word) {
            Ok(known) => known,
            Err(Error::Usage { hint, .. }) => hint.expect("a hint"),
            Err(other) => panic!("{other}"),
        };
        assert_eq!(told("Rolled back"), "rolled-back");
        assert_eq!(told("stoped"), "did you mean `stopped`?");
        assert_eq!(told("x"), "it is one of running, unfinished, held, stopped, stuck, done, rolled-back, abandoned");
    }
}
