//! Drives a run that this process holds: the engine, call after call, with the operator's answers in between.
//!
//! ```text
//!   engine ─ Complete ──────────▶ the end is journaled
//!          ─ BeforeStage ───────▶ asked, or paused
//!          ─ Held ──────────────▶ asked (approve, look again, roll back, pause), or paused
//!          ─ Failed ────────────▶ asked (wait, retry, amend, roll back, pause …), or stopped
//!          ─ RollbackAsked ─────▶ the way back is planned and run, in the same journal
//! ```
//!
//! `asking` puts a question and takes the answer from whoever gives it first; `trouble` is what to do about a failure; `back` the
//! way back.

mod asking;
mod back;
mod trouble;

use std::collections::BTreeSet;

use tokio::sync::mpsc;

use super::context::Context;
use super::screen::Screen;
use super::standing::{name_stage, standing, when_over};
use crate::aws::Aws;
use crate::engine::{Control, Ending, Engine, StageStop, while_held};
use crate::journal::{OpenRun, Store as _};
use crate::model::{Actor, Error, Event, Exit, Extent, Failure, FailureKind, Plan, RecordBody, RunView, StageId, StepId, StepPlan};
use crate::session;
use crate::stages::steps::targets_seen;
use crate::ui::prompt::{self, HeldChoice};
use crate::ui::{Ask, advice};
use asking::Reply;

/// Between looks at targets, for the screen.
const LOOK_INTERVAL: std::time::Duration = std::time::Duration::from_secs(6);

/// Who else hears of each event, after it is shown.
type Also<'a> = Box<dyn Fn(&RunView, &Event) + 'a>;

/// A run under way in this process.
pub struct Drive<'a> {
    pub context: &'a Context,
    pub aws: &'a Aws,
    pub open: OpenRun,
    pub screen: &'a Screen<'a>,
    pub ask: Option<Box<dyn Ask>>,
    /// Whether a person is there to answer what comes up on the way: `--yes` does not answer that.
    pub present: bool,
    /// Who approves what is to be approved where nobody can be asked: in a rehearsal.
    pub approver: Option<Actor>,
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
        let (confirmed, present) = (BTreeSet::new(), context.interactive && screen.is_live());
        Self {
            context,
            aws,
            open,
            screen,
            ask,
            present,
            approver: None,
            by,
            control,
            also,
            confirmed,
            revisit: true,
            turned: false,
        }
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
                Ending::BeforeStage { stage, why } => self.before_stage(stage, why).await?,
                Ending::LanesDone { stage } => Next::Stop(self.lanes_done(&stage)),
                Ending::Held { step, result, why } => self.held(&step, &result, &why).await?,
                Ending::Paused { how } => Next::Stop(self.paused(how)),
                Ending::RollbackAsked { extent, by } => self.turn_back_for(extent, by).await?,
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
        let plan = view.plan.clone();
        let asks = self.ask.is_some() && self.present;
        let (screen, also) = (self.screen, &self.also);
        let mut sink = |view: &RunView, event: &Event| {
            screen.event(view, event);
            also(view, event);
        };
        let engine = Engine::new(self.aws, &mut self.open, view, &mut sink, &mut self.control, self.confirmed.clone(), asks)
            .revisiting(self.revisit)
            .approving(self.approver.clone());
        let running = while_held(self.aws, &sentry, engine.run());
        tokio::pin!(running);
        // Time is drawn and heartbeats are said while nothing happens; in virtual time nobody watches.
        let looking = look_on(self.aws, screen, &plan);
        tokio::pin!(looking);
        loop {
            tokio::select! {
                biased;
                ended = &mut running => return ended.map(|(ending, _)| ending),
                () = self.aws.clock.sleep(std::time::Duration::from_secs(1)), if screen.ticks() => screen.tick(self.aws.clock.now()),
                () = &mut looking, if screen.is_live() => {}
            }
        }
    }

    /// Takes the run's claims away, as far as that can be done; what is left of them is said.
    pub async fn give_up_claims(&mut self) -> Result<(), Error> {
        self.with_engine(async |engine| engine.give_up_claims().await).await
    }

    /// Has the engine do something else than run the plan, while the run is held.
    async fn with_engine<T>(&mut self, act: impl AsyncFnOnce(Engine<'_, OpenRun>) -> Result<T, Error>) -> Result<T, Error> {
        let sentry = self.open.sentry()?;
        let view = self.open.view().clone();
        let (screen, also) = (self.screen, &self.also);
        let mut sink = |view: &RunView, event: &Event| {
            screen.event(view, event);
            also(view, event);
        };
        let engine = Engine::new(self.aws, &mut self.open, view, &mut sink, &mut self.control, BTreeSet::new(), false);
        while_held(self.aws, &sentry, act(engine)).await
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

    async fn before_stage(&mut self, stage: StageId, why: StageStop) -> Result<Next, Error> {
        let view = self.open.view();
        let name = name_stage(view, &stage);
        if why == StageStop::Hold {
            return Ok(Next::Stop(self.pause_error(format!("paused: before {name}, as asked"), Vec::new())));
        }
        let plan = view.plan.clone();
        let Some(planned) = plan.stages.iter().find(|planned| planned.id == stage) else { return Ok(Next::Again) };
        let menu = prompt::stage(planned, &plan, &self.context.err_style);
        match self.ask_menu(&menu, Some(&stage)).await? {
            Reply::Here(true) | Reply::GoOn => {
                self.confirmed.insert(stage);
                Ok(Next::Again)
            }
            Reply::RollBack(extent, by) => self.turn_back_for(extent, by).await,
            Reply::Paused(how) => Ok(Next::Stop(self.pause_error(format!("paused: before {name}: {how}"), Vec::new()))),
            Reply::Here(false) | Reply::Approve(..) => {
                Ok(Next::Stop(self.pause_error(format!("paused: before {name}, which was not confirmed"), Vec::new())))
            }
        }
    }

    async fn held(&mut self, step: &StepId, result: &str, why: &str) -> Result<Next, Error> {
        let plan = self.open.view().plan.clone();
        let mut how = None;
        if let Some(planned) = plan.step(step).filter(|_| self.present) {
            let menu = prompt::held(&plan, planned, why, &self.context.err_style);
            let stage = self.open.view().current_stage().map(|stage| stage.id.clone());
            match self.ask_menu(&menu, stage.as_ref()).await? {
                Reply::Approve(by, comment) => return self.approve(step, by, comment),
                Reply::Here(HeldChoice::Approve) => {
                    // Who opens the way says why: that is what the record is for.
                    if let Some(comment) = self.ask_reason("Why is it safe to go on?").await {
                        let by = self.by.clone();
                        return self.approve(step, by, comment);
                    }
                }
                Reply::Here(HeldChoice::Again) | Reply::GoOn => return Ok(Next::Again),
                Reply::Here(HeldChoice::RollBack) => return self.turn_back_here().await,
                Reply::RollBack(extent, by) => return self.turn_back_for(extent, by).await,
                Reply::Here(HeldChoice::Pause) => {}
                Reply::Paused(asked) => how = Some(asked),
            }
        }
        let view = self.open.view();
        let mut at = standing(self.context, view, "to look again");
        let next = advice::after_held(view, step, result);
        at.next.splice(..1, next.iter().map(|hint| self.context.located(hint)));
        let name = self.stage_of(step);
        let title = plan.step(step).map_or_else(|| step.to_string(), |planned| planned.title.clone());
        let headline = format!("paused: {name} waits for a person: {title}");
        let causes = [why.to_owned()].into_iter().chain(how).collect();
        Ok(Next::Stop(Error::Paused { headline, causes, at }))
    }

    fn approve(&mut self, step: &StepId, by: Actor, comment: String) -> Result<Next, Error> {
        self.append(vec![RecordBody::StepApproved { step: step.clone(), by, comment }])?;
        Ok(Next::Again)
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

    /// The stage that a step is in, by its place and name.
    fn stage_of(&self, step: &StepId) -> String {
        let view = self.open.view();
        let stage = view.plan.steps().find(|(_, _, planned)| planned.id == *step).map(|(stage, _, _)| stage.id.clone());
        stage.map_or_else(|| "the run".to_owned(), |stage| name_stage(view, &stage))
    }
}

/// Looks now and then at the targets of services that roll out, for the screen alone: the run itself does not need it.
async fn look_on(aws: &Aws, screen: &Screen<'_>, plan: &Plan) {
    let rollouts: Vec<&StepPlan> =
        plan.steps().map(|(_, _, step)| step).filter(|step| step.action == "ecs.await-rollout").collect();
    loop {
        aws.clock.sleep(LOOK_INTERVAL).await;
        for step in rollouts.iter().filter(|step| screen.shows(&step.id)) {
            let (cluster, service) = (step.params["cluster"].as_str(), step.params["service"].as_str());
            if let Some(seen) = targets_seen(aws, cluster.unwrap_or_default(), service.unwrap_or_default()).await {
                screen.see(&step.id, &seen);
            }
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
