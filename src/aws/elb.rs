//! Elastic Load Balancing v2: what a plan reads, and the path of health checks, which a stage may change. Its wire is XML, so the SDK's types are used and turned into small ones of ours.

use aws_types::request_id::RequestId;
use serde::{Deserialize, Serialize};

use super::guard::Witness;
use super::retry::{certainly_not_applied_and_may_pass, may_pass};
use super::{Aws, CallError, Reason};

/// DescribeTargetGroups and DescribeLoadBalancers take twenty ARNs. `[M]`
const AT_ONCE: usize = 20;

/// A target group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetGroup {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// `ip` or `instance`.
    pub target_type: String,
    /// The port that its health checks and rules assume.
    pub port: Option<i32>,
    /// Its VPC.
    pub vpc: Option<String>,
    /// The path that health checks ask for.
    pub health_path: Option<String>,
    /// The HTTP codes that count as healthy.
    pub matcher: Option<String>,
    /// Seconds from one health check of a target to the next.
    pub interval: u64,
    /// So many failed checks in a row make a target unhealthy.
    pub unhealthy_threshold: u64,
    /// The load balancers that forward to it.
    pub load_balancers: Vec<String>,
}

/// A load balancer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadBalancer {
    /// Its ARN.
    pub arn: String,
    /// The name that clients use.
    pub dns_name: String,
    /// Its security groups.
    pub security_groups: Vec<String>,
    /// The Availability Zones that it is enabled in.
    pub zones: Vec<String>,
}

/// A rule of a listener that forwards to target groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerRule {
    /// The load balancer.
    pub load_balancer: String,
    /// The listener's port.
    pub port: i32,
    /// The listener's protocol.
    pub protocol: String,
    /// Path patterns; empty means any.
    pub paths: Vec<String>,
    /// Host names; empty means any.
    pub hosts: Vec<String>,
    /// Target groups it forwards to.
    pub target_groups: Vec<String>,
    /// `default`, or a number.
    pub priority: String,
}

/// A target and its health.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetHealth {
    /// The address.
    pub ip: String,
    /// The port.
    pub port: Option<i32>,
    /// `initial`, `healthy`, `unhealthy`, `unused`, `draining`, `unavailable`.
    pub state: String,
    /// AWS's words for a state that is not healthy.
    pub description: Option<String>,
}

impl Aws {
    /// Those of these target groups, by ARN, that are there.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn target_groups(&self, arns: &[String]) -> Result<Vec<TargetGroup>, CallError> {
        those_there(arns, async |arns: &[String]| {
            let resource = arns.join(", ");
            self.retry(may_pass, || self.target_groups_once(&resource, Some(arns), None)).await
        })
        .await
    }

    /// The target group of this name; `None` when there is none.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn target_group_named(&self, name: &str) -> Result<Option<TargetGroup>, CallError> {
        match self.retry(may_pass, || self.target_groups_once(name, None, Some(name))).await {
            Ok(groups) => Ok(groups.into_iter().next()),
            Err(error) if error.reason == Reason::Missing => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn target_groups_once(
        &self,
        resource: &str,
        arns: Option<&[String]>,
        name: Option<&str>,
    ) -> Result<Vec<TargetGroup>, CallError> {
        let witness = Witness::default();
        let call = self
            .elb
            .describe_target_groups()
            .set_target_group_arns(arns.map(<[String]>::to_vec))
            .set_names(name.map(|name| vec![name.to_owned()]));
        let sent = call.customize().interceptor(witness.clone()).send().await;
        let output = sent.map_err(|error| CallError::from_sdk("DescribeTargetGroups", resource, &error, witness.transmits()))?;
        Ok(output
            .target_groups()
            .iter()
            .map(|group| TargetGroup {
                arn: text(group.target_group_arn()),
                name: text(group.target_group_name()),
                target_type: group.target_type().map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
                port: group.port(),
                vpc: group.vpc_id().map(str::to_owned),
                health_path: group.health_check_path().map(str::to_owned),
                matcher: group.matcher().and_then(|matcher| matcher.http_code()).map(str::to_owned),
                interval: group.health_check_interval_seconds().and_then(|given| given.try_into().ok()).unwrap_or(30),
                unhealthy_threshold: group.unhealthy_threshold_count().and_then(|given| given.try_into().ok()).unwrap_or(2),
                load_balancers: group.load_balancer_arns().to_vec(),
            })
            .collect())
    }

    /// Lets a target group's health checks ask for another path; gives AWS's request id. Nothing else of the group is changed.
    ///
    /// # Errors
    /// [`CallError`]; when its class is unknown, look before doing anything else.
    pub async fn set_health_path(&self, group_arn: &str, path: &str) -> Result<Option<String>, CallError> {
        const OPERATION: &str = "ModifyTargetGroup";
        self.retry(certainly_not_applied_and_may_pass, || async {
            let witness = Witness::under(self.lease());
            let call = self.elb.modify_target_group().target_group_arn(group_arn).health_check_path(path);
            let sent = call.customize().interceptor(witness.clone()).send().await;
            let output = sent.map_err(|error| CallError::from_sdk(OPERATION, group_arn, &error, witness.transmits()))?;
            Ok(RequestId::request_id(&output).map(str::to_owned))
        })
        .await
    }

    /// Every target of the group, draining ones included.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn target_health(&self, group_arn: &str) -> Result<Vec<TargetHealth>, CallError> {
        self.retry(may_pass, || async {
            let witness = Witness::default();
            let sent =
                self.elb.describe_target_health().target_group_arn(group_arn).customize().interceptor(witness.clone()).send().await;
            let output =
                sent.map_err(|error| CallError::from_sdk("DescribeTargetHealth", group_arn, &error, witness.transmits()))?;
            Ok(output
                .target_health_descriptions()
                .iter()
                .map(|entry| TargetHealth {
                    ip: entry.target().and_then(|target| target.id()).unwrap_or_default().to_owned(),
                    port: entry.target().and_then(|target| target.port()),
                    state: entry
                        .target_health()
                        .and_then(|health| health.state())
                        .map(|state| state.as_str().to_owned())
                        .unwrap_or_default(),
                    description: entry.target_health().and_then(|health| health.description()).map(str::to_owned),
                })
                .collect())
        })
        .await
    }

    /// Those of these load balancers, by ARN, that are there.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn load_balancers(&self, arns: &[String]) -> Result<Vec<LoadBalancer>, CallError> {
        those_there(arns, async |arns: &[String]| self.described_balancers(arns).await).await
    }

    async fn described_balancers(&self, arns: &[String]) -> Result<Vec<LoadBalancer>, CallError> {
        let resource = arns.join(", ");
        self.retry(may_pass, || async {
            let witness = Witness::default();
            let call = self.elb.describe_load_balancers().set_load_balancer_arns(Some(arns.to_vec()));
            let sent = call.customize().interceptor(witness.clone()).send().await;
            let output =
                sent.map_err(|error| CallError::from_sdk("DescribeLoadBalancers", &resource, &error, witness.transmits()))?;
            Ok(output
                .load_balancers()
                .iter()
                .map(|balancer| LoadBalancer {
                    arn: text(balancer.load_balancer_arn()),
                    dns_name: text(balancer.dns_name()),
                    security_groups: balancer.security_groups().to_vec(),
                    zones: balancer.availability_zones().iter().filter_map(|zone| zone.zone_name()).map(str::to_owned).collect(),
                })
                .collect())
        })
        .await
    }

    /// Every forwarding rule of a load balancer's listeners; none where it, or the listener, is gone by now.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn listener_rules(&self, load_balancer: &str) -> Result<Vec<ListenerRule>, CallError> {
        let listeners = self
            .retry(may_pass, || async {
                let witness = Witness::default();
                let sent = self
                    .elb
                    .describe_listeners()
                    .load_balancer_arn(load_balancer)
                    .customize()
                    .interceptor(witness.clone())
                    .send()
                    .await;
                sent.map_err(|error| CallError::from_sdk("DescribeListeners", load_balancer, &error, witness.transmits()))
            })
            .await;
        let mut rules = Vec::new();
        let listeners = match listeners {
            Err(error) if error.reason == Reason::Missing => return Ok(rules),
            listeners => listeners?,
        };
        for listener in listeners.listeners() {
            let arn = text(listener.listener_arn());
            let answer = self
                .retry(may_pass, || async {
                    let witness = Witness::default();
                    let sent = self.elb.describe_rules().listener_arn(&arn).customize().interceptor(witness.clone()).send().await;
                    sent.map_err(|error| CallError::from_sdk("DescribeRules", &arn, &error, witness.transmits()))
                })
                .await;
            let answer = match answer {
                Err(error) if error.reason == Reason::Missing => continue,
                answer => answer?,
            };
            for rule in answer.rules() {
                rules.push(ListenerRule {
                    load_balancer: load_balancer.to_owned(),
                    port: listener.port().unwrap_or_default(),
                    protocol: listener.protocol().map(|protocol| protocol.as_str().to_owned()).unwrap_or_default(),
                    paths: condition(rule, "path-pattern"),
                    hosts: condition(rule, "host-header"),
                    target_groups: forwards(rule),
                    priority: text(rule.priority()),
                });
            }
        }
        Ok(rules)
    }
}

/// What is there of what these ARNs name. ELB refuses a request as a whole for one that is gone: then each is asked for alone.
async fn those_there<T>(arns: &[String], ask: impl AsyncFn(&[String]) -> Result<Vec<T>, CallError>) -> Result<Vec<T>, CallError> {
    let mut found = Vec::new();
    for chunk in arns.chunks(AT_ONCE) {
        match ask(chunk).await {
            Err(error) if error.reason == Reason::Missing && chunk.len() == 1 => {}
            Err(error) if error.reason == Reason::Missing => {
                for arn in chunk {
                    match ask(std::slice::from_ref(arn)).await {
                        Err(error) if error.reason == Reason::Missing => {}
                        alone => found.extend(alone?),
                    }
                }
            }
            all => found.extend(all?),
        }
    }
    Ok(found)
}

/// The values of a rule's condition on `field`; AWS gives them in a new and an old place.
fn condition(rule: &aws_sdk_elasticloadbalancingv2::types::Rule, field: &str) -> Vec<String> {
    rule.conditions()
        .iter()
        .filter(|condition| condition.field() == Some(field))
        .flat_map(|condition| {
            let modern = match field {
                "path-pattern" => condition.path_pattern_config().map(|config| config.values()),
                _ => condition.host_header_config().map(|config| config.values()),
            };
            modern.filter(|values| !values.is_empty()).unwrap_or_else(|| condition.values()).to_vec()
        })
        .collect()
}

fn forwards(rule: &aws_sdk_elasticloadbalancingv2::types::Rule) -> Vec<String> {
    let mut groups = Vec::new();
    for action in rule.actions() {
        if let Some(config) = action.forward_config() {
            groups.extend(config.target_groups().iter().filter_map(|group| group.target_group_arn()).map(str::to_owned));
        }
        if let Some(arn) = action.target_group_arn()
            && !groups.iter().any(|known| known == arn)
        {
            groups.push(arn.to_owned());
        }
    }
    groups
}

fn text(value: Option<&str>) -> String {
    value.unwrap_or_default().to_owned()
}
