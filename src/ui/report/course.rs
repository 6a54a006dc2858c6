//! The course of a run: who worked on it and what happened, in the order in which it began.
//!
//! A step is one entry from its start to its end. What happens around it (a look at AWS, an approval, the end of a process) is an
//! entry of its own. A process that ended without a word left no record: that one did is seen when the next takes the run up.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::{
    Actor, Adoption, ClaimChange, Failure, Holder, Outcome, Plan, Record, RecordBody, RunView, StepClass, StepId, Verdict,
};
use crate::ui::text;

use super::decisions::who;
use super::value::{Entry, EntryKind, Session, SessionEnd, Took};

/// See the module's text.
pub(super) struct Course {
    /// The processes, in order.
    pub(super) sessions: Vec<Session>,
    /// What happened.
    pub(super) timeline: Vec<Entry>,
}

/// The course that the records tell. `view` is where they lead to.
pub(super) fn follow(records: &[Record], view: &RunView, live: Option<&Holder>) -> Course {
    let mut tale = Tale::default();
    for record in records {
        tale.tell(record);
        tale.last = Some(record.at);
    }
    match live {
        Some(_) => {
            if let Some(session) = tale.open_session() {
                session.end = SessionEnd::Holds;
                session.to = view.updated_at;
            }
        }
        None => tale.crash(view.last_seq, view.updated_at),
    }
    Course { sessions: tale.sessions, timeline: tale.timeline }
}

#[derive(Default)]
struct Tale<'a> {
    plan: Option<&'a Plan>,
    sessions: Vec<Session>,
    /// Whether the last session is still open.
    is_open: bool,
    /// Whether it has started a step.
    has_worked: bool,
    timeline: Vec<Entry>,
    /// The entry of each step that is under way.
    under_way: BTreeMap<StepId, usize>,
    /// The entry of the question that waits for an answer.
    question: Option<usize>,
    /// When the record before was written.
    last: Option<Timestamp>,
}

impl<'a> Tale<'a> {
    fn tell(&mut self, record: &'a Record) {
        match &record.body {
            RecordBody::PlanAdopted { plan, why, by } => {
                self.plan = Some(plan);
                let (what, details) = adopted(plan, why, by);
                self.add(record, EntryKind::Plan, what, details);
            }
            RecordBody::SessionOpened { holder } => self.opened(record, holder),
            RecordBody::TakenOver { from, by, reason } => {
                let what = format!("{} took the run over from {}", process(by), process(from));
                if let Some(session) = self.open_session() {
                    (session.end, session.to) = (SessionEnd::TakenOver, record.at);
                }
                self.is_open = false;
                self.cut_off();
                self.add(record, EntryKind::TakeOver, what, vec![reason.clone()]);
            }
            RecordBody::SessionClosed { why, calls } => {
                // Who worked on a step has asked AWS something: then it was not counted.
                let counted = !(calls.is_empty() && self.has_worked);
                let name = self.open_session().map(|session| {
                    (session.end, session.to) = (SessionEnd::Left(why.clone()), record.at);
                    session.calls = counted.then(|| calls.clone());
                    process(&session.holder)
                });
                self.is_open = false;
                self.add(
                    record,
                    EntryKind::Left,
                    format!("{} left: {why}", name.unwrap_or_else(|| "the process".to_owned())),
                    vec![],
                );
            }
            RecordBody::FindingAccepted { finding, by } => {
                self.decided(record, format!("finding {finding} accepted by {}", who(by)))
            }
            RecordBody::HoldSet { stage, by } => self.decided(record, format!("to stop before {stage}, as {} asked", who(by))),
            RecordBody::HoldCleared { stage, by } => {
                self.decided(record, format!("no longer stops before {stage}, as {} asked", who(by)))
            }
            RecordBody::LanesNamed { lanes, by } => {
                let lanes: Vec<&str> = lanes.iter().map(String::as_str).collect();
                self.decided(record, format!("only the lanes of {} run, as {} asked", lanes.join(", "), who(by)));
            }
            RecordBody::PauseAsked { by, how } => self.decided(record, format!("asked to pause by {} ({how})", who(by))),
            RecordBody::Claim { service, change } => {
                let (what, details) = claimed(service, change);
                self.add(record, EntryKind::Claim, what, details);
            }
            RecordBody::RunEnded { outcome, why } => {
                let how = match outcome {
                    Outcome::Done => "the run is done",
                    Outcome::RolledBack => "the run is rolled back",
                    Outcome::Abandoned => "the run is abandoned",
                };
                self.add(record, EntryKind::End, if why.is_empty() { how.to_owned() } else { format!("{how}: {why}") }, vec![]);
            }
            RecordBody::Asked { question, .. } => {
                self.add(record, EntryKind::Asked, format!("asked at the terminal: {question}"), vec![]);
                self.question = Some(self.timeline.len() - 1);
            }
            RecordBody::Answered { question, answer, by } => self.answered(record, question, answer, by),
            RecordBody::RequestRefused { request, by, why } => {
                self.decided(record, format!("`{request}`, as {} asked, did not apply: {why}", who(by)));
            }
            _ => self.tell_of_step(record),
        }
    }

    /// The answer belongs to the question, if that was noted.
    fn answered(&mut self, record: &Record, question: &str, answer: &str, by: &Actor) {
        match self.question.take() {
            Some(at) => {
                let entry = &mut self.timeline[at];
                entry.took = Some(Took(record.at.duration_since(entry.at)));
                entry.details = vec![format!("{} answered: {answer}", who(by))];
            }
            None => self.decided(record, format!("{} answered {question}: {answer}", who(by))),
        }
    }

    fn tell_of_step(&mut self, record: &Record) {
        let Some(step) = record.body.step() else { return };
        let title = self.title(step);
        match &record.body {
            RecordBody::StepStarted { attempt, .. } => {
                let again = match attempt {
                    1 => String::new(),
                    n if self.is_mutation(step) => format!(" (attempt {n})"),
                    _ => " (taken up again)".to_owned(),
                };
                self.add_of(record, step, EntryKind::UnderWay, format!("{title}{again}"), vec![]);
                self.under_way.insert(step.clone(), self.timeline.len() - 1);
                self.has_worked = true;
            }
            RecordBody::StepSucceeded { output, .. } => {
                let found = output["found"].as_str().filter(|_| self.is_mutation(step));
                let found = found.map(|found| format!("nothing was sent: {found}"));
                self.ends(record, step, EntryKind::Done, found.into_iter().collect());
            }
            RecordBody::StepFailed { failure, .. } => self.ends(record, step, EntryKind::Failed, failed(failure)),
            RecordBody::StepInDoubt { failure, .. } => self.ends(record, step, EntryKind::InDoubt, failed(failure)),
            RecordBody::StepLeft { .. } => self.ends(record, step, EntryKind::Paused, vec![]),
            RecordBody::StepHeld { why, .. } => self.ends(record, step, EntryKind::Held, vec![why.clone()]),
            RecordBody::StepApproved { by, comment, .. } => {
                // A time of watching that is ended early; what was held before has ended before.
                if self.under_way.contains_key(step) {
                    self.ends(record, step, EntryKind::Done, vec![]);
                }
                let details = Some(comment).filter(|comment| !comment.is_empty()).cloned().into_iter().collect();
                self.add_of(record, step, EntryKind::Decision, format!("{title}: approved by {}", who(by)), details);
            }
            RecordBody::StepSkipped { reason, by, .. } => {
                let what = match by {
                    Some(by) => format!("{title}: passed over by {}", who(by)),
                    None => format!("{title}: left as it is, nothing depends on it"),
                };
                self.add_of(record, step, EntryKind::Decision, what, vec![reason.clone()]);
            }
            RecordBody::StepObserved { verdict, .. } => {
                let (found, details) = match verdict {
                    Verdict::Done { .. } => ("looked at in AWS: its effect is there", vec![]),
                    Verdict::NotDone { why } => ("looked at in AWS: it took no effect", vec![why.clone()]),
                    Verdict::TakenBack { why } => ("looked at in AWS: its effect is gone", vec![why.clone()]),
                    Verdict::Diverged { differences } => ("looked at in AWS: something else is there", differences.clone()),
                };
                self.under_way.remove(step);
                self.add_of(record, step, EntryKind::LookedAt, format!("{title}: {found}"), details);
            }
            _ => {}
        }
    }

    fn opened(&mut self, record: &Record, holder: &Holder) {
        self.crash(record.seq, record.at);
        let before = self.sessions.last().map(|session| session.to);
        self.sessions.push(Session {
            holder: holder.clone(),
            from: record.at,
            to: record.at,
            end: SessionEnd::Crashed,
            calls: None,
        });
        (self.is_open, self.has_worked) = (true, false);
        let what = match before {
            Some(before) => format!("{} took the run up, after {}", process(holder), text::between(before, record.at)),
            None => format!("{} works on the run", process(holder)),
        };
        self.add(record, EntryKind::TakenUp, what, vec![]);
    }

    fn open_session(&mut self) -> Option<&mut Session> {
        if self.is_open { self.sessions.last_mut() } else { None }
    }

    /// The session that is still open ended without a word, at the latest at `noticed`.
    fn crash(&mut self, seq: u64, noticed: Timestamp) {
        let last = self.last.unwrap_or(noticed);
        let Some(session) = self.open_session() else { return };
        session.to = last;
        let what = format!("{} ended without leaving in order", process(&session.holder));
        self.is_open = false;
        self.cut_off();
        self.timeline.push(Entry {
            seq,
            at: last,
            kind: EntryKind::Crash,
            step: None,
            stage: None,
            lane: None,
            among_several: false,
            what,
            details: vec!["this is its last sign of life in the journal".to_owned()],
            took: None,
        });
    }

    fn cut_off(&mut self) {
        self.question = None;
        for at in std::mem::take(&mut self.under_way).into_values() {
            self.timeline[at].kind = EntryKind::CutOff;
        }
    }

    fn title(&self, step: &StepId) -> String {
        self.plan.and_then(|plan| plan.step(step)).map_or_else(|| step.to_string(), |planned| planned.title.clone())
    }

    fn is_mutation(&self, step: &StepId) -> bool {
        self.plan.and_then(|plan| plan.step(step)).is_some_and(|step| step.class == StepClass::Mutation)
    }

    fn decided(&mut self, record: &Record, what: String) {
        self.add(record, EntryKind::Decision, what, vec![]);
    }

    fn add(&mut self, record: &Record, kind: EntryKind, what: String, details: Vec<String>) {
        let entry = Entry {
            seq: record.seq,
            at: record.at,
            kind,
            step: None,
            stage: None,
            lane: None,
            among_several: false,
            what,
            details,
            took: None,
        };
        self.timeline.push(entry);
    }

    fn add_of(&mut self, record: &Record, step: &StepId, kind: EntryKind, what: String, details: Vec<String>) {
        self.add(record, kind, what, details);
        let place = self.plan.and_then(|plan| plan.steps().find(|(_, _, planned)| planned.id == *step));
        let Some(entry) = self.timeline.last_mut() else { return };
        entry.step = Some(step.clone());
        if let Some((stage, lane, _)) = place {
            entry.stage = Some(stage.id.clone());
            entry.lane = Some(lane.target.clone());
            entry.among_several = !lane.is_gate() && stage.work().count() > 1;
        }
    }

    /// What was under way ends; one that was never seen to start is an entry by itself.
    fn ends(&mut self, record: &Record, step: &StepId, kind: EntryKind, details: Vec<String>) {
        match self.under_way.remove(step) {
            Some(at) => {
                let entry = &mut self.timeline[at];
                entry.kind = kind;
                entry.took = Some(Took(record.at.duration_since(entry.at)));
                entry.details = details;
            }
            None => {
                let title = self.title(step);
                self.add_of(record, step, kind, title, details);
            }
        }
    }
}

/// `alice@bastion (pid 4711)`.
fn process(holder: &Holder) -> String {
    format!("{} (pid {})", who(&holder.actor), holder.pid)
}

fn failed(failure: &Failure) -> Vec<String> {
    let mut lines = vec![failure.message.clone()];
    lines.extend(failure.causes.iter().cloned());
    lines.extend(failure.request_id.iter().map(|id| format!("request id {id}")));
    lines
}

fn adopted(plan: &Plan, why: &Adoption, by: &Actor) -> (String, Vec<String>) {
    let (stages, steps) = (plan.stages.len(), plan.steps().count());
    let size = format!("{}, {}", text::count(stages, "stage", "stages"), text::count(steps, "step", "steps"));
    match why {
        Adoption::Start => (format!("plan agreed to by {}: {size}", who(by)), vec![]),
        Adoption::Amendment { changes } => (format!("plan amended by {}: {size}", who(by)), changes.clone()),
        Adoption::Rollback(extent) => (format!("turned back {extent}, as {} asked: {size}", who(by)), vec![]),
        Adoption::Forward => (format!("forward again, as {} asked: {size}", who(by)), vec![]),
    }
}

fn claimed(service: &str, change: &ClaimChange) -> (String, Vec<String>) {
    match change {
        ClaimChange::Writing { by, .. } => (format!("claim on {service} is being written, for {by}"), vec![]),
        ClaimChange::Held => (format!("claim on {service} is held"), vec![]),
        ClaimChange::Refused { why } => (format!("claim on {service} was refused; the run goes on without"), vec![why.clone()]),
        ClaimChange::Removing => (format!("claim on {service} is being removed"), vec![]),
        ClaimChange::Removed => (format!("claim on {service} is gone"), vec![]),
        ClaimChange::Left { why, remove } => {
            (format!("claim on {service} could not be removed"), vec![why.clone(), format!("remove it with: {remove}")])
        }
    }
}
