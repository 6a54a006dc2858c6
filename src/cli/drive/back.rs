//! The way back, from where the run stands in this process.

use super::super::standing::standing;
use super::{Drive, Next};

use crate::model::{Actor, Adoption, Error, Extent, FailureKind, Plan};
use crate::session;
use crate::ui::advice;

impl Drive<'_> {
    /// Back to the start, as the person at this terminal chose.
    pub(super) async fn turn_back_here(&mut self) -> Result<Next, Error> {
        let by = self.by.clone();
        self.turn_back_for(Extent::default(), by).await
    }

    /// Back so far, as somebody asked.
    pub(super) async fn turn_back_for(&mut self, extent: Extent, by: Actor) -> Result<Next, Error> {
        self.turn_back(extent, by).await?;
        self.turned = true;
        Ok(Next::Again)
    }

    /// The rest of the way back is planned anew on what others have deployed since, shown, and taken if the operator agrees.
    pub(super) async fn onto_newest(&mut self, error: Error) -> Result<Next, Error> {
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

    /// Settles what is not known, plans the way back from the journal, and adopts it.
    async fn turn_back(&mut self, extent: Extent, by: Actor) -> Result<(), Error> {
        let plan = self.plan_back(&extent, false).await?;
        self.append(vec![session::turned_back(plan, extent, by)])
    }

    /// The plan of the way back, after looking at whatever is not known.
    pub async fn plan_back(&mut self, extent: &Extent, onto_newest: bool) -> Result<Plan, Error> {
        let aws = self.aws;
        let planned = self.with_engine(async |engine| session::plan_back(engine, aws, extent, onto_newest).await).await?;
        let (step, failure) = match planned {
            Ok(plan) => return Ok(plan),
            Err(stopped) => stopped,
        };
        let view = self.open.view();
        if failure.kind == FailureKind::Credentials {
            let at = Some(standing(self.context, view, "after refreshing the credentials"));
            return Err(Error::Credentials { why: failure.causes.join("; "), at });
        }
        let mut error = self.failure_error(&step, &failure);
        if let Error::Stuck { at, .. } = &mut error {
            let other = session::other_way_back(aws, view, extent).await;
            at.next = advice::no_way_back(view, other.as_ref()).iter().map(|hint| self.context.located(hint)).collect();
        }
        Err(error)
    }

    /// Shows the plan of the way back and asks whether to go. `true` without a terminal: the caller has seen to `--yes`.
    pub fn agree_back(&mut self, plan: &Plan) -> bool {
        self.context.show_plan(plan, self.ask.is_some());
        match &mut self.ask {
            Some(ask) => self.screen.suspend(|| ask.confirm_rollback(plan)),
            None => true,
        }
    }
}
