//! What would undo the migration afterwards: code that knows the services too.

use serde_json::Value;

use super::{Check, Due, Theme};
use crate::stages::findings::{FindingKind, Seen};

pub(super) const THEME: Theme = Theme {
    name: "Afterwards",
    checks: &[
        Check {
            kind: FindingKind::warning(
                "managed-elsewhere",
                "a service or its task definition bears the mark of a tool that deploys it",
            ),
            look: |scene| scene.due().filter_map(managed).collect(),
        },
        Check {
            kind: FindingKind::note("registered-by-others", "the revision in use was registered by somebody else than the caller"),
            look: |scene| scene.due().filter_map(|due| registered(&scene.facts.identity, due)).collect(),
        },
    ],
};

/// Keys of tags that deploying tools leave, in small letters; one that ends in `*` stands for all that begin so.
const MARKS: &[(&str, &str)] = &[
    ("aws:cloudformation:*", "CloudFormation"),
    ("aws-cdk:*", "the CDK"),
    ("copilot-*", "AWS Copilot"),
    ("pulumi:*", "Pulumi"),
    ("terraform*", "Terraform"),
    ("tf-*", "Terraform"),
];
/// Keys whose value names the tool.
const MANAGERS: &[&str] = &[
    "managedby",
    "managed-by",
    "managed_by",
    "provisioner",
    "provisionedby",
    "createdby",
    "created-by",
    "deployedby",
    "deployed-by",
];
const MANAGING: &[&str] = &[
    "terraform",
    "opentofu",
    "pulumi",
    "cloudformation",
    "cdk",
    "copilot",
    "ansible",
    "github",
    "gitlab",
    "jenkins",
    "spinnaker",
    "argo",
];

/// Which tool a tag tells of.
fn tool(key: &str, value: &str) -> Option<String> {
    let (key, value) = (key.to_ascii_lowercase(), value.to_ascii_lowercase());
    let marked = MARKS.iter().find(|(mark, _)| mark.strip_suffix('*').map_or(*mark == key, |start| key.starts_with(start)));
    let named = || MANAGERS.contains(&key.as_str()).then(|| MANAGING.iter().find(|tool| value.contains(**tool))).flatten();
    marked.map(|(_, tool)| (*tool).to_owned()).or_else(|| named().map(|tool| (*tool).to_owned()))
}

fn managed(due: Due<'_>) -> Option<Seen> {
    let of_definition = due.definition.map(|definition| definition.tags.as_slice()).unwrap_or_default();
    let tags = due.service["tags"].as_array().into_iter().flatten().chain(of_definition);
    let text = |tag: &Value, name: &str| tag[name].as_str().unwrap_or_default().to_owned();
    let (key, tool) = tags.filter_map(|tag| Some((text(tag, "key"), tool(&text(tag, "key"), &text(tag, "value"))?))).next()?;
    let found = format!("its tag `{key}` says that {tool} deploys it");
    let fix = "change that code before its next use; what to change is told at the end of the run".to_owned();
    Some(Seen::new(due.name, found, "its next use would bring the sidecar back and the old endpoint with it", fix))
}

fn registered(identity: &str, due: Due<'_>) -> Option<Seen> {
    let by = due.definition?.body["registeredBy"].as_str()?;
    let found = format!("the revision in use was registered by {by}");
    let fix = "if that is a pipeline, change its code before its next deployment".to_owned();
    (principal(by) != principal(identity))
        .then(|| Seen::new(due.name, found, "whoever deploys it next may bring the sidecar back", fix))
}

/// The user or role of an ARN, without the session.
fn principal(arn: &str) -> &str {
    let name = arn.rsplit_once(':').map_or(arn, |(_, name)| name);
    match name.strip_prefix("assumed-role/") {
        Some(session) => session.split('/').next().unwrap_or(session),
        None => name.rsplit('/').next().unwrap_or(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_tell_of_tools() {
        for (key, value, expected) in [
            ("aws:cloudformation:stack-name", "api", Some("CloudFormation")),
            ("ManagedBy", "Terraform", Some("terraform")),
            ("terraform", "true", Some("Terraform")),
            ("managed-by", "the platform team", None),
            ("Project", "terraform-demo", None),
        ] {
            assert_eq!(tool(key, value).as_deref(), expected, "{key}={value}");
        }
    }

    #[test]
    fn a_session_is_its_role() {
        assert_eq!(principal("arn:aws:sts::111122223333:assumed-role/deployer/alice"), "deployer");
        assert_eq!(principal("arn:aws:iam::111122223333:role/team/deployer"), "deployer");
        assert_eq!(principal("arn:aws:iam::111122223333:user/operator"), "operator");
    }
}
