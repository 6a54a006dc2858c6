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
    /// From a request's effect to its answer, in process. `[K]`
    pub latency: Millis,
    /// Whether the token buckets hold. `[D]`
    pub limits: bool,
    /// From the answer of RegisterInstance to the instance being listed and in DNS. `[M]`
    pub instance_registration: Millis,
    /// From DeregisterInstance (or a task's end) to the instance being gone: drawn between these, both included. Seen up to 120 s
    /// in the field. `[F]`
    pub instance_deregistration: (Millis, Millis),
    /// From a reported custom health to the instance showing it: one interval of 30 s. `[D]`
    pub health_report: Millis,
    /// From RegisterTargets to the first health check. `[K]`
    pub first_check: Millis,
    /// How many log events one page of FilterLogEvents looks at before it is cut. `[K]`
    pub events_scanned: usize,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            latency: 40,
            limits: true,
            instance_registration: 3_000,
            instance_deregistration: (2_000, 25_000),
            health_report: 30_000,
            first_check: 1_000,
            events_scanned: 1_000,
        }
    }
}
