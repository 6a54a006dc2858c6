//! The tables from names to code: stage kinds by the runbook's word, steps by the plan's action.

use super::dns::Dns;
use super::facts::Wants;
use super::health_path::HealthPath;
use super::kind::StageKind;
use super::log_group::LogGroup;
use super::open_ports::OpenPorts;
use super::retarget_env::RetargetEnv;
use super::service::Service;
use super::step::{MutationStep, Step, WaitStep};
use super::steps;
use super::strip_sidecar::StripSidecar;
use super::task_definition::TaskDefinition;
use crate::model::{AWAIT_ARRIVAL, AWAIT_LINES, AWAIT_SERVING, GATE_APPROVE, GATE_BAKE, Runbook};

/// Every stage kind.
pub fn kinds() -> [&'static dyn StageKind; 8] {
    [&LogGroup, &TaskDefinition, &OpenPorts, &HealthPath, &Service, &Dns, &RetargetEnv, &StripSidecar]
}

/// The stage kind of this name.
pub fn kind(name: &str) -> Option<&'static dyn StageKind> {
    kinds().into_iter().find(|kind| kind.kind() == name)
}

/// What the stages of a runbook want that are switched on.
pub fn wants(runbook: &Runbook) -> Wants {
    let mut wants = Wants::default();
    for decl in &runbook.stages {
        if let Some(kind) = kind(&decl.kind) {
            kind.wants(decl, &mut wants);
        }
    }
    wants
}

fn mutation(step: impl MutationStep + 'static) -> Step {
    Step::Mutation(Box::new(step))
}

fn wait(step: impl WaitStep + 'static) -> Step {
    Step::Wait(Box::new(step))
}

/// The step that executes an action; `None` for an action that this version does not know.
pub fn step(action: &str) -> Option<Step> {
    Some(match action {
        "aws.look-for-users" => wait(steps::LookForUsers),
        "ec2.authorize-ingress" => mutation(steps::Authorize),
        "ec2.revoke-ingress" => mutation(steps::Revoke),
        "ecs.await-rollout" => wait(steps::AwaitRollout),
        "ecs.await-service" => wait(steps::AwaitInactive),
        AWAIT_SERVING => wait(steps::AwaitServing),
        "ecs.create-service" => mutation(steps::CreateService),
        "ecs.delete-service" => mutation(steps::DeleteService),
        "ecs.deregister-task-definition" => mutation(steps::Deregister),
        "ecs.register-edited-task-definition" => mutation(steps::RegisterEdited),
        "ecs.register-task-definition" => mutation(steps::Register),
        "ecs.update-service" => mutation(steps::UpdateService),
        "ecs.verify-task-definition" => wait(steps::VerifyRevision),
        "elb.await-no-targets" => wait(steps::AwaitNoTargets),
        "elb.await-own-targets" => wait(steps::AwaitOwnTargets),
        "elb.set-health-path" => mutation(steps::SetHealthPath),
        "elb.watch-targets" => wait(steps::WatchTargets),
        GATE_APPROVE => wait(steps::Approval),
        GATE_BAKE => wait(steps::Bake),
        "logs.create-log-group" => mutation(steps::CreateLogGroup),
        "logs.delete-log-group" => mutation(steps::DeleteLogGroup),
        "logs.put-retention" => mutation(steps::PutRetention),
        "servicediscovery.await-instances" => wait(steps::AwaitInstances),
        "servicediscovery.await-no-instances" => wait(steps::AwaitNoInstances),
        "servicediscovery.create-service" => mutation(steps::CreateName),
        "servicediscovery.delete-service" => mutation(steps::DeleteName),
        AWAIT_ARRIVAL => wait(steps::SpansArrive),
        AWAIT_LINES => wait(steps::LinesArrive),
        "spans.look-at-lines" => wait(steps::LinesBefore),
        "spans.look-before" => wait(steps::TrafficBefore),
        _ => return None,
    })
}
