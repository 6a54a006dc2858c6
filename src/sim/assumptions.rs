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
    /// PROVISIONING: the network interface is made. With `pull` and `activation` 41 s. `[F]`
    pub provisioning: Millis,
    /// PENDING: the images are pulled. `[F]`
    pub pull: Millis,
    /// ACTIVATING: targets and names are set up, containers run. `[F]`
    pub activation: Millis,
    /// Up to so much is added to the start of each task, drawn from the seed. `[K]`
    pub start_jitter: Millis,
    /// How long after its start a container that crashes exits: before the task counts as RUNNING. `[F]`
    pub crash_after: Millis,
    /// From SIGTERM to the last container's exit. `[F]`
    pub stop: Millis,
    /// DEPROVISIONING: the network interface is removed. `[F]`
    pub deprovision: Millis,
    /// How often ECS looks whether a target is drained. `[K]`
    pub drain_poll: Millis,
    /// How often the scheduler looks at a service on the move. `[K]`
    pub rollout_poll: Millis,
    /// How often the scheduler looks at a settled service. `[K]`
    pub steady_poll: Millis,
    /// For how long a STOPPED task is still described. `[D]`
    pub stopped_task_kept: Millis,
    /// For at least so long DescribeServices may show a service as it was before a change. `[F]`
    pub stale_min: Millis,
    /// And for at most so long. `[F]`
    pub stale_max: Millis,
    /// A task with neither load balancer nor container check is healthy after so long in RUNNING. `[D]`
    pub healthy_without_check: Millis,
    /// After so many tasks in a row that never reached RUNNING, launches are throttled. `[K]`
    pub back_off_after: u32,
    /// The first pause between throttled launches; it doubles. `[K]`
    pub back_off_first: Millis,
    /// The longest pause. `[D]`
    pub back_off_max: Millis,
    /// The circuit breaker's threshold is never below. `[M]`
    pub breaker_floor: i64,
    /// The circuit breaker's threshold is never above (`BOUNDED_PERCENT`). `[M]`
    pub breaker_cap: i64,
    /// The same complaint is not repeated in a service's events, and a steady state is said again, after so long. `[F]`
    pub event_repeat: Millis,
    /// A service keeps so many events. `[M]`
    pub events_kept: usize,
    /// A rollback makes the earlier deployment PRIMARY again under its own id; otherwise it gets a new one. `[K]`
    pub rollback_reuses_deployment: bool,
    /// After a rollback `currentServiceDeployment` names the service deployment that is back; otherwise the one that was rolled back. `[K]`
    pub rollback_returns_record: bool,
    /// CreateService and UpdateService refuse availability zone rebalancing together with maximumPercent 100. `[K]`
    pub rebalancing_refuses_100: bool,
    /// A health check grace period without a load balancer is refused. `[K]`
    pub grace_needs_load_balancer: bool,
    /// For how long a client remembers that a name does not resolve, in seconds (the zone's SOA). `[K]`
    pub negative_dns_ttl: u32,
    /// A service may want so many tasks; AWS's quota is 5,000, of which one at work is enough to be slow here. `[K]`
    pub tasks_per_service: i64,
    /// For how long CreateService remembers a client token. `[K]`
    pub token_kept: Millis,
    /// Whether the token of a service that was deleted since still gives the first call's answer, and makes nothing. `[K]`
    pub token_outlives_service: bool,
}

impl Default for Compute {
    fn default() -> Self {
        Self {
            provisioning: 10_000,
            pull: 26_000,
            activation: 5_000,
            start_jitter: 3_000,
            crash_after: 2_000,
            stop: 10_000,
            deprovision: 10_000,
            drain_poll: 1_000,
            rollout_poll: 1_000,
            steady_poll: 10_000,
            stopped_task_kept: 3_600_000,
            stale_min: 1_000,
            stale_max: 3_000,
            healthy_without_check: 40_000,
            back_off_after: 3,
            back_off_first: 30_000,
            back_off_max: 27 * 60_000,
            breaker_floor: 3,
            breaker_cap: 200,
            event_repeat: 6 * 3_600_000,
            events_kept: 100,
            rollback_reuses_deployment: true,
            rollback_returns_record: false,
            rebalancing_refuses_100: true,
            grace_needs_load_balancer: false,
            negative_dns_ttl: 15,
            tasks_per_service: 1_000,
            token_kept: 24 * 3_600_000,
            token_outlives_service: true,
        }
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
    /// A security group has so many rules of ingress at most. `[D]`
    pub rules_per_group: usize,
    /// From a change of a rule to descriptions of rules showing it: EC2's answers are eventually consistent `[D]`, for how long
    /// nobody says `[K]`.
    pub rule_seen_after: Millis,
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
            rules_per_group: 60,
            rule_seen_after: 2_000,
            events_scanned: 1_000,
        }
    }
}
