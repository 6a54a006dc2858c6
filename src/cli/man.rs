//! `sidestep man`: manual pages in section 1, one for the program and one for each verb, from the same grammar as the parser.

use std::path::Path;

use clap::builder::PossibleValue;
use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::args::ManArgs;
use super::context::Context;
use super::files;
use super::help::{self, Example};
use crate::model::{Error, Exit};

/// What the pages are called at their head.
const MANUAL: &str = "sidestep manual";
/// A version and the day of its pages, for their foot. A release sets both.
const DATED: (&str, &str) = ("0.1.0", "2026-11-22");

pub fn call(context: &Context, args: &ManArgs) -> Result<Exit, Error> {
    let pages = pages();
    match &args.out {
        Some(directory) => {
            write(&pages, directory)?;
            context.out.progress(&format!("{} pages are in `{}`.", pages.len(), directory.display()));
        }
        // The program's own comes first.
        None => context.out.data(pages.first().map(|(_, page)| page.as_str()).unwrap_or_default()),
    }
    Ok(Exit::Done)
}

fn write(pages: &[(String, String)], directory: &Path) -> Result<(), Error> {
    let failed = |path: &Path, why: &str| Error::Usage {
        message: format!("`{}` cannot be written: {why}", path.display()),
        hint: Some("name a directory that can be written, or leave `--out` out to print sidestep(1)".to_owned()),
    };
    std::fs::create_dir_all(directory).map_err(|error| failed(directory, &error.to_string()))?;
    for (name, page) in pages {
        let path = directory.join(name);
        files::replace(&path, page, 0o666).map_err(|why| failed(&path, &why))?;
    }
    Ok(())
}

/// Each page's file name and text; the program's own first.
fn pages() -> Vec<(String, String)> {
    let mut root = help::command();
    root.build();
    let verbs: Vec<&Command> = root.get_subcommands().collect();
    let see: Vec<String> = verbs.iter().map(|verb| format!("sidestep-{}", verb.get_name())).collect();
    let mut pages = vec![("sidestep.1".to_owned(), page(&root, &[], exit_status(), &see))];
    for verb in &verbs {
        let examples = help::text(verb.get_name()).map(|text| text.examples).unwrap_or_default();
        let page = page(verb, examples, Roff::new(), &["sidestep".to_owned()]);
        pages.push((format!("sidestep-{}.1", verb.get_name()), page));
    }
    pages
}

/// One page: what clap knows, and then the parts that `--help` has at its end.
fn page(command: &Command, examples: &[Example], mut end: Roff, see: &[String]) -> String {
    let mut page = Vec::new();
    let own = command.clone().after_help(None).after_long_help(None).mut_args(spelled);
    let title = own.get_display_name().unwrap_or_else(|| own.get_name()).to_uppercase();
    let man = Man::new(own).title(title).date(DATED.1).source(format!("sidestep {}", DATED.0)).manual(MANUAL);
    // Writing to memory can't fail.
    let _ = man.render(&mut page);
    let mut page = String::from_utf8_lossy(&page).into_owned();
    for (at, example) in examples.iter().enumerate() {
        match at {
            0 => end.control("SH", ["EXAMPLES"]),
            _ => end.control("PP", []),
        };
        end.text([roman(format!("{}:", example.purpose))]);
        end.control("PP", []).control("RS", []).control("nf", []);
        end.text([bold(example.command)]);
        end.control("fi", []).control("RE", []);
    }
    end.control("SH", ["SEE ALSO"]);
    let named: Vec<String> = see.iter().map(|name| format!("{name}(1)")).collect();
    end.text([roman(named.join(", "))]);
    page.push_str(&end.to_roff());
    page
}

/// An option whose values are told in its own sentence: clap's list of them is no clean roff.
fn spelled(argument: Arg) -> Arg {
    let values = argument.get_possible_values();
    if values.is_empty() || !argument.get_action().takes_values() {
        return argument;
    }
    let words = |value: &PossibleValue| match value.get_help() {
        Some(help) => format!("{} ({})", value.get_name(), help.to_string().trim_end_matches('.')),
        None => value.get_name().to_owned(),
    };
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let values = values.iter().map(words).collect::<Vec<_>>().join(", ");
    argument.hide_possible_values(true).long_help(format!("{help}. One of: {values}"))
}

fn exit_status() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for exit in Exit::ALL {
        roff.control("TP", []);
        roff.text([bold(exit.code().to_string())]);
        roff.text([roman(exit.meaning())]);
    }
    roff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_are_of_this_version() {
        assert_eq!(DATED.0, env!("CARGO_PKG_VERSION"), "a new version has a new day");
    }

    #[test]
    fn values_are_told_in_a_sentence() {
        let (_, page) = pages().into_iter().find(|(name, _)| name == "sidestep-rehearse.1").expect("a page");
        assert!(page.contains("One of: none (Nothing), crashes (The process"), "{page}");
        assert!(!page.contains("Possible values"), "{page}");
    }

    #[test]
    fn every_verb_has_a_page_with_its_options_and_examples() {
        let pages = pages();
        for verb in help::command().get_subcommands() {
            let (_, page) = pages.iter().find(|(name, _)| *name == format!("sidestep-{}.1", verb.get_name())).expect("a page");
            assert!(page.contains(r"\-\-state") && page.contains(".SH EXAMPLES"), "{page}");
        }
        assert_eq!(pages[0].0, "sidestep.1");
        assert!(pages[0].1.contains("held by another"), "{}", pages[0].1);
        assert!(!pages.iter().any(|(_, page)| page.contains(".SH EXTRA")));
    }
}
