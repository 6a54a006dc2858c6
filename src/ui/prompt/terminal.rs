//! The questions in words, and dialoguer under them.

use std::io;

use dialoguer::console::Term;
use dialoguer::theme::{ColorfulTheme, SimpleTheme, Theme};
use dialoguer::{Confirm, Input, Select};

use super::{Ask, FailureChoice, HeldChoice, Offers};
use crate::model::{Plan, StagePlan, StepPlan};
use crate::ui::plan_view::{changes, place};
use crate::ui::style::{Style, Tone};
use crate::ui::text;

/// What a terminal can do for a question. An error, and `None` (Escape), are no answer.
pub trait Dialog: Send {
    /// Writes text above the question.
    fn say(&mut self, words: &str);
    /// Yes or no; Enter alone is no.
    ///
    /// # Errors
    /// When the terminal is gone.
    fn yes(&mut self, question: &str) -> io::Result<Option<bool>>;
    /// One of several, by number; Enter alone is `default`.
    ///
    /// # Errors
    /// When the terminal is gone.
    fn choose(&mut self, question: &str, items: &[String], default: usize) -> io::Result<Option<usize>>;
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

    /// One of the offers; no answer is the last one, which is always the cautious one.
    fn choose<T: Clone>(&mut self, question: &str, offers: &[(T, String)], cautious: T) -> T {
        // dialoguer clears one line per item: none may wrap.
        let width = self.style.width.saturating_sub(4);
        let items: Vec<String> = offers.iter().map(|(_, words)| text::shorten(words, width, &self.style)).collect();
        match self.dialog.choose(question, &items, items.len().saturating_sub(1)) {
            Ok(Some(at)) => offers.get(at).map_or(cautious, |(choice, _)| choice.clone()),
            Ok(None) | Err(_) => cautious,
        }
    }

    fn say(&mut self, words: &str) {
        self.dialog.say(words);
    }

    fn warning(&self, words: &str) -> String {
        let first = format!("  {} ", self.style.paint(Tone::Warn, "warning:"));
        text::wrap(&text::clean(words), self.style.width, &first, 4)
    }
}

impl<D: Dialog> Ask for Questions<D> {
    fn confirm_start(&mut self, plan: &Plan) -> bool {
        self.say(&format!("\n{}", place(plan, &self.style)));
        self.yes(&format!("Start run {} in {}?", plan.run, text::clean(&plan.target.environment)))
    }

    fn confirm_stage(&mut self, stage: &StagePlan, plan: &Plan) -> bool {
        let mut words = format!("\n{}", place(plan, &self.style));
        for change in changes(stage, &self.style) {
            words.push('\n');
            words.push_str(&change);
        }
        for warning in &stage.warnings {
            words.push('\n');
            words.push_str(&self.warning(warning));
        }
        self.say(&words);
        self.yes(&format!("Start stage {} in {}?", stage.id, text::clean(&plan.target.environment)))
    }

    fn approve_held(&mut self, plan: &Plan, step: &StepPlan, result: &str, why: &str) -> HeldChoice {
        let held = format!("{}: held ({}): {}", text::clean(&step.title), text::clean(result), text::clean(why));
        self.say(&format!("\n{}\n{}", place(plan, &self.style), text::wrap(&held, self.style.width, "", 2)));
        let offers = [
            (HeldChoice::Approve(String::new()), "go on all the same (journaled with your name)".to_owned()),
            (HeldChoice::RollBack, "roll back what was done".to_owned()),
            (HeldChoice::Pause, "pause, to decide later".to_owned()),
        ];
        match self.choose("A person must decide", &offers, HeldChoice::Pause) {
            HeldChoice::Approve(_) => match self.dialog.line("Why is it safe to go on?") {
                Ok(comment) => HeldChoice::Approve(text::clean(&comment)),
                Err(_) => HeldChoice::Pause,
            },
            other => other,
        }
    }

    fn on_failure(&mut self, plan: &Plan, headline: &str, causes: &[String], offered: Offers) -> FailureChoice {
        let mut words = format!("\n{}\n{}", place(plan, &self.style), text::wrap(&text::clean(headline), self.style.width, "", 2));
        for cause in causes {
            words.push('\n');
            words.push_str(&text::wrap(&text::clean(cause), self.style.width, "  Caused by: ", 4));
        }
        self.say(&words);
        let mut offers = vec![
            (FailureChoice::KeepWaiting, "keep waiting, with a new deadline".to_owned()),
            (FailureChoice::Retry, "try the step again".to_owned()),
            (FailureChoice::ShowLog, "show the last log lines".to_owned()),
            (FailureChoice::RollBack, "roll back what was done".to_owned()),
            (FailureChoice::OntoNewest, "take only this run's changes back, on what was deployed since".to_owned()),
            (FailureChoice::Skip(String::new()), "leave this as it is and undo the rest (journaled with your name)".to_owned()),
            (FailureChoice::Abandon(String::new()), "give the run up as it stands (journaled with your name)".to_owned()),
            (FailureChoice::Pause, "pause, to go on later".to_owned()),
        ];
        offers.retain(|(choice, _)| offered.allow(choice));
        // A decision without a reason is none.
        let reason = |asked: io::Result<String>| asked.ok().map(|line| text::clean(&line)).filter(|line| !line.is_empty());
        match self.choose("What now?", &offers, FailureChoice::Pause) {
            FailureChoice::Skip(_) => {
                reason(self.dialog.line("Why may it stay?")).map_or(FailureChoice::Pause, FailureChoice::Skip)
            }
            FailureChoice::Abandon(_) => {
                reason(self.dialog.line("Why is the run given up?")).map_or(FailureChoice::Pause, FailureChoice::Abandon)
            }
            other => other,
        }
    }

    fn confirm_rollback(&mut self, plan: &Plan) -> bool {
        self.say(&format!("\n{}", place(plan, &self.style)));
        self.yes(&format!("Roll back run {} in {}?", plan.run, text::clean(&plan.target.environment)))
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

    fn choose(&mut self, question: &str, items: &[String], default: usize) -> io::Result<Option<usize>> {
        self.forget_keys();
        let select = Select::with_theme(&*self.theme).with_prompt(question).items(items).default(default);
        self.restore(select.interact_on_opt(&self.term))
    }

    fn line(&mut self, question: &str) -> io::Result<String> {
        let input = Input::<String>::with_theme(&*self.theme).with_prompt(question).allow_empty(true);
        self.restore(input.interact_text_on(&self.term))
    }
}
