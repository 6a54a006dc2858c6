//! Who runs it, and whether they may.

use super::{Check, Scene, Theme};
use crate::plan::estimate;
use crate::stages::facts::Unread;
use crate::stages::findings::{FindingKind, Seen};

pub(super) const THEME: Theme = Theme {
    name: "Access",
    checks: &[
        Check {
            kind: FindingKind::warning("credentials-short-lived", "the credentials end before the run is expected to"),
            look: credentials_short_lived,
        },
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

fn credentials_short_lived(scene: &Scene<'_>) -> Vec<Seen> {
    let expected = estimate::seconds(scene.facts, scene.subject);
    let short = scene.facts.credentials_left.filter(|left| *left < expected);
    let seen = short.map(|left| {
        let found = format!("the credentials in use are good for {}, the run takes about {}", spell(left), spell(expected));
        let fix = "sign in again before you begin (with a longer session, where your role allows one)".to_owned();
        Seen::new(&scene.facts.identity, found, "the run would pause in the middle, with exit code 6, until they are renewed", fix)
    });
    seen.into_iter().collect()
}

/// Minutes, rounded up.
fn spell(seconds: u64) -> String {
    format!("{} min", seconds.div_ceil(60))
}

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
        false => {
            ("the run would stop where it is refused", "allow them for the caller: `sidestep policy` prints all that is needed")
        }
        true => ("a rollback would end stuck where it is refused", "allow them too: `sidestep policy` prints all that is needed"),
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::model::{SourceFile, SourceSpan, StageDecl, StageId};
    use crate::stages::facts::Facts;
    use crate::stages::subject::{Strip, Subject};

    #[test]
    fn credentials_are_held_against_the_expected_duration() {
        let span = SourceSpan { file: Arc::new(SourceFile { path: "f".to_owned(), text: String::new() }), range: 0..0 };
        let decl = StageDecl {
            id: StageId::new("strip"),
            kind: "strip_sidecar".to_owned(),
            span,
            body: json!({}),
            spans: std::collections::BTreeMap::new(),
            name_spans: std::collections::BTreeMap::new(),
            variables: std::collections::BTreeMap::new(),
        };
        let mut subject = Subject::default();
        subject.moved.entry("api".to_owned()).or_default().strip =
            Some(Strip { decl: &decl, sidecar: "tracer".to_owned(), due: true });
        let found = |left: Option<u64>| {
            let mut facts = Facts { credentials_left: left, ..Facts::default() };
            facts.services.insert("api".to_owned(), json!({ "desiredCount": 2 }));
            credentials_short_lived(&Scene { facts: &facts, subject: &subject, account_named: true })
        };
        let seen = found(Some(60));
        assert_eq!(seen[0].found, "the credentials in use are good for 1 min, the run takes about 3 min");
        assert_eq!((found(Some(3600)), found(None)), (Vec::new(), Vec::new()));
    }
}
