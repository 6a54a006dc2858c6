//! What `--help`, the man pages and the completions know beyond the grammar: each verb's long text and its examples.
//!
//! ```text
//!   args (the grammar) ──┐
//!                        ├─▶ command() ─▶ parsing, --help
//!   texts (a table) ─────┘        └─────▶ man pages, completions
//! ```
//!
//! So the three can't differ. A test parses every example by the same grammar.

mod texts;

use clap::{Command, CommandFactory as _, ValueHint};

use super::args::Cli;
use crate::model::Exit;

/// A command to type, and what it is for.
pub struct Example {
    /// One line, in the words of the person who types it; no full stop.
    pub purpose: &'static str,
    /// The command, as a shell takes it.
    pub command: &'static str,
}

/// What is told of a verb.
pub struct Text {
    /// The verb.
    pub verb: &'static str,
    /// Paragraphs after the one line that the grammar has: what it reads and changes, and exit codes that are its own.
    pub paragraphs: &'static [&'static str],
    /// At least one.
    pub examples: &'static [Example],
}

/// The text of a verb.
pub fn text(verb: &str) -> Option<&'static Text> {
    texts::TEXTS.iter().find(|text| text.verb == verb)
}

/// The grammar with every verb's text.
pub fn command() -> Command {
    let exits: Vec<String> = Exit::ALL.iter().map(|exit| format!("  {}  {}", exit.code(), exit.meaning())).collect();
    let mut command = Cli::command().mut_args(hinted).after_help(format!(
        "Exit codes:\n{}\n\n`sidestep COMMAND --help` tells what a command reads and changes, with examples.",
        exits.join("\n")
    ));
    let verbs: Vec<String> = command.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    for verb in verbs {
        command = command.mut_subcommand(&verb, |verb| {
            let verb = verb.mut_args(hinted);
            match text(verb.get_name()) {
                Some(text) => told(verb, text),
                None => verb,
            }
        });
    }
    command
}

fn told(verb: Command, text: &Text) -> Command {
    let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
    let long = std::iter::once(format!("{about}.")).chain(text.paragraphs.iter().map(|paragraph| (*paragraph).to_owned()));
    let long = long.collect::<Vec<_>>().join("\n\n");
    verb.long_about(long).after_help(format!("Examples:\n{}", examples(text)))
}

fn examples(text: &Text) -> String {
    let lines = text.examples.iter().map(|example| format!("  # {}\n  {}", example.purpose, example.command));
    lines.collect::<Vec<_>>().join("\n\n")
}

/// A shell completes files only where a file is meant. Options of the type of a path say so themselves.
fn hinted(argument: clap::Arg) -> clap::Arg {
    let named = |name: &str| argument.get_value_names().is_some_and(|names| names.iter().any(|known| known == name));
    let hint = match argument.get_value_hint() {
        ValueHint::Unknown if named("RUNBOOK") => ValueHint::AnyPath,
        ValueHint::Unknown if argument.get_action().takes_values() => ValueHint::Other,
        ValueHint::AnyPath if named("DIR") => ValueHint::DirPath,
        ValueHint::AnyPath if named("FILE") => ValueHint::FilePath,
        _ => return argument,
    };
    argument.value_hint(hint)
}

#[cfg(test)]
mod tests;
