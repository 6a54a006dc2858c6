//! What an examination asks AWS for beside what a plan reads, and so does the following of logs: the log groups stand with the stages.

use crate::stages::facts::{Purpose, Resource, Wants};

/// Notes it.
pub fn permits(wants: &mut Wants) {
    let has_names = !wants.names.is_empty();
    let mut read = |on: Resource, actions: &[&'static str]| wants.allow(&[Purpose::Doctor], actions, &on);
    read(Resource::Any, &["elasticloadbalancing:DescribeTargetHealth"]);
    if has_names {
        read(Resource::Any, &["servicediscovery:GetInstancesHealthStatus", "servicediscovery:ListInstances"]);
    }
}
