use std::io;

use super::*;
use crate::ui::Style;
use crate::ui::fixtures;

/// What there is to choose when a wait of a run that goes forward fails.
const ALL: Offers = Offers { wait: true, log: true, roll_back: true, onto_newest: false, skip: false };

/// A dialog that plays back one answer and writes down what was shown.
#[derive(Default)]
struct Played {
    yes: Option<bool>,
    /// The beginning of the item to choose.
    pick: Option<&'static str>,
    comment: Option<String>,
    /// The terminal is gone: every question fails.
    gone: bool,
    /// It goes after the first question.
    goes: bool,
    shown: std::sync::Arc<std::sync::Mutex<String>>,
}

impl Played {
    fn show(&self, words: &str) {
        let mut shown = self.shown.lock().expect("not poisoned");
        shown.push_str(words);
        shown.push('\n');
    }

    fn answer<T>(&self, answer: T) -> io::Result<T> {
        if self.gone { Err(io::Error::from(io::ErrorKind::UnexpectedEof)) } else { Ok(answer) }
    }
}

impl Dialog for Played {
    fn say(&mut self, words: &str) {
        self.show(words);
    }
    fn yes(&mut self, question: &str) -> io::Result<Option<bool>> {
        self.show(&format!("? {question}"));
        self.answer(self.yes)
    }
    fn choose(&mut self, question: &str, items: &[String], default: usize) -> io::Result<Option<usize>> {
        self.show(&format!("? {question}"));
        for (at, item) in items.iter().enumerate() {
            self.show(&format!("  {} {item}", if at == default { '>' } else { ' ' }));
        }
        let answer = self.answer(self.pick.and_then(|pick| items.iter().position(|item| item.starts_with(pick))));
        self.gone |= self.goes;
        answer
    }
    fn line(&mut self, question: &str) -> io::Result<String> {
        self.show(&format!("? {question}"));
        self.answer(self.comment.clone().unwrap_or_default())
    }
}

fn over(played: Played) -> Questions<Played> {
    Questions::over(played, Style { width: 80, ..Style::plain() })
}

/// What a question shows.
fn shows<T>(ask: impl FnOnce(&mut Questions<Played>) -> T) -> String {
    let shown: std::sync::Arc<std::sync::Mutex<String>> = std::sync::Arc::default();
    ask(&mut over(Played { shown: std::sync::Arc::clone(&shown), ..Played::default() }));
    shown.lock().expect("not poisoned").trim().to_owned()
}

#[test]
fn every_question_says_where_and_as_whom() {
    let plan = fixtures::plan();
    let step = plan.stages[4].waves[0].lanes[0].steps[3].clone();
    let questions = [
        shows(|ask| ask.confirm_start(&plan)),
        shows(|ask| ask.confirm_stage(&plan.stages[5], &plan)),
        shows(|ask| ask.approve_held(&plan, &step, "none", "no span arrived")),
        shows(|ask| ask.on_failure(&plan, "it failed", &[], ALL)),
        shows(|ask| ask.confirm_rollback(&plan)),
    ];
    for question in questions {
        for known in ["111122223333", "us-west-2", "staging", "arn:aws:sts::111122223333:assumed-role/deployer/alice"] {
            assert!(question.contains(known), "{known} is missing in:\n{question}");
        }
    }
}

#[test]
fn a_stage_that_destroys_warns() {
    let plan = fixtures::plan();
    insta::assert_snapshot!(shows(|ask| ask.confirm_stage(&plan.stages[5], &plan)), @r#"
    environment  staging
      account      111122223333
      Region       us-west-2
      identity     arn:aws:sts::111122223333:assumed-role/deployer/alice
      cluster      nexus-ai-cluster-staging
      services     nexus-ai-api-staging
      ~ service nexus-ai-api-staging
          containerDefinitions[jaeger]:
              {"image":"jaegertracing/all-in-one:latest"}
            → (removed)
          loadBalancers[nexus-ai-jaeger-tg-staging]: "jaeger:16686" → (removed)
      warning: traces held in the sidecars' memory are lost when the sidecars go
    ? Start stage strip-sidecar in staging?
    "#);
}

#[test]
fn a_held_step() {
    let plan = fixtures::plan();
    let step = plan.stages[4].waves[0].lanes[0].steps[3].clone();
    let asked = shows(|ask| ask.approve_held(&plan, &step, "none", "no span reached Jaeger within 2 minutes"));
    insta::assert_snapshot!(asked.lines().skip(6).collect::<Vec<_>>().join("\n"), @r#"
    check that spans arrive: held (none): no span reached Jaeger within 2 minutes
    ? A person must decide
        go on all the same (journaled with your name)
        roll back what was done
      > pause, to decide later
    "#);
}

#[test]
fn a_failure() {
    let plan = fixtures::plan();
    let causes = fixtures::rollout_failure().causes;
    let asked = shows(|ask| ask.on_failure(&plan, "stage 5/6 `retarget-api-env` stopped", &causes, ALL));
    insta::assert_snapshot!(asked.lines().skip(6).collect::<Vec<_>>().join("\n"), @r#"
    stage 5/6 `retarget-api-env` stopped
      Caused by: deployment ecs-svc/0412 was rolled back by the circuit breaker
      Caused by: 3 tasks stopped: CannotPullContainerError
    ? What now?
        keep waiting, with a new deadline
        try the step again
        show the last log lines
        roll back what was done
      > pause, to go on later
    "#);
    let asked = shows(|ask| ask.on_failure(&plan, "it failed", &[], Offers { onto_newest: true, ..Offers::default() }));
    let offered: Vec<&str> = asked.lines().skip_while(|line| !line.starts_with("? ")).skip(1).map(str::trim).collect();
    assert_eq!(
        offered,
        ["try the step again", "take only this run's changes back, on what was deployed since", "> pause, to go on later",]
    );
}

#[test]
fn answers_are_taken_as_given() {
    let plan = fixtures::plan();
    let step = plan.stages[4].waves[0].lanes[0].steps[3].clone();
    assert!(over(Played { yes: Some(true), ..Played::default() }).confirm_start(&plan));
    assert!(!over(Played { yes: Some(false), ..Played::default() }).confirm_start(&plan));
    for (pick, choice) in [
        ("keep waiting", FailureChoice::KeepWaiting),
        ("try", FailureChoice::Retry),
        ("show", FailureChoice::ShowLog),
        ("roll back", FailureChoice::RollBack),
        ("pause", FailureChoice::Pause),
    ] {
        let mut ask = over(Played { pick: Some(pick), ..Played::default() });
        assert_eq!(ask.on_failure(&plan, "it failed", &[], ALL), choice);
    }
    let back = Offers { skip: true, ..Offers::default() };
    for (pick, choice) in
        [("leave this", FailureChoice::Skip("theirs".to_owned())), ("give the run up", FailureChoice::Abandon("theirs".to_owned()))]
    {
        let mut ask = over(Played { pick: Some(pick), comment: Some(" theirs\n".to_owned()), ..Played::default() });
        assert_eq!(ask.on_failure(&plan, "it failed", &[], back), choice);
        // Without a reason it is no decision.
        let mut ask = over(Played { pick: Some(pick), comment: Some("  ".to_owned()), ..Played::default() });
        assert_eq!(ask.on_failure(&plan, "it failed", &[], back), FailureChoice::Pause);
    }
    let mut ask = over(Played { pick: Some("take only"), ..Played::default() });
    let offers = Offers { onto_newest: true, ..Offers::default() };
    assert_eq!(ask.on_failure(&plan, "it failed", &[], offers), FailureChoice::OntoNewest);
    for (pick, choice) in [
        ("go on", HeldChoice::Approve("night, no traffic".to_owned())),
        ("roll back", HeldChoice::RollBack),
        ("pause", HeldChoice::Pause),
    ] {
        let comment = Some("  night,\nno traffic ".to_owned());
        let mut ask = over(Played { pick: Some(pick), comment, ..Played::default() });
        assert_eq!(ask.approve_held(&plan, &step, "none", "no span"), choice);
    }
}

#[test]
fn escape_and_a_closed_terminal_are_the_cautious_answer() {
    let plan = fixtures::plan();
    let step = plan.stages[4].waves[0].lanes[0].steps[3].clone();
    for gone in [false, true] {
        // Gone: an answer was on its way and never came.
        let mut ask = over(Played { gone, yes: gone.then_some(true), pick: gone.then_some("roll back"), ..Played::default() });
        assert!(!ask.confirm_start(&plan));
        assert!(!ask.confirm_stage(&plan.stages[5], &plan));
        assert!(!ask.confirm_rollback(&plan));
        assert_eq!(ask.on_failure(&plan, "it failed", &[], ALL), FailureChoice::Pause);
        assert_eq!(ask.approve_held(&plan, &step, "none", "no span"), HeldChoice::Pause);
    }
    let mut ask = over(Played { pick: Some("go on"), goes: true, ..Played::default() });
    assert_eq!(ask.approve_held(&plan, &step, "none", "no span"), HeldChoice::Pause, "gone while the reason was asked for");
}

#[test]
fn a_real_dialog_without_a_terminal_is_cautious_too() {
    // Tests run without a terminal on stderr, or with one on which nobody types: only the former is asked here.
    if dialoguer::console::Term::stderr().is_term() {
        return;
    }
    let plan = fixtures::plan();
    let mut ask = Terminal::new(Style::plain());
    assert!(!ask.confirm_start(&plan));
    assert_eq!(ask.on_failure(&plan, "it failed", &[], ALL), FailureChoice::Pause);
}

#[test]
fn a_script_plays_its_answers_and_then_says_no() {
    let plan = fixtures::plan();
    let step = plan.stages[4].waves[0].lanes[0].steps[3].clone();
    let mut script = Scripted { yes: [true].into(), failures: [FailureChoice::Retry].into(), ..Scripted::default() };
    assert!(script.confirm_start(&plan));
    assert!(!script.confirm_stage(&plan.stages[5], &plan));
    assert_eq!(script.on_failure(&plan, "it failed", &[], ALL), FailureChoice::Retry);
    assert_eq!(script.on_failure(&plan, "again", &[], ALL), FailureChoice::Pause);
    assert_eq!(script.approve_held(&plan, &step, "none", "no span"), HeldChoice::Pause);
    assert!(!script.confirm_rollback(&plan));
    assert_eq!(
        script.asked,
        [
            "start",
            "stage strip-sidecar",
            "failure it failed",
            "failure again",
            "held retarget-api-env/nexus-ai-api-staging/spans none",
            "rollback"
        ]
    );
}
