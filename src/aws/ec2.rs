//! The few reads of EC2 that a plan needs, over the SDK's own runtime and signing. The EC2 crate alone would take as long to
//! build as everything else together.

use aws_runtime::auth::SigV4OperationSigningConfig;
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_smithy_http::query::fmt_string;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::client::auth::AuthSchemeOptionResolverParams;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::Layer;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_smithy_xml::decode::{Document, ScopedDecoder, XmlDecodeError, try_data};
use aws_types::SigningName;
use aws_types::region::SigningRegion;
use serde::{Deserialize, Serialize};

use super::connect::Access;
use super::guard::{ReadOnlyGuard, Witness};
use super::retry::may_pass;
use super::{Aws, CallError};

const API_VERSION: &str = "2016-11-15";

/// A security group, as far as a plan looks at it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// `sg-…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it lets in.
    pub ingress: Vec<SecurityRule>,
    /// What it lets out.
    pub egress: Vec<SecurityRule>,
}

/// One permission of a security group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityRule {
    /// `tcp`, `udp`, `-1` for everything, or a number.
    pub protocol: String,
    /// First port; absent for everything.
    pub from_port: Option<i64>,
    /// Last port.
    pub to_port: Option<i64>,
    /// Groups on the other side.
    pub groups: Vec<String>,
    /// IPv4 ranges on the other side.
    pub ranges: Vec<String>,
    /// Prefix lists on the other side.
    pub prefix_lists: Vec<String>,
}

impl Aws {
    /// Security groups by id.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn security_groups(&self, ids: &[String]) -> Result<Vec<SecurityGroup>, CallError> {
        let parameters: Vec<_> = ids.iter().enumerate().map(|(index, id)| (format!("GroupId.{}", index + 1), id.clone())).collect();
        let resource = ids.join(", ");
        let body = self.retry(may_pass, || self.ec2_once("DescribeSecurityGroups", &resource, &parameters)).await?;
        parse_security_groups(&body).map_err(|error| CallError {
            operation: "DescribeSecurityGroups",
            resource,
            class: super::Class::Unknown,
            reason: super::Reason::NoAnswer,
            code: String::new(),
            message: format!("an answer that is not AWS's: {error}"),
            request_id: None,
            members: serde_json::Value::Null,
        })
    }

    pub(super) async fn ec2_once(
        &self,
        action: &'static str,
        resource: &str,
        parameters: &[(String, String)],
    ) -> Result<String, CallError> {
        let witness = Witness::default();
        let mut body = format!("Action={action}&Version={API_VERSION}");
        for (name, value) in parameters {
            body.push_str(&format!("&{name}={}", fmt_string(value)));
        }
        let mut operation = Operation::builder()
            .service_name("EC2")
            .operation_name(action)
            .endpoint_url(&self.ec2_endpoint)
            .no_retry()
            .timeout_config(self.config.timeout_config().cloned().unwrap_or_else(TimeoutConfig::disabled))
            .interceptor(witness.clone())
            .runtime_plugin(self.signing());
        if let Some(client) = self.config.http_client() {
            operation = operation.http_client(client);
        }
        if self.access == Access::ReadOnly {
            operation = operation.interceptor(ReadOnlyGuard);
        }
        let operation = operation.serializer(request).deserializer(answer).build();
        operation.invoke(body).await.map_err(|error| CallError::from_sdk(action, resource, &error, witness.transmits()))
    }

    /// What an SDK client would bring along: the signing and the identity.
    fn signing(&self) -> StaticRuntimePlugin {
        let mut layer = Layer::new("ec2");
        layer.store_put(AuthSchemeOptionResolverParams::new(()));
        if let Some(region) = self.config.region() {
            layer.store_put(SigningRegion::from(region.clone()));
        }
        layer.store_put(SigningName::from_static("ec2"));
        layer.store_put(SigV4OperationSigningConfig::default());
        let mut components = RuntimeComponentsBuilder::new("ec2")
            .with_auth_scheme(SigV4AuthScheme::new())
            .with_auth_scheme_option_resolver(Some(StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID])))
            .with_identity_cache(self.config.identity_cache())
            .with_time_source(self.config.time_source())
            .with_sleep_impl(self.config.sleep_impl());
        if let Some(provider) = self.config.credentials_provider() {
            components = components.with_identity_resolver(SCHEME_ID, provider);
        }
        StaticRuntimePlugin::new().with_config(layer.freeze()).with_runtime_components(components)
    }
}

fn request(body: String) -> Result<HttpRequest, aws_smithy_runtime_api::box_error::BoxError> {
    let length = body.len().to_string();
    let mut request = HttpRequest::new(SdkBody::from(body));
    request.set_method("POST")?;
    request.set_uri("/")?;
    request.headers_mut().insert("content-type", "application/x-www-form-urlencoded");
    request.headers_mut().insert("content-length", length);
    Ok(request)
}

fn answer(response: &HttpResponse) -> Result<String, OrchestratorError<ErrorMetadata>> {
    let text = String::from_utf8_lossy(response.body().bytes().unwrap_or_default()).into_owned();
    if response.status().is_success() {
        return Ok(text);
    }
    let mut error = ErrorMetadata::builder();
    if let Some((code, message)) = parse_error(&text) {
        error = error.code(code).message(message);
    }
    Err(OrchestratorError::operation(error.build()))
}

/// `<Response><Errors><Error><Code>…</Code><Message>…</Message></Error></Errors><RequestID>…</RequestID></Response>`
fn parse_error(text: &str) -> Option<(String, String)> {
    let mut document = Document::new(text);
    let mut root = document.root_element().ok()?;
    while let Some(mut errors) = root.next_tag() {
        if !errors.start_el().matches("Errors") {
            continue;
        }
        if let Some(mut error) = errors.next_tag() {
            let (mut code, mut message) = (None, String::new());
            while let Some(mut member) = error.next_tag() {
                match member.start_el().local() {
                    "Code" => code = try_data(&mut member).ok().map(|text| text.into_owned()),
                    "Message" => message = try_data(&mut member).ok()?.into_owned(),
                    _ => {}
                }
            }
            return code.map(|code| (code, message));
        }
    }
    None
}

fn parse_security_groups(text: &str) -> Result<Vec<SecurityGroup>, XmlDecodeError> {
    let mut document = Document::new(text);
    let mut root = document.root_element()?;
    let mut groups = Vec::new();
    while let Some(mut list) = root.next_tag() {
        if !list.start_el().matches("securityGroupInfo") {
            continue;
        }
        while let Some(mut item) = list.next_tag() {
            groups.push(parse_security_group(&mut item)?);
        }
    }
    Ok(groups)
}

fn parse_security_group(item: &mut ScopedDecoder<'_, '_>) -> Result<SecurityGroup, XmlDecodeError> {
    let mut group = SecurityGroup::default();
    while let Some(mut member) = item.next_tag() {
        match member.start_el().local() {
            "groupId" => group.id = data(&mut member)?,
            "groupName" => group.name = data(&mut member)?,
            "ipPermissions" => group.ingress = parse_rules(&mut member)?,
            "ipPermissionsEgress" => group.egress = parse_rules(&mut member)?,
            _ => {}
        }
    }
    Ok(group)
}

fn parse_rules(list: &mut ScopedDecoder<'_, '_>) -> Result<Vec<SecurityRule>, XmlDecodeError> {
    let mut rules = Vec::new();
    while let Some(mut item) = list.next_tag() {
        let mut rule = SecurityRule::default();
        while let Some(mut member) = item.next_tag() {
            match member.start_el().local() {
                "ipProtocol" => rule.protocol = data(&mut member)?,
                "fromPort" => rule.from_port = data(&mut member)?.parse().ok(),
                "toPort" => rule.to_port = data(&mut member)?.parse().ok(),
                "groups" => rule.groups = parse_each(&mut member, "groupId")?,
                "ipRanges" => rule.ranges = parse_each(&mut member, "cidrIp")?,
                "prefixListIds" => rule.prefix_lists = parse_each(&mut member, "prefixListId")?,
                _ => {}
            }
        }
        rules.push(rule);
    }
    Ok(rules)
}

/// The text of `name` in each item of a list.
fn parse_each(list: &mut ScopedDecoder<'_, '_>, name: &str) -> Result<Vec<String>, XmlDecodeError> {
    let mut found = Vec::new();
    while let Some(mut item) = list.next_tag() {
        while let Some(mut member) = item.next_tag() {
            if member.start_el().matches(name) {
                found.push(data(&mut member)?);
            }
        }
    }
    Ok(found)
}

fn data(member: &mut ScopedDecoder<'_, '_>) -> Result<String, XmlDecodeError> {
    try_data(member).map(|text| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn security_groups_are_read_from_the_wire() {
        let text = r#"<?xml version="1.0"?><DescribeSecurityGroupsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
          <requestId>r</requestId><securityGroupInfo><item><ownerId>111122223333</ownerId><groupId>sg-1</groupId><groupName>ecs</groupName>
          <ipPermissions><item><ipProtocol>tcp</ipProtocol><fromPort>4317</fromPort><toPort>4318</toPort>
          <groups><item><userId>111122223333</userId><groupId>sg-1</groupId></item></groups>
          <ipRanges><item><cidrIp>10.0.0.0/16</cidrIp></item></ipRanges><prefixListIds/></item></ipPermissions>
          <ipPermissionsEgress><item><ipProtocol>-1</ipProtocol><ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item></ipRanges></item></ipPermissionsEgress>
          </item></securityGroupInfo></DescribeSecurityGroupsResponse>"#;
        let groups = parse_security_groups(text).expect("well-formed");
        assert_eq!(groups.len(), 1);
        assert_eq!(groups[0].ingress[0].groups, ["sg-1"]);
        assert_eq!((groups[0].ingress[0].from_port, groups[0].ingress[0].to_port), (Some(4317), Some(4318)));
        assert_eq!(groups[0].egress[0].protocol, "-1");
        assert_eq!(groups[0].egress[0].from_port, None);
    }

    #[test]
    fn an_error_answer_gives_code_and_message() {
        let text = "<Response><Errors><Error><Code>InvalidGroup.NotFound</Code><Message>gone</Message></Error></Errors><RequestID>x</RequestID></Response>";
        assert_eq!(parse_error(text), Some(("InvalidGroup.NotFound".to_owned(), "gone".to_owned())));
        assert_eq!(parse_error("<html>busy</html>"), None);
    }
}
