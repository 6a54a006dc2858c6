//! What a load balancer's health check gets from a task's address.

use super::super::{State, jaeger};

/// What a health check's HTTP request gets from a task's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim) enum Probe {
    /// An HTTP status.
    Status(u16),
    /// Nothing answers in time (no such address, or the security group swallows it).
    TimedOut,
    /// Nothing listens on the port.
    Refused,
}

/// What `GET path` on `ip:port` gives, asked from a load balancer with these security groups.
pub(in crate::sim) fn probe(state: &State, from_groups: &[String], ip: &str, port: u16, path: &str) -> Probe {
    match jaeger::reach(state, ip, port, Some(from_groups)) {
        jaeger::Reach::Nobody => Probe::TimedOut,
        jaeger::Reach::Closed => Probe::Refused,
        jaeger::Reach::Container(task, container) => Probe::Status(jaeger::health_status(state, task, container, port, path)),
    }
}
