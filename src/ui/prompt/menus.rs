//! The questions of a run under way, each as a [`Menu`].

use super::menu::Menu;
use crate::model::{Plan, StagePlan, StepPlan};
use crate::ui::plan_view::{changes, place};
use crate::ui::style::{Style, Tone};
use crate::ui::text;

/// What becomes of a step that is held for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldChoice {
    /// Go on all the same; a comment is asked for, and journaled.
    Approve,
    /// Look once more.
    Again,
    /// Undo what was done.
    RollBack,
    /// Leave it as it is.
    Pause,
}

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureChoice {
    /// Give the wait another deadline.
    KeepWaiting,
    /// Do the step again.
    Retry,
    /// Change variables and plan what is left anew.
    Amend,
    /// Undo what was done.
    RollBack,
    /// Take only the run's own changes back, on what others have deployed since; shown before it begins.
    OntoNewest,
    /// Pass the step over: what it would have undone stays. A reason is asked for.
    Skip,
    /// Give the run up as it stands. A reason is asked for.
    Abandon,
    /// Show the last log lines, then ask again.
    ShowLog,
    /// Leave it as it is.
    Pause,
}

/// Which of the choices about a failure there are, beside those that there always are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offers {
    /// [`FailureChoice::KeepWaiting`]: the failure is a wait that can still come to a good end.
    pub wait: bool,
    /// [`FailureChoice::ShowLog`]: there are log lines to show.
    pub log: bool,
    /// [`FailureChoice::RollBack`] and [`FailureChoice::Amend`]: the run goes forward.
    pub forward: bool,
    /// [`FailureChoice::OntoNewest`]: the way back met what somebody else deployed.
    pub onto_newest: bool,
    /// [`FailureChoice::Skip`] and [`FailureChoice::Abandon`]: the run goes back.
    pub skip: bool,
}

impl Offers {
    fn allow(self, choice: FailureChoice) -> bool {
        match choice {
            FailureChoice::KeepWaiting => self.wait,
            FailureChoice::RollBack | FailureChoice::Amend => self.forward,
            FailureChoice::OntoNewest => self.onto_newest,
            FailureChoice::Skip | FailureChoice::Abandon => self.skip,
            FailureChoice::ShowLog => self.log,
            FailureChoice::Retry | FailureChoice::Pause => true,
        }
    }
}

/// What is known about a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// What failed.
    pub headline: String,
    /// Why, as AWS said it.
    pub causes: Vec<String>,
    /// What most likely lies behind it.
    pub likely: Option<String>,
    /// Whether the services serve, one line each, as AWS shows them now.
    pub serving: Vec<String>,
    /// Where spans go.
    pub spans: String,
    /// What AWS does next if nothing is done.
    pub next: String,
    /// What is done and what is not.
    pub state: String,
}

/// Whether to start a stage that is confirmed by itself.
pub fn stage(stage: &StagePlan, plan: &Plan, style: &Style) -> Menu<bool> {
    let mut above = place(plan, style);
    for change in changes(stage, style) {
        above.push('\n');
        above.push_str(&change);
    }
    for warning in &stage.warnings {
        let first = format!("  {} ", style.paint(Tone::Warn, "warning:"));
        above.push('\n');
        above.push_str(&text::wrap(&text::clean(warning), style.width, &first, 4));
    }
    Menu {
        above,
        question: format!("Start stage {} in {}?", stage.id, plan.target.environment),
        answers: vec![(true, "start it".to_owned()), (false, "pause before it".to_owned())],
        elsewhere: Some(format!("sidestep resume {}", plan.run)),
    }
}

/// What becomes of a step that cannot open the way by itself, or of a stage that wants an approval.
pub fn held(plan: &Plan, step: &StepPlan, why: &str, style: &Style) -> Menu<HeldChoice> {
    let said = text::wrap(&text::clean(why), style.width, "  ", 2);
    let title = text::clean(&step.title);
    let (question, approve, again) = match step.is_gate() {
        true => (format!("{title}, in {}", plan.target.environment), "approve it (journaled with your name)", None),
        false => {
            let again = Some((HeldChoice::Again, "look again".to_owned()));
            (format!("A person must decide: {title}"), "go on all the same (journaled with your name)", again)
        }
    };
    let mut answers = vec![(HeldChoice::Approve, approve.to_owned())];
    answers.extend(again);
    answers.push((HeldChoice::RollBack, "roll back what was done".to_owned()));
    answers.push((HeldChoice::Pause, "pause, to decide later".to_owned()));
    Menu {
        above: format!("{}\n{said}", place(plan, style)),
        question,
        answers,
        elsewhere: Some(format!("sidestep approve {} --comment \"…\"", plan.run)),
    }
}

/// What to do about a failure.
pub fn failure(plan: &Plan, trouble: &Trouble, offered: Offers, style: &Style) -> Menu<FailureChoice> {
    let mut above =
        vec![place(plan, style), style.paint(Tone::Bad, &text::wrap(&text::clean(&trouble.headline), style.width, "", 2))];
    above.extend(trouble.causes.iter().map(|cause| text::wrap(&text::clean(cause), style.width, "  Caused by: ", 4)));
    let mut row = |name: &str, words: &str| {
        if !words.is_empty() {
            above.push(text::wrap(&text::clean(words), style.width, &format!("  {} ", text::pad(name, 9)), 12));
        }
    };
    row("likely", trouble.likely.as_deref().unwrap_or_default());
    trouble.serving.iter().for_each(|line| row("serving", line));
    row("spans", &trouble.spans);
    row("AWS", &trouble.next);
    row("state", &trouble.state);
    let mut answers = vec![
        (FailureChoice::KeepWaiting, "keep waiting, with a new deadline".to_owned()),
        (FailureChoice::Retry, "try the step again".to_owned()),
        (FailureChoice::Amend, "change a variable, and plan what is left anew (shown before it begins)".to_owned()),
        (FailureChoice::ShowLog, "show the last log lines".to_owned()),
        (FailureChoice::RollBack, "roll back what was done".to_owned()),
        (FailureChoice::OntoNewest, "take only this run's changes back, on what was deployed since".to_owned()),
        (FailureChoice::Skip, "leave this as it is and undo the rest (journaled with your name)".to_owned()),
        (FailureChoice::Abandon, "give the run up as it stands (journaled with your name)".to_owned()),
        (FailureChoice::Pause, "pause, to go on later".to_owned()),
    ];
    answers.retain(|(choice, _)| offered.allow(*choice));
    Menu { above: above.join("\n"), question: "What now?".to_owned(), answers, elsewhere: None }
}
