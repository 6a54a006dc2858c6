//! Every text is there, and every example is one that the parser takes.

use clap::FromArgMatches as _;

use super::*;

/// The words of a command line as a shell splits it, up to a pipe or a redirection.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for letter in line.chars() {
        match (letter, quote) {
            (_, Some(open)) if letter == open => quote = None,
            ('\'' | '"', None) => {
                word.get_or_insert_default();
                quote = Some(letter);
            }
            (' ', None) => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    assert!(quote.is_none(), "an open quote: {line}");
    words.extend(word);
    words.into_iter().take_while(|word| word != "|" && word != ">").collect()
}

#[test]
fn a_line_is_split_as_a_shell_splits_it() {
    assert_eq!(words("a 'b c' --d=\"e 'f'\" '' | g"), ["a", "b c", "--d=e 'f'", ""]);
}

#[test]
fn every_verb_has_a_text_and_no_text_lacks_its_verb() {
    let command = command();
    let verbs: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
    let told: Vec<&str> = texts::TEXTS.iter().map(|text| text.verb).collect();
    assert_eq!(verbs, told, "src/cli/help/texts.rs is in the order of the grammar");
    assert!(texts::TEXTS.iter().all(|text| !text.paragraphs.is_empty() && !text.examples.is_empty()));
}

#[test]
fn every_example_is_a_command_of_its_verb() {
    for text in texts::TEXTS {
        for example in text.examples {
            let words = words(example.command);
            assert_eq!(words[..2], ["sidestep".to_owned(), text.verb.to_owned()], "{}", example.command);
            let parsed = command().try_get_matches_from(&words).and_then(|matches| Cli::from_arg_matches(&matches));
            parsed.unwrap_or_else(|error| panic!("{}: {error}", example.command));
            assert!(!example.purpose.ends_with('.'), "{}", example.purpose);
        }
    }
}

/// `INSTA_UPDATE=always cargo test --lib cli::help` writes them anew.
#[test]
fn what_help_says() {
    let mut command = command().term_width(100);
    command.build();
    insta::assert_snapshot!("sidestep", command.render_long_help().to_string());
    for verb in command.get_subcommands_mut() {
        insta::assert_snapshot!(verb.get_name().to_owned(), verb.render_long_help().to_string());
    }
}

#[test]
fn no_help_goes_beyond_the_usual_width() {
    for verb in command().get_subcommands_mut() {
        let help = verb.clone().term_width(100).render_long_help().to_string();
        let wide: Vec<&str> = help.lines().filter(|line| line.chars().count() > 120).collect();
        assert!(wide.is_empty(), "{}: {wide:#?}", verb.get_name());
    }
}

#[test]
fn files_are_completed_where_a_file_is_meant() {
    let mut command = command();
    command.build();
    let hint = |verb: &str, id: &str| {
        let verb = command.find_subcommand(verb).expect("a verb");
        verb.get_arguments().find(|argument| argument.get_id() == id).expect("an argument").get_value_hint()
    };
    assert_eq!(hint("plan", "runbook"), ValueHint::AnyPath);
    assert_eq!(hint("plan", "var_files"), ValueHint::FilePath);
    assert_eq!(hint("status", "state"), ValueHint::DirPath);
    assert_eq!(hint("status", "run"), ValueHint::Other);
    assert_eq!(hint("status", "profile"), ValueHint::Other);
}
