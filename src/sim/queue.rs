//! What happens later: events ordered by virtual time, then by the order in which they were scheduled.

use std::collections::BTreeMap;

use super::Millis;
use super::cloudmap::CloudMapEvent;
use super::ecs::EcsEvent;
use super::elbv2::ElbEvent;
use super::wire::Incoming;

/// Something that happens at a time. Each service's file owns its own events and their handler.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// See [`super::ecs::on_event`].
    Ecs(EcsEvent),
    /// See [`super::elbv2::on_event`].
    Elb(ElbEvent),
    /// See [`super::cloudmap::on_event`].
    CloudMap(CloudMapEvent),
    /// A request that was held up on its way arrives; nobody waits for its answer. See [`super::handle::land`].
    Request(Box<Incoming>),
}

/// The queue.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    events: BTreeMap<(Millis, u64), Event>,
    next: u64,
}

impl Queue {
    /// Schedules `event` for `at` (epoch milliseconds). A time in the past means: at the next look.
    pub(super) fn push(&mut self, at: Millis, event: Event) {
        self.events.insert((at, self.next), event);
        self.next += 1;
    }

    /// Takes the first event that is due at `now`, with its time.
    pub(super) fn pop_due(&mut self, now: Millis) -> Option<(Millis, Event)> {
        let entry = self.events.first_entry()?;
        if entry.key().0 > now {
            return None;
        }
        let ((at, _), event) = entry.remove_entry();
        Some((at, event))
    }
}
