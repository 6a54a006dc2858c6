//! A step failed: what is known about it, and what the operator wants to do.

use serde_json::Value;

use super::super::agree::{self, Said};
use super::super::amend::{self, Adopted, Amendment};
use super::super::context::Context;
use super::super::standing::{lane_by_lane, meanwhile, stages, standing};
use super::asking::Reply;
use super::{Drive, Next};
use crate::aws::Aws;
use crate::doctor;
use crate::model::{
    Direction, Error, Failure, FailureKind, Outcome, Plan, Progress, RecordBody, RunView, StepClass, StepId, StepPlan, StepState,
};
use crate::plan::inventory;
use crate::session;
use crate::stages::steps::{last_log_lines, logged_service, targets_seen};
use crate::ui::prompt::{self, FailureChoice, Offers, Trouble};
use crate::ui::{advice, progress_lines};

impl Drive<'_> {
    pub(super) async fn failed(&mut self, step: &StepId, failure: Failure) -> Result<Next, Error> {
        if matches!(failure.kind, FailureKind::Credentials | FailureKind::Claimed) {
            return Ok(Next::Stop(self.unclaimed(failure)));
        }
        let error = self.failure_error(step, &failure);
        if !self.present {
            return Ok(Next::Stop(error));
        }
        let plan = self.open.view().plan.clone();
        let logged = plan.step(step).filter(|planned| logged_service(planned).is_some());
        let back = plan.direction == Direction::Back;
        let onto_newest = self.open.view().moved_on(step, &failure);
        let offers = Offers { wait: failure.may_pass(), log: logged.is_some(), forward: !back, onto_newest, skip: back };
        let stage = self.open.view().current_stage().map(|stage| stage.id.clone());
        loop {
            let trouble = self.trouble(step, &failure, &error).await;
            let menu = prompt::failure(&plan, &trouble, offers, &self.context.err_style);
            let choice = match self.ask_menu(&menu, stage.as_ref()).await? {
                Reply::Here(choice) => choice,
                Reply::GoOn => FailureChoice::Retry,
                Reply::RollBack(extent, by) => return self.turn_back_for(extent, by).await,
                Reply::Paused(_) | Reply::Approve(..) => FailureChoice::Pause,
            };
            match choice {
                FailureChoice::KeepWaiting => {
                    self.revisit = false;
                    return Ok(Next::Again);
                }
                FailureChoice::Retry => return Ok(Next::Again),
                FailureChoice::Amend => {
                    if self.amended().await? {
                        return Ok(Next::Again);
                    }
                }
                FailureChoice::RollBack => return self.turn_back_here().await,
                FailureChoice::OntoNewest => return self.onto_newest(error).await,
                FailureChoice::Skip => {
                    if let Some(reason) = self.ask_reason("Why may it stay?").await {
                        let records = session::skipped(self.open.view(), step, &reason, &self.by);
                        self.append(records.map_err(|message| Error::Internal { message })?)?;
                        return Ok(Next::Again);
                    }
                }
                FailureChoice::Abandon => {
                    if let Some(reason) = self.ask_reason("Why is the run given up?").await {
                        self.give_up_claims().await?;
                        let why = format!("{reason} (by {}@{})", self.by.user, self.by.host);
                        self.append(vec![RecordBody::RunEnded { outcome: Outcome::Abandoned, why }])?;
                        return Ok(Next::Stop(error));
                    }
                }
                FailureChoice::ShowLog => {
                    if let Some(planned) = logged {
                        show_log(self.context, self.aws, self.open.view(), planned).await;
                    }
                }
                FailureChoice::Pause => return Ok(Next::Stop(error)),
            }
        }
    }

    /// Asks for other variables, plans what is left anew and shows it. `false`: nothing came of it, and the run is as it was.
    async fn amended(&mut self) -> Result<bool, Error> {
        let Some(line) = self.ask_reason("Which variable? NAME=VALUE").await else { return Ok(false) };
        let Some((name, value)) = line.split_once('=').map(|(name, value)| (name.trim(), value.trim())) else {
            self.context.out.status("That is not of the form NAME=VALUE.");
            return Ok(false);
        };
        let amendment = Amendment { vars: vec![(name.to_owned(), value.to_owned())], ..Amendment::default() };
        match self.amend(&amendment).await {
            // What is wrong with the variable, or blocks the new plan, is said; the journaled plan stands.
            Err(error) if !matches!(error, Error::JournalWrite { .. } | Error::Internal { .. }) => {
                let said = crate::ui::error::render(&error, &crate::runbook::render_problem, &self.context.err_style);
                self.context.out.status(&self.context.located(&said));
                Ok(false)
            }
            other => other,
        }
    }

    async fn amend(&mut self, amendment: &Amendment) -> Result<bool, Error> {
        let Some(runbook) = amend::runbook(self.context, amendment, self.open.view())? else { return Ok(false) };
        // The plan is shown whichever way the run was started, so it is agreed to here, too.
        let mut ask = self.context.ask();
        let agree = |plan: &Plan| agree::to_amend(self.context, plan, &Said::default(), &mut ask);
        let adopted = amend::adopt(self.context, amendment, self.aws, &mut self.open, &runbook, &self.by, agree).await?;
        match adopted {
            Adopted::Yes => return Ok(true),
            Adopted::Unchanged => self.context.out.status("That is how it is already."),
            Adopted::Declined(_) | Adopted::NotAsked(_) => self.context.out.status("Nothing was changed."),
        }
        Ok(false)
    }

    /// What there is to know before choosing: also how the services are right now.
    async fn trouble(&self, step: &StepId, failure: &Failure, error: &Error) -> Trouble {
        let view = self.open.view();
        let next = match meanwhile(view) {
            Some(words) => words,
            None => "nothing: no change of this run is under way".to_owned(),
        };
        let title = view.plan.step(step).map_or_else(|| step.to_string(), |planned| planned.title.clone());
        Trouble {
            headline: format!("{error} (`{title}`)"),
            causes: error.causes(),
            likely: doctor::likely(failure),
            serving: serving(self.aws, view).await,
            spans: spans(view),
            next,
            state: stages(view),
        }
    }

    pub(super) fn failure_error(&self, step: &StepId, failure: &Failure) -> Error {
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
        if doctor::lacks_permission(failure) {
            let policy = self.context.command(&format!("policy --run {}", view.id));
            at.next.insert(0, format!("to see all the permissions that it needs, run `{policy}`"));
        }
        if matches!(failure.kind, FailureKind::Rollout | FailureKind::Deadline) {
            let look = self.context.command(&format!("doctor --run {}", view.id));
            at.next.push(format!("to see what most likely lies behind it, run `{look}`"));
        }
        if let Some(serves) = serves(view) {
            at.state = format!("{}; {serves}", at.state);
        }
        Error::Stopped { headline: format!("{name} stopped: {}", failure.message), causes: failure.causes.clone(), at }
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

/// How each service of the run is now, by AWS: a line each.
async fn serving(aws: &Aws, view: &RunView) -> Vec<String> {
    let target = &view.plan.target;
    let mut lines = Vec::new();
    for name in &target.services {
        lines.push(match aws.service(&target.cluster, name).await {
            Ok(Some(service)) if service["status"] == "ACTIVE" => {
                let count = |member: &str| service[member].as_i64().unwrap_or(0);
                let targets = match targets_seen(aws, &target.cluster, name).await {
                    Some(Progress::Targets { healthy, total, .. }) => format!(", {healthy} of {total} targets healthy"),
                    _ => String::new(),
                };
                format!("{name}: {} of {} tasks run{targets}", count("runningCount"), count("desiredCount"))
            }
            Ok(_) => format!("{name}: there is no such service now"),
            Err(error) => format!("{name}: cannot be read ({})", error.refusal()),
        });
    }
    lines
}

/// Where spans go now, as far as the journal knows.
fn spans(view: &RunView) -> String {
    let Some(check) = view.plan.steps().map(|(_, _, step)| step).find(|step| step.looks_for_spans()) else {
        return String::new();
    };
    let lane = view.plan.lanes().find(|(_, lane)| lane.steps.iter().any(|step| step.id == check.id)).map(|(_, lane)| lane);
    let retargeted = lane.is_some_and(|lane| {
        let changes = lane.steps.iter().filter(|step| step.class == StepClass::Mutation && step.action == "ecs.update-service");
        changes.into_iter().any(|step| !matches!(view.state(&step.id), StepState::Pending | StepState::Failed))
    });
    match (view.state(&check.id), retargeted) {
        (StepState::Done, _) => "they arrived at the shared service when that was looked at".to_owned(),
        (_, false) => "they go where they went before the run: no sender was changed".to_owned(),
        (StepState::Failed | StepState::Held, true) => "they have not been seen at the shared service".to_owned(),
        (_, true) => "their senders are pointed at the shared service; whether they arrive has not been seen yet".to_owned(),
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
