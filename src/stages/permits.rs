//! What will be asked of AWS, as IAM has it. There is one list of it: stage kinds add what their steps change and read, and so does
//! whoever reads for all of them. From it the plan asks IAM whether the caller may, and a policy is written that allows just that.

use super::facts::Wants;

/// Something that AWS will be asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// As IAM spells it: `ecs:UpdateService`.
    pub action: &'static str,
    /// On what.
    pub on: Resource,
    /// When.
    pub purpose: Purpose,
    /// Whether a plan asks IAM about it. What it does without, or what IAM also holds a call against beside the resource that it is
    /// about, is only to be allowed.
    pub vital: bool,
}

/// When something is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// By a plan, and so by everything that plans or looks as a plan does.
    Plan,
    /// By a run, beside what its plan reads.
    Run,
    /// By the way back of a run.
    Rollback,
    /// By `doctor` and `logs`, beside what a plan reads.
    Doctor,
    /// By a capture of the account, beside what a plan reads.
    Snapshot,
}

/// A resource that a permission is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// A log group of this name.
    LogGroup(String),
    /// The tags of a log group, for which its ARN is written otherwise.
    LogGroupTags(String),
    /// What is in a log group.
    LogStreams(String),
    /// What is in the log groups that the containers of a service write to.
    LogStreamsOf(String),
    /// Any revision of a family.
    Family(String),
    /// Any revision of the family that a service runs.
    FamilyOf(String),
    /// The cluster.
    Cluster,
    /// Operations that know no resources, but which cluster they are about.
    InCluster,
    /// An ECS service of the cluster.
    Service(String),
    /// Every ECS service of the cluster.
    Services,
    /// AWS's records of the deployments of the cluster's services.
    Deployments,
    /// AWS's records of what these deployments rolled out.
    Revisions,
    /// The tasks of the cluster.
    Tasks,
    /// The Cloud Map services of the account.
    Names,
    /// The namespaces of this name.
    Namespaces(String),
    /// The hosted zones of the namespaces of this name.
    Zones(String),
    /// This role.
    Role(String),
    /// The roles of the task definition that a service runs: of execution, and of the task where it is to be kept.
    RolesOf(String, Roles),
    /// Every role, and every user.
    Principals,
    /// Every role.
    Roles,
    /// The security groups of a service's tasks, or of another's while it is not there.
    GroupsOf(String, String),
    /// Any rule of a security group.
    GroupRules,
    /// The target groups that a service's tasks are in: with this container, or with any.
    TargetGroupsOf(String, Option<String>),
    /// Operations that know no resources.
    Any,
}

/// Which roles of a task definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Roles {
    /// That of execution.
    Execution,
    /// That of the task.
    Task,
    /// Both.
    All,
}

impl Permission {
    /// Whether it changes nothing.
    pub fn is_read(&self) -> bool {
        let operation = self.action.rsplit(':').next().unwrap_or_default();
        crate::aws::READ_ONLY_OPERATIONS.contains(&operation)
    }
}

impl Wants {
    /// Notes that the run will ask for this.
    pub fn permit(&mut self, action: &'static str, on: Resource) {
        self.permissions.insert(Permission { action, on, purpose: Purpose::Run, vital: true });
    }

    /// Notes that the way back will ask for this.
    pub fn permit_back(&mut self, action: &'static str, on: Resource) {
        self.permissions.insert(Permission { action, on, purpose: Purpose::Rollback, vital: true });
    }

    /// Notes what the run and its way back will ask for: that the one may is what a plan asks IAM about.
    pub fn permit_both(&mut self, actions: &[&'static str], on: &Resource) {
        for action in actions {
            self.permit(action, on.clone());
        }
        self.allow(&[Purpose::Rollback], actions, on);
    }

    /// Notes what is to be allowed for these purposes, without IAM being asked whether it is.
    pub fn allow(&mut self, purposes: &[Purpose], actions: &[&'static str], on: &Resource) {
        for purpose in purposes {
            for action in actions {
                self.permissions.insert(Permission { action, on: on.clone(), purpose: *purpose, vital: false });
            }
        }
    }
}

/// A run and its way back.
pub const BOTH: [Purpose; 2] = [Purpose::Run, Purpose::Rollback];
/// Who shows log lines.
const READERS: [Purpose; 3] = [Purpose::Run, Purpose::Rollback, Purpose::Doctor];

/// What any way back reads: where services stand, and whether anybody else uses what goes.
fn looks_back(wants: &mut Wants) {
    wants.allow(&[Purpose::Rollback], &["ecs:DescribeServices"], &Resource::Services);
    wants.allow(&[Purpose::Rollback], &["ecs:ListServices"], &Resource::InCluster);
    wants.allow(&[Purpose::Rollback], &["ecs:DescribeTaskDefinition"], &Resource::Any);
}

/// What the updates of a service ask for, and looking what became of them.
pub fn updates(wants: &mut Wants, service: &str) {
    let on = Resource::Service(service.to_owned());
    // A claim is a tag.
    wants.permit_both(&["ecs:UpdateService", "ecs:TagResource", "ecs:UntagResource", "ecs:ListServiceDeployments"], &on);
    // Where a deployment went back to.
    for on in [Resource::Services, Resource::Deployments] {
        wants.allow(&BOTH, &["ecs:DescribeServiceDeployments"], &on);
    }
    for on in [Resource::Services, Resource::Revisions] {
        wants.allow(&BOTH, &["ecs:DescribeServiceRevisions"], &on);
    }
    // The way forward does so for its plan.
    wants.allow(&[Purpose::Rollback], &["ecs:ListTasks"], &Resource::InCluster);
    wants.allow(&[Purpose::Rollback], &["ecs:DescribeTasks"], &Resource::Tasks);
    let balancer = ["elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetHealth"];
    wants.allow(&[Purpose::Rollback], &balancer, &Resource::Any);
    // What it is to be registered with again may be gone.
    wants.allow(&[Purpose::Rollback], &["servicediscovery:GetService"], &Resource::Names);
    looks_back(wants);
}

/// What the registering of revisions asks for, and their going away.
pub fn registers(wants: &mut Wants, family: &Resource) {
    for action in ["ecs:RegisterTaskDefinition", "ecs:TagResource"] {
        wants.permit(action, family.clone());
    }
    wants.permit_both(&["ecs:ListTaskDefinitions"], &Resource::Any);
    wants.permit_back("ecs:DeregisterTaskDefinition", Resource::Any);
    looks_back(wants);
}

/// What the changing of services asks for: a revision of their families, with the roles it has, and an update. Taken back where a
/// service has moved on since, it takes a new revision too.
pub fn changes_services(wants: &mut Wants, services: &[String]) {
    for service in services {
        let family = Resource::FamilyOf(service.clone());
        registers(wants, &family);
        wants.allow(&[Purpose::Rollback], &["ecs:RegisterTaskDefinition", "ecs:TagResource"], &family);
        wants.permit_both(&["iam:PassRole"], &Resource::RolesOf(service.clone(), Roles::All));
        updates(wants, service);
        wants.allow(&READERS, &["logs:GetLogEvents"], &Resource::LogStreamsOf(service.clone()));
    }
    wants.permit("elasticloadbalancing:DescribeTargetHealth", Resource::Any);
}

/// What making a log group asks for, and its going away, or its retention as it was.
pub fn makes_log_group(wants: &mut Wants, name: &str) {
    let group = Resource::LogGroup(name.to_owned());
    for action in ["logs:CreateLogGroup", "logs:PutRetentionPolicy"] {
        wants.permit(action, group.clone());
    }
    for action in ["logs:DeleteLogGroup", "logs:DescribeLogStreams"] {
        wants.permit_back(action, group.clone());
    }
    // What it puts back, where the group was there before.
    wants.allow(&[Purpose::Rollback], &["logs:PutRetentionPolicy", "logs:DeleteRetentionPolicy"], &group);
    let tags = Resource::LogGroupTags(name.to_owned());
    wants.allow(&[Purpose::Run], &["logs:TagResource"], &tags);
    wants.allow(&BOTH, &["logs:ListTagsForResource"], &tags);
    wants.allow(&[Purpose::Rollback], &["logs:DescribeLogGroups"], &Resource::Any);
    wants.allow(&[Purpose::Doctor], &["logs:FilterLogEvents"], &group);
}

/// What the reading of a log group's last lines asks for.
pub fn reads_logs(wants: &mut Wants, group: &str) {
    wants.allow(&READERS, &["logs:GetLogEvents"], &Resource::LogStreams(group.to_owned()));
}

/// What making a name asks for, and its going away.
pub fn makes_name(wants: &mut Wants, namespace: &str) {
    let names = Resource::Names;
    wants.permit("servicediscovery:CreateService", names.clone());
    // The namespace is what IAM holds it against, and the service that is made.
    wants.allow(&[Purpose::Run], &["servicediscovery:CreateService"], &Resource::Namespaces(namespace.to_owned()));
    wants.allow(&[Purpose::Run], &["servicediscovery:TagResource"], &Resource::Any);
    wants.permit("servicediscovery:GetInstancesHealthStatus", Resource::Any);
    wants.permit_both(&["servicediscovery:ListInstances"], &Resource::Any);
    wants.permit_back("servicediscovery:DeleteService", names.clone());
    wants.allow(&[Purpose::Rollback], &["servicediscovery:GetService"], &names);
    wants.allow(&[Purpose::Rollback], &["servicediscovery:ListServices", "servicediscovery:ListTagsForResource"], &Resource::Any);
}
