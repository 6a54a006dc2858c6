//! The little of EC2 that the migration looks at: security groups, subnets, VPCs.

use serde_json::Value;

use super::{ApiError, Call, State};

/// `ec2` of a world file.
#[derive(Clone, Debug, Default)]
pub(super) struct Ec2 {}

/// A subnet.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SubnetInfo {
    pub(super) vpc_id: String,
    pub(super) zone: String,
    /// For example `10.0.10.0/24`.
    pub(super) cidr: String,
}

/// Answers one EC2 operation. Input and output use the wire's member names as JSON (lists as arrays).
pub(super) fn call(_state: &mut State, call: &Call, _input: &Value) -> Result<Value, ApiError> {
    Err(ApiError::new("InvalidAction", format!("The action {} is not valid for this web service.", call.operation)))
}

impl Ec2 {
    /// The subnet of this id.
    pub(super) fn subnet(&self, _id: &str) -> Option<SubnetInfo> {
        None
    }

    /// Whether a security group of this id exists.
    pub(super) fn security_group_exists(&self, _id: &str) -> bool {
        false
    }

    /// Whether TCP from a network interface with `from_ip` and `from_groups` is let through to `port` of one with `to_groups`:
    /// egress of the sender and ingress of the receiver, rules by group, CIDR and `-1` protocol.
    pub(super) fn lets_through(
        &self,
        _from_ip: &str,
        _from_groups: &[String],
        _to_ip: &str,
        _to_groups: &[String],
        _port: u16,
    ) -> bool {
        true
    }
}
