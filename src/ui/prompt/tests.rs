use std::io;

use super::*;
use crate::ui::Style;
use crate::ui::fixtures;

/// What there is to choose when a wait of a run that goes forward fails.
const ALL: Offers = Offers { wait: true, log: true, forward: true, onto_newest: false, skip: false };

fn style() -> Style {
    Style { width: 80, ..Style::plain() }
}

/// A dialog that plays back its answers and writes down what was shown.
#[derive(Default)]
struct Played {
    yes: Option<bool>,
    typed: &'static str,
    /// The terminal is gone: every question fails.
    gone: bool,
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
    fn line(&mut self, question: &str) -> io::Result<String> {
        self.show(&format!("? {question}"));
        self.answer(self.typed.to_owned())
    }
}

fn over(played: Played) -> Questions<Played> {
    Questions::over(played, style())
}

/// What a question shows.
fn shows<T>(ask: impl FnOnce(&mut Questions<Played>) -> T) -> String {
    let shown: std::sync::Arc<std::sync::Mutex<String>> = std::sync::Arc::default();
    ask(&mut over(Played { shown: std::sync::Arc::clone(&shown), ..Played::default() }));
    shown.lock().expect("not poisoned").trim().to_owned()
}

fn trouble() -> Trouble {
    Trouble {
        headline: "stage 5/6 `retarget-api-env` stopped: the rollout failed".to_owned(),
        causes: fixtures::rollout_failure().causes,
        likely: Some("the image's name or tag does not exist".to_owned()),
        serving: vec!["nexus-ai-api-staging: 2 of 2 tasks run, 4 of 4 targets healthy".to_owned()],
        spans: "they go where they went before the run: no sender was changed".to_owned(),
        next: "ECS goes on with the rollout of `nexus-ai-api-staging` by itself".to_owned(),
        state: "stages 1-4 done, stage 5 (retarget-api-env) not done".to_owned(),
    }
}

#[test]
fn every_question_says_where_and_as_whom() {
    let plan = fixtures::plan();
    let step = plan.stages[4].waves[0].lanes[0].steps[3].clone();
    let questions = [
        shows(|ask| ask.confirm_start(&plan)),
        shows(|ask| ask.confirm_amended(&plan)),
        shows(|ask| ask.confirm_rollback(&plan)),
        stage(&plan.stages[5], &plan, &style()).render(&style()),
        held(&plan, &step, "no span arrived", &style()).render(&style()),
        failure(&plan, &trouble(), ALL, &style()).render(&style()),
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
    insta::assert_snapshot!(stage(&plan.stages[5], &plan, &style()).render(&style()), @r#"

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
    Start stage strip-sidecar in staging?
      1  start it
      2  pause before it
      from another terminal: `sidestep resume r7k2`
    Type a number and Enter; Enter alone is 2.
    "#);
}

#[test]
fn a_held_step() {
    let plan = fixtures::plan();
    let step = plan.stages[4].waves[0].lanes[0].steps[3].clone();
    let asked = held(&plan, &step, "no span reached Jaeger within 2 minutes", &style()).render(&style());
    insta::assert_snapshot!(asked.lines().skip(7).collect::<Vec<_>>().join("\n"), @r#"
      no span reached Jaeger within 2 minutes
    A person must decide: check that spans arrive
      1  go on all the same (journaled with your name)
      2  look again
      3  roll back what was done
      4  pause, to decide later
      from another terminal: `sidestep approve r7k2 --comment "…"`
    Type a number and Enter; Enter alone is 4.
    "#);
}

#[test]
fn a_stage_that_wants_an_approval() {
    let plan = fixtures::plan();
    let mut step = plan.stages[4].waves[0].lanes[0].steps[3].clone();
    (step.action, step.title) = (crate::model::GATE_APPROVE.to_owned(), "approval of strip-sidecar".to_owned());
    let asked = held(&plan, &step, "Have you seen the traces?", &style()).render(&style());
    insta::assert_snapshot!(asked.lines().skip(7).collect::<Vec<_>>().join("\n"), @r#"
      Have you seen the traces?
    approval of strip-sidecar, in staging
      1  approve it (journaled with your name)
      2  roll back what was done
      3  pause, to decide later
      from another terminal: `sidestep approve r7k2 --comment "…"`
    Type a number and Enter; Enter alone is 3.
    "#);
}

#[test]
fn a_failure() {
    let plan = fixtures::plan();
    let asked = failure(&plan, &trouble(), ALL, &style()).render(&style());
    insta::assert_snapshot!(asked.lines().skip(7).collect::<Vec<_>>().join("\n"), @r"
    stage 5/6 `retarget-api-env` stopped: the rollout failed
      Caused by: deployment ecs-svc/0412 was rolled back by the circuit breaker
      Caused by: 3 tasks stopped: CannotPullContainerError
      likely    the image's name or tag does not exist
      serving   nexus-ai-api-staging: 2 of 2 tasks run, 4 of 4 targets healthy
      spans     they go where they went before the run: no sender was changed
      AWS       ECS goes on with the rollout of `nexus-ai-api-staging` by itself
      state     stages 1-4 done, stage 5 (retarget-api-env) not done
    What now?
      1  keep waiting, with a new deadline
      2  try the step again
      3  change a variable, and plan what is left anew (shown before it begins)
      4  show the last log lines
      5  roll back what was done
      6  pause, to go on later
    Type a number and Enter; Enter alone is 6.
    ");
    let offered =
        |offers| failure(&plan, &trouble(), offers, &style()).answers.into_iter().map(|(choice, _)| choice).collect::<Vec<_>>();
    use FailureChoice as C;
    assert_eq!(offered(Offers { onto_newest: true, ..Offers::default() }), [C::Retry, C::OntoNewest, C::Pause]);
    assert_eq!(offered(Offers { skip: true, ..Offers::default() }), [C::Retry, C::Skip, C::Abandon, C::Pause]);
}

#[test]
fn the_cautious_answer_of_every_menu_changes_nothing() {
    let plan = fixtures::plan();
    let step = plan.stages[4].waves[0].lanes[0].steps[3].clone();
    assert!(matches!(stage(&plan.stages[5], &plan, &style()).pick(""), Picked::Answer(false, _)));
    assert!(matches!(held(&plan, &step, "why", &style()).pick("\n"), Picked::Answer(HeldChoice::Pause, _)));
    assert!(matches!(failure(&plan, &trouble(), ALL, &style()).pick(" "), Picked::Answer(FailureChoice::Pause, _)));
}

#[test]
fn answers_are_taken_as_given() {
    let plan = fixtures::plan();
    assert!(over(Played { yes: Some(true), ..Played::default() }).confirm_start(&plan));
    assert!(!over(Played { yes: Some(false), ..Played::default() }).confirm_start(&plan));
}

#[test]
fn in_production_a_yes_is_not_enough() {
    for environment in ["prod", "production", "Production"] {
        let mut plan = fixtures::plan();
        environment.clone_into(&mut plan.target.environment);
        let started = |typed| over(Played { yes: Some(true), typed, ..Played::default() }).confirm_start(&plan);
        assert!(!started("yes") && !started("") && !started("staging"), "{environment}");
        assert_eq!(started("prod"), environment == "prod");
        assert!(started(environment));
        let amended = |typed| over(Played { yes: Some(true), typed, ..Played::default() }).confirm_amended(&plan);
        assert!(!amended("yes") && amended(environment), "{environment}");
    }
}

#[test]
fn escape_and_a_closed_terminal_are_the_cautious_answer() {
    let plan = fixtures::plan();
    for gone in [false, true] {
        // Gone: an answer was on its way and never came.
        let mut ask = over(Played { gone, yes: gone.then_some(true), ..Played::default() });
        assert!(!ask.confirm_start(&plan));
        assert!(!ask.confirm_amended(&plan));
        assert!(!ask.confirm_rollback(&plan));
        assert!(!ask.confirm_take_over(&plan.run, "bob@bastion"));
    }
}

#[test]
fn a_real_dialog_without_a_terminal_is_cautious_too() {
    // Tests run without a terminal on stderr, or with one on which nobody types: only the former is asked here.
    if dialoguer::console::Term::stderr().is_term() {
        return;
    }
    assert!(!Terminal::new(Style::plain()).confirm_start(&fixtures::plan()));
}
