//! Reads of what governs an account's services from outside ECS: who may do what (IAM), who owns a desired count (Application Auto
//! Scaling), which VPCs a private zone answers in (Route 53). A plan is richer with them and does without: each is asked once.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::foreign::{Ask, IAM, ROUTE53, SCALING};
use super::xml::{items, text};
use super::{Aws, CallError};

const IAM_VERSION: &str = "2010-05-08";

/// What a simulation of policies says of one action on one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// As IAM spells it: `ecs:UpdateService`.
    pub action: String,
    /// The resource's ARN, or `*`.
    pub resource: String,
    /// `allowed`, `implicitDeny` (nothing allows it) or `explicitDeny`.
    pub decision: String,
}

impl Decision {
    /// Whether the action would be allowed.
    pub fn allows(&self) -> bool {
        self.decision == "allowed"
    }
}

/// Between which counts Application Auto Scaling holds a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scaling {
    /// Least tasks.
    pub least: i64,
    /// Most tasks.
    pub most: i64,
}

impl Aws {
    /// What IAM would decide if `principal` (a user's or a role's ARN) called these actions on one resource, with these condition keys
    /// and their values. It weighs the
    /// principal's policies and its organization's; policies of a session and of the resource are not in it.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn simulate_policies(
        &self,
        principal: &str,
        actions: &[String],
        resource: &str,
        context: &[(&'static str, String)],
    ) -> Result<Vec<Decision>, CallError> {
        let mut parameters =
            vec![("PolicySourceArn".to_owned(), principal.to_owned()), ("ResourceArns.member.1".to_owned(), resource.to_owned())];
        parameters.extend(
            actions.iter().enumerate().map(|(index, action)| (format!("ActionNames.member.{}", index + 1), action.clone())),
        );
        // A policy that lets roles be passed to ECS alone, as good ones do, would else seem to deny it.
        for (index, (key, value)) in context.iter().enumerate() {
            let entry = format!("ContextEntries.member.{}", index + 1);
            parameters.push((format!("{entry}.ContextKeyName"), (*key).to_owned()));
            parameters.push((format!("{entry}.ContextKeyType"), "string".to_owned()));
            parameters.push((format!("{entry}.ContextKeyValues.member.1"), value.clone()));
        }
        let ask = Ask::form("SimulatePrincipalPolicy", IAM_VERSION, &parameters);
        let answer = self.foreign_once(&IAM, "SimulatePrincipalPolicy", principal, ask).await?;
        let decision = |found: &Value| Decision {
            action: text(found, "EvalActionName"),
            resource: text(found, "EvalResourceName"),
            decision: text(found, "EvalDecision"),
        };
        Ok(items(&answer["SimulatePrincipalPolicyResult"]["EvaluationResults"]).map(decision).collect())
    }

    /// The ARN of a role, which has the path that the ARN of a session under it leaves out.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn role_arn(&self, name: &str) -> Result<String, CallError> {
        let ask = Ask::form("GetRole", IAM_VERSION, &[("RoleName".to_owned(), name.to_owned())]);
        let answer = self.foreign_once(&IAM, "GetRole", name, ask).await?;
        Ok(text(&answer["GetRoleResult"]["Role"], "Arn"))
    }

    /// Which of these services' desired counts Application Auto Scaling owns.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn scalable_services(&self, cluster: &str, services: &[String]) -> Result<Vec<(String, Scaling)>, CallError> {
        let ids: Vec<String> = services.iter().map(|service| format!("service/{cluster}/{service}")).collect();
        let input = json!({ "ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount", "ResourceIds": ids });
        let ask = Ask::json("AnyScaleFrontendService.DescribeScalableTargets", &input);
        let answer = self.foreign_once(&SCALING, "DescribeScalableTargets", &ids.join(", "), ask).await?;
        let target = |found: &Value| {
            let service = found["ResourceId"].as_str()?.rsplit('/').next()?.to_owned();
            Some((service, Scaling { least: found["MinCapacity"].as_i64()?, most: found["MaxCapacity"].as_i64()? }))
        };
        Ok(answer["ScalableTargets"].as_array().into_iter().flatten().filter_map(target).collect())
    }

    /// The VPCs in which a hosted zone's names are answered.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn zone_vpcs(&self, zone: &str) -> Result<Vec<String>, CallError> {
        let ask = Ask::get(format!("/2013-04-01/hostedzone/{}", aws_smithy_http::query::fmt_string(zone)));
        let answer = self.foreign_once(&ROUTE53, "GetHostedZone", zone, ask).await?;
        let found = match &answer["VPCs"]["VPC"] {
            Value::Array(all) => all.iter().map(|vpc| text(vpc, "VPCId")).collect(),
            Value::Null => Vec::new(),
            one => vec![text(one, "VPCId")],
        };
        Ok(found)
    }

    /// How many seconds the credentials in use are good for; `None` where they say nothing about an end.
    pub async fn credentials_left(&self) -> Option<u64> {
        use aws_credential_types::provider::ProvideCredentials as _;
        let credentials = self.config.credentials_provider()?.provide_credentials().await.ok()?;
        let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(self.clock.now().as_second().unsigned_abs());
        Some(credentials.expiry()?.duration_since(now).map_or(0, |left| left.as_secs()))
    }
}
