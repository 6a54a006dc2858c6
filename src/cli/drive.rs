//! Drives a run that this process holds: the engine, call after call, with the operator's answers in between.
//!
//! ```text
//!   engine ─ Complete ──────────▶ the end is journaled
//!          ─ BeforeStage ───────▶ asked, or paused
//!          ─ Held ──────────────▶ asked (approve, pause, roll back), or paused
//!          ─ Failed ────────────▶ asked (wait, retry, roll back, pause), or stopped
//!          ─ RollbackAsked ─────▶ the way back is planned and run, in the same journal
//! ```

use std::collections::BTreeSet;

use serde_json::Value;
use tokio::sync::mpsc;

use super::context::Context;
use super::screen::Screen;
use super::standing::{lane_by_lane, name_stage, standing, when_over};
use crate::aws::Aws;
use crate::engine::{Control, Ending, Engine, StageStop, while_held};
use crate::journal::{OpenRun, Store as _};
use crate::model::{
    Actor, Adoption, Direction, Error, Event, Exit, Extent, Failure, FailureKind, Outcome, Plan, RecordBody, RunView, StageId,
    StepId, StepPlan,
};
use crate::plan::inventory;
use crate::session;
use crate::stages::steps::{last_log_lines, logged_service};
use crate::ui::prompt::{FailureChoice, HeldChoice, Offers};
use crate::ui::{Ask, advice, plan_view, progress_lines};

/// Who else hears of each event, after it is shown.
type Also<'a> = Box<dyn Fn(&RunView, &Event) + 'a>;

/// A run under way in this process.
pub struct Drive<'a> {
    pub context: &'a Context,
    pub aws: &'a Aws,
    pub open: OpenRun,
    pub screen: &'a Screen<'a>,
    pub ask: Option<Box<dyn Ask>>,
    pub by: Actor,
    pub control: mpsc::UnboundedReceiver<Control>,
    /// Called with each event after it is shown.
    pub also: Also<'a>,
    confirmed: BTreeSet<StageId>,
    /// Whether steps that were done are looked at again when the engine begins: not when the operator only keeps waiting.
    revisit: bool,
    /// Whether the operator began this way back at a prompt of a forward run.
    turned: bool,
}

/// What to do after an ending.
enum Next {
    Again,
    Over(Exit),
    Stop(Error),
}

impl<'a> Drive<'a> {
    /// A drive over a run that was just created or taken up.
    pub fn new(
        context: &'a Context,
        aws: &'a Aws,
        open: OpenRun,
        screen: &'a Screen<'a>,
        ask: Option<Box<dyn Ask>>,
        by: Actor,
        control: mpsc::UnboundedReceiver<Control>,
    ) -> Self {
        let also: Also<'a> = Box::new(|_, _| {});
        Self { context, aws, open, screen, ask, by, control, also, confirmed: BTreeSet::new(), revisit: true, turned: false }
    }

    /// Runs until there is nothing more to do here. The run is left in order, also when this gives an error; the view is the
    /// run as it stands then.
    pub async fn run(mut self) -> (Result<Exit, Error>, RunView) {
        let result = self.until_over().await;
        self.screen.finish();
        let view = self.open.view().clone();
        let why = match &result {
            Ok(_) => "done".to_owned(),
            Err(error) => error.to_string(),
        };
        let now = self.aws.clock.now();
        // A journal that could not be written cannot be closed either; the first error is the one to tell.
        let closed = self.open.close_after(&why, self.aws.calls_made(), now);
        let result = result.and_then(|exit| closed.map(|()| exit));
        (result.map_err(|error| stopped_at(self.context, error, &view)), view)
    }

    /// Adopts the way back, as it was agreed to, and runs it.
    pub async fn roll_back(mut self, plan: Plan, extent: Extent, by: Actor) -> (Result<Exit, Error>, RunView) {
        match self.append(vec![session::turned_back(plan, extent, by)]) {
            Ok(()) => self.run().await,
            Err(error) => self.leave(error),
        }
    }

    /// Leaves the run in order, with an error.
    pub fn leave(self, error: Error) -> (Result<Exit, Error>, RunView) {
        self.screen.finish();
        let view = self.open.view().clone();
        let closed = self.open.close_after(&error.to_string(), self.aws.calls_made(), self.aws.clock.now());
        (closed.and(Err(error)).map_err(|error| stopped_at(self.context, error, &view)), view)
    }

    /// Leaves the run in order: nothing was done.
    pub fn leave_quietly(self) -> (Result<Exit, Error>, RunView) {
        self.screen.finish();
        let view = self.open.view().clone();
        let closed = self.open.close_after("nothing was done", self.aws.calls_made(), self.aws.clock.now());
        (closed.map(|()| Exit::Done).map_err(|error| stopped_at(self.context, error, &view)), view)
    }

    async fn until_over(&mut self) -> Result<Exit, Error> {
        loop {
            let ending = self.engine().await?;
            self.revisit = true;
            let next = match ending {
                Ending::Complete => self.complete()?,
                Ending::BeforeStage { stage, why } => self.before_stage(stage, why)?,
                Ending::LanesDone { stage } => Next::Stop(self.lanes_done(&stage)),
                Ending::Held { step, result, why } => self.held(&step, &result, &why).await?,
                Ending::Paused { how } => Next::Stop(self.paused(how)),
                Ending::RollbackAsked { extent, by } => {
                    self.turn_back(extent, by).await?;
                    self.turned = true;
                    Next::Again
                }
                Ending::Unclaimed { failure } => Next::Stop(self.unclaimed(failure)),
                Ending::Failed { step, failure } => self.failed(&step, failure).await?,
            };
            match next {
                Next::Again => {}
                Next::Over(exit) => return Ok(exit),
                Next::Stop(error) => return Err(error),
            }
        }
    }

    async fn engine(&mut self) -> Result<Ending, Error> {
        let sentry = self.open.sentry()?;
        let view = self.open.view().clone();
        let asks = self.ask.is_some();
        let (screen, also) = (self.screen, &self.also);
        let mut sink = |view: &RunView, event: &Event| {
            screen.event(view, event);
            also(view, event);
        };
        let engine = Engine::new(self.aws, &mut self.open, view, &mut sink, &mut self.control, self.confirmed.clone(), asks)
            .revisiting(self.revisit);
        let running = while_held(self.aws, &sentry, engine.run());
        tokio::pin!(running);
        // Bars move and heartbeats are said while nothing happens; in virtual time nobody watches.
        loop {
            tokio::select! {
                biased;
                ended = &mut running => return ended.map(|(ending, _)| ending),
                () = self.aws.clock.sleep(std::time::Duration::from_secs(1)), if screen.ticks() => screen.tick(self.aws.clock.now()),
            }
        }
    }

    /// Takes the run's claims away, as far as that can be done; what is left of them is said.
    pub async fn give_up_claims(&mut self) -> Result<(), Error> {
        let sentry = self.open.sentry()?;
        let view = self.open.view().clone();
        let (screen, also) = (self.screen, &self.also);
        let mut sink = |view: &RunView, event: &Event| {
            screen.event(view, event);
            also(view, event);
        };
        let engine = Engine::new(self.aws, &mut self.open, view, &mut sink, &mut self.control, BTreeSet::new(), false);
        while_held(self.aws, &sentry, engine.give_up_claims()).await
    }

    fn append(&mut self, bodies: Vec<RecordBody>) -> Result<(), Error> {
        let records = self.open.append(self.aws.clock.now(), bodies)?;
        for record in records {
            let event = Event::Record(record);
            self.screen.event(self.open.view(), &event);
            (self.also)(self.open.view(), &event);
        }
        Ok(())
    }

    // ----- endings -----

    fn complete(&mut self) -> Result<Next, Error> {
        let Some(ended) = session::ended(self.open.view()) else { return Ok(Next::Over(Exit::Done)) };
        self.append(vec![ended])?;
        if self.turned {
            return Ok(Next::Stop(Error::EndedRolledBack { run: self.open.run().clone() }));
        }
        Ok(Next::Over(Exit::Done))
    }

    fn before_stage(&mut self, stage: StageId, why: StageStop) -> Result<Next, Error> {
        let view = self.open.view();
        let name = name_stage(view, &stage);
        if why == StageStop::Confirm {
            let plan = view.plan.clone();
            let Some(planned) = plan.stages.iter().find(|planned| planned.id == stage) else { return Ok(Next::Again) };
            let yes = match &mut self.ask {
                Some(ask) => self.screen.suspend(|| ask.confirm_stage(planned, &plan)),
                None => true,
            };
            if yes {
                self.confirmed.insert(stage);
                return Ok(Next::Again);
            }
            return Ok(Next::Stop(self.pause_error(format!("paused: before {name}, which was not confirmed"), Vec::new())));
        }
        Ok(Next::Stop(self.pause_error(format!("paused: before {name}, as asked"), Vec::new())))
    }

    async fn held(&mut self, step: &StepId, result: &str, why: &str) -> Result<Next, Error> {
        let plan = self.open.view().plan.clone();
        let choice = match (&mut self.ask, plan.step(step)) {
            (Some(ask), Some(planned)) => self.screen.suspend(|| ask.approve_held(&plan, planned, result, why)),
            _ => HeldChoice::Pause,
        };
        match choice {
            HeldChoice::Approve(comment) => {
                self.append(vec![RecordBody::StepApproved { step: step.clone(), by: self.by.clone(), comment }])?;
                Ok(Next::Again)
            }
            HeldChoice::RollBack => self.turn_back_here().await,
            HeldChoice::Pause => {
                let view = self.open.view();
                let mut at = standing(self.context, view, "to look again");
                let next = advice::after_held(view, step, result);
                at.next.splice(..1, next.iter().map(|hint| self.context.located(hint)));
                let name = self.stage_of(step);
                let title = plan.step(step).map_or_else(|| step.to_string(), |planned| planned.title.clone());
                let headline = format!("paused: {name} waits for a person: {title}");
                Ok(Next::Stop(Error::Paused { headline, causes: vec![why.to_owned()], at }))
            }
        }
    }

    /// The lanes that were named are done; what is left of the stage is what `resume` by itself goes on with.
    fn lanes_done(&self, stage: &StageId) -> Error {
        let mut view = self.open.view().clone();
        view.lanes.clear();
        let planned = view.plan.stages.iter().find(|known| known.id == *stage);
        let left: Vec<&str> =
            planned.into_iter().flat_map(|stage| view.lanes_left(stage)).map(|lane| lane.target.as_str()).collect();
        let name = name_stage(&view, stage);
        let are = if left.len() == 1 { "1 lane is left".to_owned() } else { format!("{} lanes are left", left.len()) };
        let headline = format!("paused: the lanes named are done; {are} in {name}: {}", left.join(", "));
        Error::Paused { headline, causes: Vec::new(), at: standing(self.context, &view, "to go on with all lanes") }
    }

    fn paused(&self, how: String) -> Error {
        self.pause_error(format!("paused: {how}"), Vec::new())
    }

    fn pause_error(&self, headline: String, causes: Vec<String>) -> Error {
        Error::Paused { headline, causes, at: standing(self.context, self.open.view(), "to go on") }
    }

    /// What leaves nothing to choose: the services are another run's, or AWS cannot be asked whose they are.
    fn unclaimed(&self, failure: Failure) -> Error {
        let (context, view) = (self.context, self.open.view());
        match failure.kind {
            FailureKind::Claimed => {
                Error::Claimed { headline: failure.message, causes: failure.causes, at: Some(when_over(context, view)) }
            }
            FailureKind::Credentials => {
                let at = Some(standing(context, view, "after refreshing the credentials"));
                Error::Credentials { why: failure.causes.join("; "), at }
            }
            _ => {
                let headline = format!("the run stopped: whose its services are cannot be seen: {}", failure.message);
                Error::Stopped { headline, causes: failure.causes, at: standing(context, view, "after repairing the cause") }
            }
        }
    }

    async fn failed(&mut self, step: &StepId, failure: Failure) -> Result<Next, Error> {
        if matches!(failure.kind, FailureKind::Credentials | FailureKind::Claimed) {
            return Ok(Next::Stop(self.unclaimed(failure)));
        }
        let error = self.failure_error(step, &failure);
        let plan = self.open.view().plan.clone();
        let onto_newest = self.open.view().moved_on(step, &failure);
        let Some(ask) = &mut self.ask else { return Ok(Next::Stop(error)) };
        let (headline, causes) = (error.to_string(), error.causes());
        let logged = plan.step(step).filter(|planned| logged_service(planned).is_some());
        let back = plan.direction == Direction::Back;
        let offers = Offers { wait: failure.may_pass(), log: logged.is_some(), roll_back: !back, onto_newest, skip: back };
        let choice = loop {
            let choice = self.screen.suspend(|| ask.on_failure(&plan, &headline, &causes, offers));
            match logged {
                Some(planned) if choice == FailureChoice::ShowLog => {
                    show_log(self.context, self.aws, self.open.view(), planned).await
                }
                _ => break choice,
            }
        };
        match choice {
            FailureChoice::KeepWaiting => {
                self.revisit = false;
                Ok(Next::Again)
            }
            FailureChoice::Retry => Ok(Next::Again),
            FailureChoice::RollBack => self.turn_back_here().await,
            FailureChoice::OntoNewest => self.onto_newest(error).await,
            FailureChoice::Skip(reason) => {
                let records = session::skipped(self.open.view(), step, &reason, &self.by);
                self.append(records.map_err(|message| Error::Internal { message })?)?;
                Ok(Next::Again)
            }
            FailureChoice::Abandon(reason) => {
                self.give_up_claims().await?;
                let why = format!("{reason} (by {}@{})", self.by.user, self.by.host);
                self.append(vec![RecordBody::RunEnded { outcome: Outcome::Abandoned, why }])?;
                Ok(Next::Stop(error))
            }
            FailureChoice::Pause | FailureChoice::ShowLog => Ok(Next::Stop(error)),
        }
    }

    /// The rest of the way back is planned anew on what others have deployed since, shown, and taken if the operator agrees.
    async fn onto_newest(&mut self, error: Error) -> Result<Next, Error> {
        let extent = match &self.open.view().adoption {
            Adoption::Rollback(extent) => extent.clone(),
            _ => Extent::default(),
        };
        let plan = self.plan_back(&extent, true).await?;
        if !self.agree_back(&plan) {
            return Ok(Next::Stop(error));
        }
        self.append(vec![session::turned_back(plan, extent, self.by.clone())])?;
        Ok(Next::Again)
    }

    fn failure_error(&self, step: &StepId, failure: &Failure) -> Error {
        let view = self.open.view();
        let name = self.stage_of(step);
        let mut at = standing(self.context, view, "after repairing the cause");
        if let Some(next) = advice::after_trouble(view, step, failure) {
            at.next = next.iter().map(|hint| self.context.located(hint)).collect();
        }
        if failure.kind == FailureKind::Stuck {
            let headline = format!("{name} cannot be undone: {}", failure.message);
            return Error::Stuck { headline, causes: failure.causes.clone(), remains: inventory(view), at };
        }
        at.next.extend(lane_by_lane(self.context, view, step));
        if let Some(serves) = serves(view) {
            at.state = format!("{}; {serves}", at.state);
        }
        Error::Stopped { headline: format!("{name} stopped: {}", failure.message), causes: failure.causes.clone(), at }
    }

    /// The stage that a step is in, by its place and name.
    fn stage_of(&self, step: &StepId) -> String {
        let view = self.open.view();
        let stage = view.plan.steps().find(|(_, _, planned)| planned.id == *step).map(|(stage, _, _)| stage.id.clone());
        stage.map_or_else(|| "the run".to_owned(), |stage| name_stage(view, &stage))
    }

    // ----- the way back -----

    async fn turn_back_here(&mut self) -> Result<Next, Error> {
        let by = self.by.clone();
        self.turn_back(Extent::default(), by).await?;
        self.turned = true;
        Ok(Next::Again)
    }

    /// Settles what is not known, plans the way back from the journal, and adopts it.
    async fn turn_back(&mut self, extent: Extent, by: Actor) -> Result<(), Error> {
        let plan = self.plan_back(&extent, false).await?;
        self.append(vec![session::turned_back(plan, extent, by)])
    }

    /// The plan of the way back, after looking at whatever is not known.
    pub async fn plan_back(&mut self, extent: &Extent, onto_newest: bool) -> Result<Plan, Error> {
        let sentry = self.open.sentry()?;
        let view = self.open.view().clone();
        let (screen, also) = (self.screen, &self.also);
        let mut sink = |view: &RunView, event: &Event| {
            screen.event(view, event);
            also(view, event);
        };
        let engine = Engine::new(self.aws, &mut self.open, view, &mut sink, &mut self.control, BTreeSet::new(), false);
        let planning = session::plan_back(engine, self.aws, extent, onto_newest);
        while_held(self.aws, &sentry, planning).await?.map_err(|(step, failure)| match failure.kind {
            FailureKind::Credentials => Error::Credentials {
                why: failure.causes.join("; "),
                at: Some(standing(self.context, self.open.view(), "after refreshing the credentials")),
            },
            _ => self.failure_error(&step, &failure),
        })
    }

    /// Shows the plan of the way back and asks whether to go. `true` without a terminal: the caller has seen to `--yes`.
    pub fn agree_back(&mut self, plan: &Plan) -> bool {
        self.context.out.status(&plan_view::render(plan, &self.context.err_style));
        match &mut self.ask {
            Some(ask) => self.screen.suspend(|| ask.confirm_rollback(plan)),
            None => true,
        }
    }
}

/// An error of the journal itself does not know where the run stands: the view, which is what could be written, does.
fn stopped_at(context: &Context, error: Error, view: &RunView) -> Error {
    match error {
        Error::JournalWrite { path, why, at: None } => Error::JournalWrite {
            path,
            why,
            at: Some(standing(context, view, "once the journal is in its place and can be written")),
        },
        other => other,
    }
}

/// Reads the last log lines of the service that a step is about, and shows them.
async fn show_log(context: &Context, aws: &Aws, view: &RunView, step: &StepPlan) {
    let Some((cluster, service)) = logged_service(step) else { return };
    // The deployment that a wait is for comes from the step before it.
    let deployment = step.inputs.get("/deployment").and_then(|input| view.output(&input.step)?.pointer(&input.pointer));
    match last_log_lines(aws, cluster, service, deployment.and_then(Value::as_str)).await {
        Ok(logged) if logged.is_empty() => context.out.status(&format!("The newest task of `{service}` has logged nothing.")),
        Ok(logged) => {
            for words in logged.iter().flat_map(|logged| progress_lines(logged, true)) {
                context.out.status(&format!("  {words}"));
            }
        }
        Err(error) => context.out.status(&format!("The logs of `{service}` cannot be read: {}", error.refusal())),
    }
}

/// Whether the changed services still serve, as far as the journal knows.
fn serves(view: &RunView) -> Option<String> {
    let failing = view.troubled().find(|(step, _)| step.action == "ecs.await-rollout")?.0.clone();
    let service = failing.params["service"].as_str()?;
    let created = view.mutations.iter().any(|mutation| mutation.step.action == "ecs.create-service" && mutation.target == service);
    Some(if created {
        format!("`{service}` serves nobody yet, the API is as before")
    } else {
        format!("`{service}` keeps running the tasks of its last good deployment until the new ones are healthy")
    })
}
