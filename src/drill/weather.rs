//! What goes wrong in one run of a swarm, drawn from its seed: a random subset of all there is, so that each run meets some faults
//! often and others never.

use crate::sim::assumptions::Assumptions;
use crate::sim::{Fault, ImageFault, LaunchFault, Millis, Refusal, RequestFault, RequestFaultKind, State};

/// A kind of trouble, as the tally names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// AWS throttles.
    Throttle,
    /// AWS answers 500.
    Error500,
    /// The connection breaks before the effect.
    DropBefore,
    /// The connection breaks after the effect.
    DropAfter,
    /// No answer comes, and nothing happened.
    Hold,
    /// The answer comes too late.
    LateAnswer,
    /// The effect comes after the client gave up.
    LateEffect,
    /// Reads show what was before.
    Stale,
    /// AWS refuses sound requests for a while.
    Refusal,
    /// Credentials expire.
    Expire,
    /// The shared service's image is bad for a while.
    Image,
    /// Nothing can be placed for a while.
    Capacity,
    /// The execution role may not write logs for a while.
    LogsDenied,
    /// Somebody else deploys an API service.
    ForeignDeployment,
    /// Somebody else deletes what the run made.
    ForeignDelete,
    /// Somebody else uses what the run made.
    ForeignUse,
    /// The journal cannot be written.
    Journal,
    /// The process is killed.
    Crash,
    /// The machine's clock is wrong.
    Skew,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::Throttle,
        Self::Error500,
        Self::DropBefore,
        Self::DropAfter,
        Self::Hold,
        Self::LateAnswer,
        Self::LateEffect,
        Self::Stale,
        Self::Refusal,
        Self::Expire,
        Self::Image,
        Self::Capacity,
        Self::LogsDenied,
        Self::ForeignDeployment,
        Self::ForeignDelete,
        Self::ForeignUse,
        Self::Journal,
        Self::Crash,
        Self::Skew,
    ];

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Throttle => "throttled",
            Self::Error500 => "server error",
            Self::DropBefore => "connection lost before the effect",
            Self::DropAfter => "connection lost after the effect",
            Self::Hold => "no answer",
            Self::LateAnswer => "late answer",
            Self::LateEffect => "effect after the client gave up",
            Self::Stale => "stale reads",
            Self::Refusal => "sound requests refused",
            Self::Expire => "credentials expire",
            Self::Image => "bad image",
            Self::Capacity => "no capacity",
            Self::LogsDenied => "log permission missing",
            Self::ForeignDeployment => "deployment by somebody else",
            Self::ForeignDelete => "deletion by somebody else",
            Self::ForeignUse => "use by somebody else",
            Self::Journal => "journal not writable",
            Self::Crash => "process killed",
            Self::Skew => "wrong clock",
        }
    }

    /// Whether another hand changes the account: then the run may have to stop for a person.
    pub fn foreign(self) -> bool {
        matches!(self, Self::ForeignDeployment | Self::ForeignDelete | Self::ForeignUse)
    }
}

/// Something that happens at a time.
#[derive(Clone, Debug)]
pub enum Happening {
    /// To the account.
    Fault(Fault),
    /// Somebody else deploys an API service.
    Deploys,
    /// Somebody else deletes one of the run's resources.
    Deletes,
    /// Somebody else begins to use the run's name.
    Uses,
}

/// How an append to the journal fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalFault {
    /// Nothing is kept.
    NotWritten,
    /// It is kept, and the error says otherwise.
    Ambiguous,
}

/// See the module's text.
#[derive(Clone, Debug)]
pub struct Weather {
    /// What may strike in this run.
    pub kinds: Vec<Kind>,
    /// So many times the process is started while the weather lasts.
    pub lives: usize,
    random: fastrand::Rng,
    late: Late,
}

/// Stale reads that come late and last: what AWS does to anybody at any time, in every weather. They are drawn by themselves.
#[derive(Clone, Debug)]
struct Late(fastrand::Rng);

impl Late {
    fn stale_reads(&mut self) -> Vec<RequestFault> {
        const AFTER: [&str; 5] = ["*", "DescribeServices", "UpdateService", "DeregisterTaskDefinition", "ListTasks"];
        let random = &mut self.0;
        let faults = random.usize(0..=2);
        let mut fault = || {
            let action = AFTER[random.usize(..AFTER.len())];
            let nth = match action {
                "*" => random.u32(1..=300),
                "UpdateService" | "DeregisterTaskDefinition" => random.u32(1..=4),
                _ => random.u32(1..=80),
            };
            let kind = RequestFaultKind::Stale { reads: random.u32(1..=12) };
            RequestFault { action: action.to_owned(), nth, times: 1, kind }
        };
        (0..faults).map(|_| fault()).collect()
    }
}

/// What strikes one process.
#[derive(Clone, Debug, Default)]
pub struct Life {
    /// Faults of requests.
    pub requests: Vec<RequestFault>,
    /// What happens when, from the process's start.
    pub happenings: Vec<(Millis, Happening)>,
    /// Which append fails, and how.
    pub journal: Option<(usize, JournalFault)>,
    /// At which crash point it is killed.
    pub crash: Option<usize>,
    /// How wrong its clock is, in milliseconds.
    pub skew: Millis,
    /// Whether the operator goes back rather than on.
    pub back: bool,
    /// How long nobody works on the run before.
    pub away: Millis,
}

/// Operations that change something, and those that are asked most.
const ASKED: &[&str] = &[
    "*",
    "CreateLogGroup",
    "PutRetentionPolicy",
    "RegisterTaskDefinition",
    "ecs:CreateService",
    "servicediscovery:CreateService",
    "UpdateService",
    "TagResource",
    "UntagResource",
    "DeregisterTaskDefinition",
    "DeleteService",
    "DeleteLogGroup",
    "DescribeServices",
    "DescribeTaskDefinition",
    "DescribeTargetHealth",
    "ListTasks",
    "ListInstances",
];

/// How long bad times last.
const SPELL: std::ops::RangeInclusive<Millis> = 20_000..=25 * 60_000;

impl Weather {
    /// Draws one.
    pub fn draw(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed ^ 0x005e_ed0f_5a17);
        let mut kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|_| random.u8(..100) < 25).collect();
        // Most runs are left alone by others: there the verdict is exact.
        if random.u8(..100) < 60 {
            kinds.retain(|kind| !kind.foreign());
        }
        let lives = random.usize(1..=4);
        Self { kinds, lives, random, late: Late(fastrand::Rng::with_seed(seed ^ 0x001a_7e57_a1e5)) }
    }

    /// Whether a kind may strike.
    pub fn has(&self, kind: Kind) -> bool {
        self.kinds.contains(&kind)
    }

    /// Draws the account's manners: everything that is assumed and not confirmed.
    pub fn manners(&mut self, assume: &mut Assumptions) {
        let random = &mut self.random;
        let compute = &mut assume.compute;
        compute.start_jitter = random.i64(0..=15_000);
        compute.drain_poll = random.i64(500..=5_000);
        compute.rollout_poll = random.i64(500..=5_000);
        compute.steady_poll = random.i64(5_000..=20_000);
        compute.back_off_after = random.u32(1..=5);
        compute.back_off_first = random.i64(5_000..=60_000);
        compute.rollback_reuses_deployment = random.bool();
        compute.rollback_returns_record = random.bool();
        compute.rebalancing_refuses_100 = random.bool();
        compute.grace_needs_load_balancer = random.bool();
        compute.negative_dns_ttl = random.u32(1..=60);
        compute.token_kept = random.i64(60_000..=24 * 3_600_000);
        compute.token_outlives_service = random.bool();
        compute.tasks_per_service = random.i64(100..=5_000);
        assume.control.latency = random.i64(5..=400);
        assume.control.events_scanned = random.usize(10..=2_000);
        // Below what the run itself waits before it believes that something is not there.
        assume.control.rule_seen_after = random.i64(0..=4_500);
        assume.control.instance_deregistration = (random.i64(0..=5_000), random.i64(5_000..=120_000));
    }

    /// Draws what strikes the next process.
    pub fn life(&mut self, image: &str) -> Life {
        let kinds = self.kinds.clone();
        let mut life = Life { back: self.random.u8(..100) < 25, away: self.random.i64(0..=180_000), ..Life::default() };
        for kind in kinds {
            self.add(kind, image, &mut life);
        }
        life.requests.extend(self.late.stale_reads());
        life
    }

    fn add(&mut self, kind: Kind, image: &str, life: &mut Life) {
        let random = &mut self.random;
        let mut requests = |kind: RequestFaultKind, times: u32| {
            for _ in 0..random.u32(1..=3) {
                let action = ASKED[random.usize(..ASKED.len())].to_owned();
                let nth = if action == "*" { random.u32(1..=150) } else { random.u32(1..=4) };
                let times = random.u32(1..=times);
                life.requests.push(RequestFault { action, nth, times, kind });
            }
        };
        match kind {
            Kind::Throttle => requests(RequestFaultKind::Throttle, 6),
            Kind::Error500 => requests(RequestFaultKind::Error500, 4),
            Kind::DropBefore => requests(RequestFaultKind::DropBefore, 3),
            Kind::DropAfter => requests(RequestFaultKind::DropAfter, 3),
            Kind::Hold => requests(RequestFaultKind::Hold, 2),
            Kind::Stale => requests(RequestFaultKind::Stale { reads: 3 }, 3),
            Kind::Expire => requests(RequestFaultKind::Expire, 20),
            Kind::LateAnswer => requests(RequestFaultKind::Late { millis: 45_000 }, 2),
            Kind::LateEffect => {
                let millis = random.i64(200..=9_000);
                let mut requests = |action: &str| {
                    let nth = random.u32(1..=3);
                    let kind = RequestFaultKind::LandsLate { millis };
                    life.requests.push(RequestFault { action: action.to_owned(), nth, times: 1, kind });
                };
                ["UpdateService", "RegisterTaskDefinition", "ecs:CreateService", "CreateLogGroup", "TagResource"]
                    .into_iter()
                    .for_each(&mut requests);
            }
            Kind::Refusal => {
                let refusal = Refusal::ALL[random.usize(..Refusal::ALL.len())];
                let action = match refusal {
                    Refusal::ConcurrentRevision => "RegisterTaskDefinition",
                    Refusal::OperationAborted => "PutRetentionPolicy",
                    Refusal::ResourceInUse => "servicediscovery:DeleteService",
                    Refusal::TagsNotPermitted => ["ecs:CreateService", "TagResource", "UntagResource"][random.usize(..3)],
                };
                let times = random.u32(1..=8);
                life.requests.push(RequestFault {
                    action: action.to_owned(),
                    nth: 1,
                    times,
                    kind: RequestFaultKind::Refuse(refusal),
                });
            }
            Kind::Image => {
                let faults = [ImageFault::CannotPull, ImageFault::Exits, ImageFault::Unhealthy];
                let fault = faults[random.usize(..faults.len())];
                let (image, healed) = (image.to_owned(), image.to_owned());
                self.spell(life, Fault::Image { image, fault: Some(fault) }, Fault::Image { image: healed, fault: None });
            }
            Kind::Capacity | Kind::LogsDenied => {
                let fault = if kind == Kind::Capacity { LaunchFault::NoCapacity } else { LaunchFault::LogsDenied };
                self.spell(life, Fault::Launch { fault, on: true }, Fault::Launch { fault, on: false });
            }
            Kind::ForeignDeployment => life.happenings.push((random.i64(0..=10 * 60_000), Happening::Deploys)),
            Kind::ForeignUse => life.happenings.push((random.i64(0..=10 * 60_000), Happening::Uses)),
            Kind::ForeignDelete => life.happenings.push((random.i64(0..=10 * 60_000), Happening::Deletes)),
            Kind::Journal => {
                let fault = if random.bool() { JournalFault::NotWritten } else { JournalFault::Ambiguous };
                life.journal = Some((random.usize(1..=40), fault));
            }
            Kind::Crash => life.crash = Some(random.usize(40..=460)),
            Kind::Skew => life.skew = random.i64(-240_000..=240_000),
        }
    }

    /// Bad times that begin and end.
    fn spell(&mut self, life: &mut Life, begins: Fault, ends: Fault) {
        let at = self.random.i64(0..=8 * 60_000);
        let lasts = self.random.i64(SPELL);
        life.happenings.push((at, Happening::Fault(begins)));
        life.happenings.push((at + lasts, Happening::Fault(ends)));
    }
}

/// Puts a life's request faults into an account.
pub fn arm(state: &mut State, life: &Life) {
    for fault in &life.requests {
        state.add_fault(Fault::Request(fault.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is assumed and not confirmed is drawn: else a result could rest on it.
    #[test]
    fn every_unconfirmed_assumption_is_drawn() {
        let (assumptions, here) = (include_str!("../sim/assumptions.rs"), include_str!("weather.rs"));
        let mut unconfirmed = Vec::new();
        let mut tagged = false;
        for line in assumptions.lines().map(str::trim) {
            match line.strip_prefix("pub ").and_then(|field| field.split_once(": ")) {
                Some((field, _)) if tagged && !field.contains(' ') => unconfirmed.push(field),
                _ if line.starts_with("///") => {
                    tagged |= line.contains("`[K]`");
                    continue;
                }
                _ => {}
            }
            tagged = false;
        }
        assert!(unconfirmed.len() > 10, "{unconfirmed:?}");
        let missing: Vec<&str> = unconfirmed.into_iter().filter(|field| !here.contains(&format!(".{field} = random"))).collect();
        assert_eq!(missing, Vec::<&str>::new());
    }

    #[test]
    fn one_seed_gives_one_weather() {
        let course = |seed| {
            let mut weather = Weather::draw(seed);
            let lives: Vec<Life> = (0..3).map(|_| weather.life("image")).collect();
            format!("{:?} {lives:?}", weather.kinds)
        };
        assert_eq!(course(3), course(3));
        assert_ne!(course(3), course(4));
    }
}
