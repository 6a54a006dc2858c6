//! The questions in words, and dialoguer under them.

use std::io;

use dialoguer::console::Term;
use dialoguer::theme::{ColorfulTheme, SimpleTheme, Theme};
use dialoguer::{Confirm, Input};

use super::Ask;
use crate::model::{Plan, RunId};
use crate::ui::plan_view::place;
use crate::ui::style::Style;
use crate::ui::text;

/// Whether an environment is one in which the operator types its name.
pub fn is_production(environment: &str) -> bool {
    ["prod", "production"].iter().any(|name| environment.eq_ignore_ascii_case(name))
}

/// What a terminal can do for a question. An error, and `None` (Escape), are no answer.
pub trait Dialog: Send {
    /// Writes text above the question.
    fn say(&mut self, words: &str);
    /// Yes or no; Enter alone is no.
    ///
    /// # Errors
    /// When the terminal is gone.
    fn yes(&mut self, question: &str) -> io::Result<Option<bool>>;
    /// A line of text, possibly empty.
    ///
    /// # Errors
    /// When the terminal is gone.
    fn line(&mut self, question: &str) -> io::Result<String>;
}

/// Asks over a dialog.
pub struct Questions<D> {
    dialog: D,
    style: Style,
}

/// Asks at the process's terminal.
pub type Terminal = Questions<Dialoguer>;

/// dialoguer on stderr.
pub struct Dialoguer {
    term: Term,
    theme: Box<dyn Theme + Send>,
}

impl Terminal {
    /// On stderr, which must be a terminal, as must stdin.
    pub fn new(style: Style) -> Self {
        // The coloured theme also uses signs beyond ASCII.
        let theme: Box<dyn Theme + Send> =
            if style.colour && style.unicode { Box::new(ColorfulTheme::default()) } else { Box::new(SimpleTheme) };
        Self { dialog: Dialoguer { term: Term::stderr(), theme }, style }
    }
}

impl<D: Dialog> Questions<D> {
    /// Over any dialog.
    pub fn over(dialog: D, style: Style) -> Self {
        Self { dialog, style }
    }

    fn yes(&mut self, question: &str) -> bool {
        matches!(self.dialog.yes(question), Ok(Some(true)))
    }

    fn say(&mut self, words: &str) {
        self.dialog.say(words);
    }

    /// Whether to do with a run what was shown: the words that begin a sentence, and the same within one.
    fn agree(&mut self, plan: &Plan, what: &str, within: &str) -> bool {
        self.say(&format!("\n{}", place(plan, &self.style)));
        let environment = text::clean(&plan.target.environment);
        if is_production(&environment) {
            // A yes is typed too easily where it matters most.
            let question = format!("To {within} run {} in {environment}, type the environment's name", plan.run);
            return self.dialog.line(&question).is_ok_and(|typed| typed.trim() == environment);
        }
        self.yes(&format!("{what} run {} in {environment}?", plan.run))
    }
}

impl<D: Dialog> Ask for Questions<D> {
    fn confirm_start(&mut self, plan: &Plan) -> bool {
        self.agree(plan, "Start", "start")
    }

    fn confirm_amended(&mut self, plan: &Plan) -> bool {
        self.agree(plan, "Go on by this plan with", "go on by this plan with")
    }

    fn confirm_rollback(&mut self, plan: &Plan) -> bool {
        self.say(&format!("\n{}", place(plan, &self.style)));
        self.yes(&format!("Roll back run {} in {}?", plan.run, text::clean(&plan.target.environment)))
    }

    fn confirm_take_over(&mut self, run: &RunId, holder: &str) -> bool {
        let holder = text::clean(holder);
        self.say(&format!(
            "\n{holder} holds run {run} and is not seen to be stopped. What it waits for is left; it changes nothing more."
        ));
        self.yes(&format!("Take run {run} from {holder}?"))
    }
}

impl Dialoguer {
    /// Throws away what was typed before the question was there: a key pressed minutes ago must not agree to anything.
    fn forget_keys(&self) {
        let _ = rustix::termios::tcflush(io::stdin(), rustix::termios::QueueSelector::IFlush);
    }

    /// dialoguer hides the cursor while it asks and does not bring it back when it fails.
    fn restore<T>(&self, result: dialoguer::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let _ = self.term.show_cursor();
            let dialoguer::Error::IO(error) = error;
            error
        })
    }
}

impl Dialog for Dialoguer {
    fn say(&mut self, words: &str) {
        let _ = self.term.write_line(words);
    }

    fn yes(&mut self, question: &str) -> io::Result<Option<bool>> {
        self.forget_keys();
        // The answer and Enter: a key pressed by mistake starts nothing.
        let confirm = Confirm::with_theme(&*self.theme).with_prompt(question).default(false).wait_for_newline(true);
        self.restore(confirm.interact_on_opt(&self.term))
    }

    fn line(&mut self, question: &str) -> io::Result<String> {
        self.forget_keys();
        let input = Input::<String>::with_theme(&*self.theme).with_prompt(question).allow_empty(true);
        self.restore(input.interact_text_on(&self.term))
    }
}
