//! The whole simulated account, and the one place where its time goes forward.

use serde_json::Value;

use super::assumptions::Assumptions;
use super::faults::Faults;
use super::limits::Limits;
use super::queue::{Event, Queue};
use super::unseen::Unseen;
use super::values::Object;
use super::{cloudmap, ec2, ecs, elbv2, handle, iam, logs, scaling, sts, traffic};

/// Milliseconds since the Unix epoch, virtual time.
pub type Millis = i64;

/// Everything in the account. The services' parts are owned by their own files; cross-service effects go through the functions
/// of those files that take `&mut State`.
#[derive(Clone, Debug)]
pub struct State {
    /// Virtual now.
    pub(super) now: Millis,
    /// What happens later.
    pub(super) queue: Queue,
    /// The one source of randomness: ids, jitter. Seeded.
    pub(super) rng: fastrand::Rng,
    /// Twelve digits.
    pub(super) account: String,
    /// For example `us-west-2`.
    pub(super) region: String,
    /// Timings and limits.
    pub(super) assume: Assumptions,
    pub(super) ecs: ecs::Ecs,
    pub(super) logs: logs::Logs,
    pub(super) cloudmap: cloudmap::CloudMap,
    pub(super) elbv2: elbv2::Elbv2,
    pub(super) ec2: ec2::Ec2,
    pub(super) sts: sts::Sts,
    pub(super) iam: iam::Iam,
    pub(super) scaling: scaling::Scaling,
    /// One entry per mutation that took effect.
    pub(super) ledger: Vec<Effect>,
    /// What shall go wrong.
    pub(super) faults: Faults,
    /// What the world file could not see, and callers cannot either.
    pub(super) unseen: Unseen,
    /// What the callers may still ask for.
    pub(super) limits: Limits,
    /// How many request ids were given out; they have a sequence of their own, so that a look changes nothing else.
    pub(super) request_ids: u64,
    /// Members of the world file that nothing here knows.
    pub(super) extra: Object,
}

/// A request after the wire format is taken off.
#[derive(Clone, Debug)]
pub struct Call {
    /// The operation, as AWS spells it: `CreateService`.
    pub operation: String,
    /// The request id that the answer will carry.
    pub request_id: String,
    /// The SDK's invocation id (`amz-sdk-invocation-id`), if sent.
    pub invocation_id: Option<String>,
    /// Attempt number from `amz-sdk-request`, 1 if absent.
    pub attempt: u32,
    /// The access key id in the signature: who calls.
    pub access_key: String,
}

/// One mutation that took effect.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// From 1.
    pub sequence: u64,
    /// When, virtual.
    pub at: Millis,
    /// The operation.
    pub action: String,
    /// See [`Call::request_id`].
    pub request_id: String,
    /// See [`Call::invocation_id`].
    pub invocation_id: Option<String>,
    /// See [`Call::attempt`].
    pub attempt: u32,
    /// The idempotency token, where the operation has one.
    pub token: Option<String>,
    /// See [`Call::access_key`].
    pub caller: String,
    /// ARN or name of what was changed.
    pub resource: String,
}

/// An error answer, before the wire format is put on.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// The code on the wire: `InvalidParameterException`, `TargetGroupNotFound`.
    pub code: String,
    /// AWS's message.
    pub message: String,
    /// Further members of a JSON error body (`ServiceId` of `ServiceAlreadyExists`, say).
    pub members: serde_json::Map<String, Value>,
}

impl ApiError {
    /// An error of status 400.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { status: 400, code: code.to_owned(), message: message.into(), members: serde_json::Map::new() }
    }
}

impl State {
    /// Draws everything from another seed from now on.
    pub fn reseed(&mut self, seed: u64) {
        self.rng = fastrand::Rng::with_seed(seed);
    }

    /// Timings and limits, to be changed before the account is used.
    pub fn assumptions(&mut self) -> &mut Assumptions {
        &mut self.assume
    }

    /// Moves time to `now`, letting everything that is due happen in order. Time never goes back.
    pub fn advance(&mut self, now: Millis) {
        while let Some((at, event)) = self.queue.pop_due(now) {
            // Spans sent before the event met the world as it was before it.
            traffic::account(self, at.max(self.now));
            self.now = self.now.max(at);
            // What tasks answer changes with these two kinds only, and not where the scheduler merely looks at a service.
            let may_change_answers = match &event {
                Event::Ecs(event) => event.may_change_answers(),
                Event::Request(_) => true,
                Event::Elb(_) | Event::CloudMap(_) => false,
            };
            match event {
                Event::Ecs(event) => ecs::on_event(self, event),
                Event::Elb(event) => elbv2::on_event(self, event),
                Event::CloudMap(event) => cloudmap::on_event(self, event),
                Event::Request(incoming) => handle::land(self, *incoming),
            }
            if may_change_answers {
                elbv2::look_again(self);
            }
        }
        traffic::account(self, now.max(self.now));
        self.now = self.now.max(now);
    }

    /// Virtual now, epoch milliseconds.
    pub fn now(&self) -> Millis {
        self.now
    }

    /// The account, twelve digits.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The Region, for example `us-west-2`.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Timings and limits, to be changed before the account is used.
    pub fn assumptions_mut(&mut self) -> &mut Assumptions {
        &mut self.assume
    }

    /// Notes that a mutation took effect.
    pub(super) fn note_effect(&mut self, call: &Call, token: Option<String>, resource: impl Into<String>) {
        self.ledger.push(Effect {
            sequence: self.ledger.len() as u64 + 1,
            at: self.now,
            action: call.operation.clone(),
            request_id: call.request_id.clone(),
            invocation_id: call.invocation_id.clone(),
            attempt: call.attempt,
            token,
            caller: call.access_key.clone(),
            resource: resource.into(),
        });
    }

    /// The id of the next request, a UUID.
    pub(super) fn next_request_id(&mut self) -> String {
        self.request_ids += 1;
        let mut rng = fastrand::Rng::with_seed(self.request_ids.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut hex = |n: usize| -> String { (0..n).map(|_| char::from(b"0123456789abcdef"[rng.usize(..16)])).collect() };
        format!("{}-{}-4{}-8{}-{}", hex(8), hex(4), hex(3), hex(3), hex(12))
    }

    /// A random text of `n` lower-case hexadecimal digits.
    pub(super) fn hex(&mut self, n: usize) -> String {
        (0..n).map(|_| char::from(b"0123456789abcdef"[self.rng.usize(..16)])).collect()
    }

    /// A random text of `n` decimal digits.
    pub(super) fn digits(&mut self, n: usize) -> String {
        (0..n).map(|_| char::from(b'0' + self.rng.u8(..10))).collect()
    }
}
