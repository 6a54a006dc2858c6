//! Lanes by name: which of them a session runs, what is left of a stage then, and which lanes rest on others.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    AWAIT_ARRIVAL, AWAIT_LINES, Direction, GATE_APPROVE, GATE_BAKE, Lane, Plan, RunView, StageId, StagePlan, StepClass, StepId,
    StepPlan, StepState, StepView,
};

impl RunView {
    /// Whether a lane of the stage is to run: all are, unless lanes were named. Then the named ones are, and a stage that has none
    /// of them runs whole where one of them comes later, for it stands before that. An approval opens the stage for each of its
    /// lanes; what watches them afterwards waits for all of them.
    pub fn is_wanted(&self, stage: &StagePlan, lane: &Lane) -> bool {
        if self.lanes.is_empty() || self.lanes.contains(&lane.target) {
            return true;
        }
        let has_named = |stage: &StagePlan| stage.work().any(|lane| self.lanes.contains(&lane.target));
        if lane.is_gate() && has_named(stage) {
            let opens = lane.steps.iter().all(|step| step.action == GATE_APPROVE);
            return opens || stage.work().all(|lane| self.lane_done(lane));
        }
        !has_named(stage) && self.plan.stages.iter().skip_while(|known| known.id != stage.id).any(has_named)
    }

    /// The lanes of the stage that work on something and are not done.
    pub fn lanes_left<'s>(&self, stage: &'s StagePlan) -> impl Iterator<Item = &'s Lane> {
        stage.work().filter(|lane| !self.lane_done(lane))
    }

    /// Whether every step of the lane is done or passed over.
    pub fn lane_done(&self, lane: &Lane) -> bool {
        lane.steps.iter().all(|step| self.state(&step.id).is_over())
    }

    /// Whether a later stage has done something for the lane's target: what this stage did for it is then not as this stage left
    /// it. So it stands where another lane of the stage was taken back alone.
    pub fn went_further(&self, stage: &StagePlan, lane: &Lane) -> bool {
        let later = self.plan.stages.iter().skip_while(|known| known.id != stage.id).skip(1);
        let mut lanes = later.flat_map(StagePlan::lanes).filter(|known| known.target == lane.target);
        lanes.any(|lane| lane.steps.iter().any(|step| self.state(&step.id) != StepState::Pending))
    }

    /// The target that stands in the way of taking `lanes` back alone, with the one among them that it rests on. The stages of a
    /// runbook build on one another: a target whose first stage comes later rests on it, unless the two are worked on side by
    /// side in some stage. Of several the one that comes last is told: what serves.
    pub fn rests_on<'a>(&'a self, lanes: &'a BTreeSet<String>) -> Option<(&'a str, &'a str)> {
        let places = self.places();
        let standing: BTreeSet<&str> = self
            .mutations
            .iter()
            .filter(|made| made.direction == Direction::Forward && made.output.is_some())
            .map(|made| made.target.as_str())
            .collect();
        let rests = |above: &str, below: &str| {
            let (Some(above), Some(below)) = (places.get(above), places.get(below)) else { return false };
            above.is_disjoint(below) && above.first() > below.first()
        };
        let others = || standing.iter().copied().filter(|target| !lanes.contains(*target));
        lanes.iter().filter(|target| standing.contains(target.as_str())).find_map(|below| {
            let above = others().filter(|above| rests(above, below)).max_by_key(|above| places.get(above))?;
            Some((above, below.as_str()))
        })
    }

    /// The places of the stages that work on each target, by the forward plan and by what was done: an amended plan need not name
    /// all of that.
    fn places(&self) -> BTreeMap<&str, BTreeSet<usize>> {
        let place = |id: &StageId| self.forward.stages.iter().position(|stage| stage.id == *id);
        let planned = self.forward.lanes().map(|(stage, lane)| (lane.target.as_str(), place(&stage.id)));
        let made = self.mutations.iter().map(|made| (made.target.as_str(), place(&made.stage)));
        let mut places: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
        for (target, place) in planned.chain(made) {
            places.entry(target).or_default().extend(place);
        }
        places
    }

    /// The steps of the forward plan as they stood when the run turned back, without the lanes of which something was undone since.
    pub(super) fn still_standing(&mut self) -> BTreeMap<StepId, StepView> {
        let mut steps = std::mem::take(&mut self.turned_from);
        let done = |steps: &BTreeMap<StepId, StepView>, id| steps.get(id).is_some_and(|step| step.state == StepState::Done);
        for (_, lane) in self.forward.lanes() {
            let stands = |id: &StepId| self.mutations.iter().any(|made| made.step.id == *id);
            let mut made = lane.steps.iter().filter(|step| step.class == StepClass::Mutation && done(&steps, &step.id));
            if made.any(|step| !stands(&step.id)) {
                for step in &lane.steps {
                    steps.remove(&step.id);
                }
            }
        }
        steps
    }
}

impl Plan {
    /// The targets of all lanes, each once, in the order of the stages.
    pub fn targets(&self) -> Vec<&str> {
        let mut targets = Vec::new();
        for (_, lane) in self.lanes().filter(|(_, lane)| !lane.is_gate()) {
            if !targets.contains(&lane.target.as_str()) {
                targets.push(lane.target.as_str());
            }
        }
        targets
    }
}

impl Lane {
    /// Whether it is a gate: it works on nothing, and waits for a person or for time.
    pub fn is_gate(&self) -> bool {
        self.steps.iter().all(StepPlan::is_gate)
    }
}

impl StepPlan {
    /// Whether it looks for spans at the shared service.
    pub fn looks_for_spans(&self) -> bool {
        self.action == AWAIT_ARRIVAL || self.action == AWAIT_LINES
    }

    /// Whether it is a gate's.
    pub fn is_gate(&self) -> bool {
        [GATE_APPROVE, GATE_BAKE].contains(&self.action.as_str())
    }
}

impl StagePlan {
    /// The lanes that work on a target: all but gates.
    pub fn work(&self) -> impl Iterator<Item = &Lane> {
        self.lanes().filter(|lane| !lane.is_gate())
    }

    /// The stage's lanes, in order.
    pub fn lanes(&self) -> impl Iterator<Item = &Lane> {
        self.waves.iter().flat_map(|wave| &wave.lanes)
    }
}
