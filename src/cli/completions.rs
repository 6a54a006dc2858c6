//! `sidestep completions`: a script for a shell, from the same grammar as the parser.

use clap::{Command, ValueHint};

use super::args::{CompletionsArgs, Shell};
use super::context::Context;
use super::help;
use crate::model::{Error, Exit};

pub fn call(context: &Context, args: &CompletionsArgs) -> Result<Exit, Error> {
    context.out.data(&script(args.shell));
    Ok(Exit::Done)
}

fn script(shell: Shell) -> String {
    let (mut command, mut script) = (help::command(), Vec::new());
    let generator = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    clap_complete::generate(generator, &mut command, "sidestep", &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    if shell == Shell::Fish {
        script.push_str(&words_for_fish(&command));
    }
    script
}

/// What clap's script for fish leaves out: the values of arguments that are no options, and that where no path is meant none is offered.
fn words_for_fish(command: &Command) -> String {
    let mut lines = String::new();
    for verb in command.get_subcommands() {
        let words: Vec<_> = verb.get_positionals().collect();
        if words.iter().any(|word| matches!(word.get_value_hint(), ValueHint::AnyPath | ValueHint::FilePath | ValueHint::DirPath)) {
            continue;
        }
        let values = words.iter().flat_map(|word| word.get_possible_values());
        let values: Vec<String> = values.map(|value| value.get_name().to_owned()).collect();
        let offered = if values.is_empty() { String::new() } else { format!(" -a \"{}\"", values.join(" ")) };
        lines.push_str(&format!("complete -c sidestep -n \"__fish_sidestep_using_subcommand {}\" -f{offered}\n", verb.get_name()));
    }
    lines
}
