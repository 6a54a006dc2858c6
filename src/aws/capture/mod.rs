//! The services that answer in XML (Elastic Load Balancing v2, EC2, STS), read whole as the JSON that the AWS CLI prints.
//!
//! Everything else in `aws` takes from such an answer what it needs. A capture of the account wants all of it, members that nothing
//! here has heard of included, so these reads keep the answer, and give its members the CLI's names and types by a small table.

mod names;

use aws_smithy_http::query::fmt_string;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use serde_json::{Map, Value, json};

use super::foreign::{Ask, EC2, SCALING};
use super::guard::Witness;
use super::retry::may_pass;
use super::{Aws, CallError, xml};
use names::{Dialect, Leaf, is_list, leaf};

/// Parameters as the query protocols spell them: `("TargetGroupArns.member.1", "arn:…")`.
pub type Parameters = Vec<(String, String)>;

/// The items of a list parameter, numbered as the wire wants them: `name.1`, `name.2`, …
pub fn numbered(name: &str, items: &[String]) -> Parameters {
    items.iter().enumerate().map(|(index, item)| (format!("{name}.{}", index + 1), item.clone())).collect()
}

/// Sends `$form` with the SDK operation `$client.$method()` and keeps the answer's body.
macro_rules! ask {
    ($client:expr, $method:ident, $operation:expr, $resource:expr, $form:expr) => {{
        let witness = Witness::default();
        let form = $form.to_owned();
        let call = $client.$method().customize().interceptor(witness.clone());
        let sent = call.mutate_request(move |request| put_form(request, &form)).send().await.map(|_| ());
        body($operation, $resource, sent, &witness)
    }};
}

impl Aws {
    /// Reads one answer of an operation that is in XML: the result's members under the names that the AWS CLI prints, lists as
    /// arrays, numbers and flags as such. `parameters` are the wire's own.
    ///
    /// # Errors
    /// [`CallError`]; an operation that is not in the table is one.
    pub async fn read_printed(&self, operation: &'static str, resource: &str, parameters: &Parameters) -> Result<Value, CallError> {
        let dialect = Dialect::of(operation);
        let tree = self.retry(may_pass, || self.ask_once(operation, resource, parameters)).await?;
        Ok(printed(&tree, &dialect))
    }

    /// The same for a listing, to its end: the items of `list` on all pages.
    ///
    /// # Errors
    /// As [`Aws::read_printed`].
    pub async fn read_printed_pages(
        &self,
        operation: &'static str,
        resource: &str,
        parameters: Parameters,
        list: &str,
    ) -> Result<Vec<Value>, CallError> {
        let dialect = Dialect::of(operation);
        let mut parameters = parameters;
        let mut all = Vec::new();
        // Bounded: a listing that never ends is a server's fault, not a reason to hang.
        for _ in 0..1000 {
            let mut answer = self.read_printed(operation, resource, &parameters).await?;
            if let Some(Value::Array(items)) = answer.get_mut(list).map(Value::take) {
                all.extend(items);
            }
            let next = answer[dialect.next].as_str().filter(|token| !token.is_empty());
            let Some(next) = next else { return Ok(all) };
            parameters.retain(|(name, _)| name != dialect.token);
            parameters.push((dialect.token.to_owned(), next.to_owned()));
        }
        Ok(all)
    }

    /// What Application Auto Scaling knows of the desired counts of these services, as it answers; AWS takes fifty at once.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn scalable_targets(&self, cluster: &str, services: &[String]) -> Result<Vec<Value>, CallError> {
        let ids: Vec<String> = services.iter().map(|service| format!("service/{cluster}/{service}")).collect();
        let input = json!({ "ServiceNamespace": "ecs", "ResourceIds": ids });
        let target = "AnyScaleFrontendService.DescribeScalableTargets";
        let ask = || self.foreign_once(&SCALING, "DescribeScalableTargets", cluster, Ask::json(target, &input));
        let mut answer = self.retry(may_pass, ask).await?;
        match answer.get_mut("ScalableTargets").map(Value::take) {
            Some(Value::Array(targets)) => Ok(targets),
            _ => Ok(Vec::new()),
        }
    }

    async fn ask_once(&self, operation: &'static str, resource: &str, parameters: &Parameters) -> Result<Value, CallError> {
        let dialect = Dialect::of(operation);
        if dialect.is_ec2() {
            return self.foreign_once(&EC2, operation, resource, Ask::form(operation, dialect.version, parameters)).await;
        }
        let (elb, sts) = (&self.elb, &self.sts);
        let mut form = format!("Action={operation}&Version={}", dialect.version);
        for (name, value) in parameters {
            form.push_str(&format!("&{name}={}", fmt_string(value)));
        }
        match operation {
            "DescribeListeners" => ask!(elb, describe_listeners, operation, resource, form),
            "DescribeLoadBalancers" => ask!(elb, describe_load_balancers, operation, resource, form),
            "DescribeRules" => ask!(elb, describe_rules, operation, resource, form),
            "DescribeTags" => ask!(elb, describe_tags, operation, resource, form),
            "DescribeTargetGroupAttributes" => ask!(elb, describe_target_group_attributes, operation, resource, form),
            "DescribeTargetGroups" => ask!(elb, describe_target_groups, operation, resource, form),
            "DescribeTargetHealth" => ask!(elb, describe_target_health, operation, resource, form),
            "GetCallerIdentity" => ask!(sts, get_caller_identity, operation, resource, form),
            _ => Err(CallError::not_in_table(operation, resource)),
        }
    }
}

/// Replaces the serializer's form. The content-length is a signed header that the SDK does not correct afterwards.
fn put_form(request: &mut HttpRequest, form: &str) {
    *request.body_mut() = SdkBody::from(form);
    request.headers_mut().insert("content-length", form.len().to_string());
}

fn body<E>(
    operation: &'static str,
    resource: &str,
    sent: Result<(), SdkError<E, HttpResponse>>,
    witness: &Witness,
) -> Result<Value, CallError>
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    sent.map_err(|error| CallError::from_sdk(operation, resource, &error, witness.transmits()))?;
    let body = witness.take_body().unwrap_or_default();
    xml::tree(&String::from_utf8_lossy(&body)).map_err(|why| CallError::unreadable(operation, resource, &why))
}

/// An answer's members as the CLI prints them.
fn printed(tree: &Value, dialect: &Dialect) -> Value {
    let mut around = tree.as_object().into_iter().flatten();
    let result =
        if dialect.wrapped { around.find(|(name, _)| name.ends_with("Result")).map(|(_, result)| result) } else { Some(tree) };
    Value::Object(members(result.unwrap_or(&Value::Null), "", dialect))
}

fn members(structure: &Value, parent: &str, dialect: &Dialect) -> Map<String, Value> {
    // The request's id is part of the envelope, not of the answer.
    let own = structure.as_object().into_iter().flatten().filter(|(name, _)| *name != "requestId");
    own.map(|(element, member)| {
        let name = dialect.name(parent, element);
        let value = value(member, parent, &name, dialect);
        (name, value)
    })
    .collect()
}

/// `parent` is the member that holds the structure in which this one is called `name`.
fn value(found: &Value, parent: &str, name: &str, dialect: &Dialect) -> Value {
    match found {
        Value::String(text) if text.trim().is_empty() && is_list(name) => Value::Array(Vec::new()),
        Value::String(text) => of_text(text, leaf(parent, name)),
        Value::Array(items) => items.iter().map(|item| value(item, parent, name, dialect)).collect(),
        Value::Object(_) => Value::Object(members(found, name, dialect)),
        other => other.clone(),
    }
}

fn of_text(text: &str, kind: Leaf) -> Value {
    let read = match kind {
        Leaf::Text => None,
        Leaf::Number => text.trim().parse::<i64>().ok().map(Value::from),
        Leaf::Flag => text.trim().parse::<bool>().ok().map(Value::from),
    };
    read.unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(operation: &str, text: &str) -> Value {
        printed(&xml::tree(text).expect("well-formed"), &Dialect::of(operation))
    }

    #[test]
    fn query_answers_have_the_cli_s_shape() {
        let text = "<DescribeTargetGroupsResponse xmlns=\"urn:x\"><DescribeTargetGroupsResult><TargetGroups><member>\
            <TargetGroupArn>arn:1</TargetGroupArn><Port>80</Port><HealthCheckPort>8080</HealthCheckPort>\
            <HealthCheckEnabled>true</HealthCheckEnabled><Matcher><HttpCode>200</HttpCode></Matcher>\
            <LoadBalancerArns><member>arn:2</member></LoadBalancerArns><Future><New>1</New></Future></member><member>\
            <TargetGroupArn>arn:3</TargetGroupArn><LoadBalancerArns/></member></TargetGroups><NextMarker>n</NextMarker>\
            </DescribeTargetGroupsResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></DescribeTargetGroupsResponse>";
        assert_eq!(
            read("DescribeTargetGroups", text),
            json!({ "NextMarker": "n", "TargetGroups": [
                { "TargetGroupArn": "arn:1", "Port": 80, "HealthCheckPort": "8080", "HealthCheckEnabled": true,
                  "Matcher": { "HttpCode": "200" }, "LoadBalancerArns": ["arn:2"], "Future": { "New": "1" } },
                { "TargetGroupArn": "arn:3", "LoadBalancerArns": [] } ] })
        );
    }

    #[test]
    fn what_looks_like_a_number_or_a_flag_is_one_only_where_the_table_says_so() {
        let text = "<R><DescribeRulesResult><Rules><member><Priority>90</Priority><IsDefault>false</IsDefault><Actions><member>\
            <RedirectConfig><Port>443</Port></RedirectConfig><Order>1</Order></member></Actions><Conditions></Conditions></member>\
            </Rules></DescribeRulesResult></R>";
        assert_eq!(
            read("DescribeRules", text),
            json!({ "Rules": [{ "Priority": "90", "IsDefault": false, "Conditions": [],
                "Actions": [{ "RedirectConfig": { "Port": "443" }, "Order": 1 }] }] })
        );
    }

    #[test]
    fn ec2_members_get_the_cli_s_names() {
        let text = "<?xml version=\"1.0\"?>\n<DescribeSecurityGroupsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\n\
            <requestId>r</requestId><securityGroupInfo>\n<item><groupId>sg-1</groupId><groupDescription>a &lt; b &#38; c</groupDescription>\
            <ipPermissions><item><fromPort>80</fromPort><groups><item><groupId>sg-2</groupId><description>ALB</description></item></groups>\
            <ipRanges/><prefixListIds></prefixListIds></item></ipPermissions><ipPermissionsEgress/>\
            <tagSet><item><key>Open</key><value>true</value></item></tagSet></item>\n</securityGroupInfo></DescribeSecurityGroupsResponse>";
        assert_eq!(
            read("DescribeSecurityGroups", text),
            json!({ "SecurityGroups": [{ "GroupId": "sg-1", "Description": "a < b & c", "IpPermissionsEgress": [],
                "IpPermissions": [{ "FromPort": 80, "IpRanges": [], "PrefixListIds": [],
                    "UserIdGroupPairs": [{ "GroupId": "sg-2", "Description": "ALB" }] }],
                "Tags": [{ "Key": "Open", "Value": "true" }] }] })
        );
        let text = "<DescribeVpcAttributeResponse><vpcId>vpc-1</vpcId><enableDnsSupport><value>true</value></enableDnsSupport>\
            </DescribeVpcAttributeResponse>";
        assert_eq!(read("DescribeVpcAttribute", text), json!({ "VpcId": "vpc-1", "EnableDnsSupport": { "Value": true } }));
        let text = "<R><routeTableSet><item><routeTableId>rtb-1</routeTableId><routeSet><item><gatewayId>local</gatewayId></item></routeSet>\
            <associationSet><item><main>true</main></item></associationSet><propagatingVgwSet/></item></routeTableSet></R>";
        assert_eq!(
            read("DescribeRouteTables", text),
            json!({ "RouteTables": [{ "RouteTableId": "rtb-1", "Routes": [{ "GatewayId": "local" }],
                "Associations": [{ "Main": true }], "PropagatingVgws": [] }] })
        );
    }
}
