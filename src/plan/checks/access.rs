//! Who runs it, and whether they may.

use super::{Check, Scene, Theme};
use crate::stages::facts::Unread;
use crate::stages::findings::{FindingKind, Seen};

pub(super) const THEME: Theme = Theme {
    name: "Access",
    checks: &[
        Check {
            kind: FindingKind::note("account-not-named", "the runbook does not say which account it is for"),
            look: account_not_named,
        },
        Check {
            kind: FindingKind::blocker("permission-missing", "IAM would deny the caller something that the run asks for"),
            look: |scene| denied(scene, false),
        },
        Check {
            kind: FindingKind::warning(
                "rollback-permission-missing",
                "IAM would deny the caller something that only a rollback asks for",
            ),
            look: |scene| denied(scene, true),
        },
        Check {
            kind: FindingKind::note("permissions-not-checked", "IAM may not be asked whether the caller's permissions suffice"),
            look: |scene| unread(scene, |unread| unread.action.starts_with("iam:")),
        },
        Check {
            kind: FindingKind::warning(
                "security-groups-unread",
                "the security groups may not be read, and so not whether spans get through",
            ),
            look: |scene| unread(scene, |unread| unread.action == "ec2:DescribeSecurityGroups"),
        },
        Check {
            kind: FindingKind::note("not-checked", "something else may not be read, and so not be checked"),
            look: |scene| {
                unread(scene, |unread| !unread.action.starts_with("iam:") && unread.action != "ec2:DescribeSecurityGroups")
            },
        },
    ],
};

fn account_not_named(scene: &Scene<'_>) -> Vec<Seen> {
    if scene.account_named {
        return Vec::new();
    }
    let found =
        format!("the credentials lead to account {}; the runbook does not say whether that is the right one", scene.facts.account);
    let fix = "write account = \"…\" in the runbook's target block (in the shipped runbooks: variable `aws_account_id`)".to_owned();
    vec![Seen::new(&scene.facts.account, found, "with another profile the same command would plan for another account", fix)]
}

fn denied(scene: &Scene<'_>, back: bool) -> Vec<Seen> {
    if scene.due().next().is_none() && scene.subject.shared.iter().all(|shared| !shared.due) {
        return Vec::new();
    }
    let all = scene.facts.decisions.iter().filter(|(decision, of_back)| *of_back == back && !decision.allows());
    let list: Vec<String> = all.map(|(decision, _)| format!("{} on {}", decision.action, decision.resource)).collect();
    if list.is_empty() {
        return Vec::new();
    }
    let found = format!("IAM would deny {}", list.join("; "));
    let (consequence, fix) = match back {
        false => ("the run would stop where it is refused", "allow these actions for the caller"),
        true => ("a rollback would end stuck where it is refused", "allow these actions for the caller too"),
    };
    vec![Seen::new(&scene.facts.identity, found, consequence, fix.to_owned())]
}

fn unread(scene: &Scene<'_>, which: fn(&Unread) -> bool) -> Vec<Seen> {
    let seen = |unread: &Unread| {
        let fix = format!("allow {} for the caller, or look for yourself", unread.action);
        Seen::new(&unread.resource, format!("not read: {}", unread.why), unknown(&unread.action), fix)
    };
    scene.facts.unread.iter().filter(|unread| which(unread)).map(seen).collect()
}

/// What stays unknown without an action.
fn unknown(action: &str) -> &'static str {
    match action {
        "ec2:DescribeSecurityGroups" => "whether spans get through to the shared service is not known: that failure is silent",
        "ec2:DescribeSubnets" => "zones, free addresses and VPCs were not checked",
        "ec2:DescribeRouteTables" => "whether the image can be pulled from where the task runs was not checked",
        "ec2:DescribeVpcAttribute" => "whether the VPC answers private names was not checked",
        "route53:GetHostedZone" => "whether the namespace's names are answered in the services' VPC was not checked",
        "application-autoscaling:DescribeScalableTargets" => "whether the desired counts are scaled by AWS was not checked",
        "ecs:ListServices" | "ecs:DescribeServices" => "whether other services run the same task definition family was not checked",
        _ => "whether the permissions suffice shows only when the run is refused something",
    }
}
