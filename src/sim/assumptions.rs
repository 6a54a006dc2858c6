//! Every timing and limit of the simulated account, in one place, each with where it comes from:
//! `[M]` AWS's service models · `[D]` AWS's developer guides · `[F]` seen in the field · `[K]` assumed, not confirmed. No result may
//! depend on a value tagged `[K]`.

use super::Millis;

/// All of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assumptions {
    /// Tasks, deployments, traffic.
    pub compute: Compute,
    /// Load balancers, Cloud Map, Logs, request limits.
    pub control: Control,
}

/// How long tasks and deployments take.
#[derive(Clone, Debug, PartialEq)]
pub struct Compute {
    /// From the start of a task to RUNNING: network interface, image pull. `[F]`
    pub start_to_running: Millis,
}

impl Default for Compute {
    fn default() -> Self {
        Self { start_to_running: 41_000 }
    }
}

/// How long load balancers, names and requests take.
#[derive(Clone, Debug, PartialEq)]
pub struct Control {
    /// From the answer of RegisterInstance to the instance being listed. `[M]`
    pub instance_registration: Millis,
}

impl Default for Control {
    fn default() -> Self {
        Self { instance_registration: 3_000 }
    }
}
