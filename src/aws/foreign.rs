//! Operations of services that no SDK crate stands for here, over the SDK's own runtime, signing, time-outs and guard. Such a
//! crate for each would cost minutes of every clean build for a handful of operations: EC2's alone takes as long as all the others.

use aws_runtime::auth::SigV4OperationSigningConfig;
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
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
use aws_types::region::{Region, SigningRegion};
use aws_types::service_config::ServiceConfigKey;
use aws_types::{SdkConfig, SigningName};
use serde_json::Value;

use super::bounded::{BoundedBody, MOST_ANSWER};
use super::connect::Access;
use super::guard::{READ_ONLY_OPERATIONS, ReadOnlyGuard, Witness};
use super::{Aws, CallError, xml};

/// A service.
pub(super) struct Foreign {
    /// What `AWS_ENDPOINT_URL_…` and profiles call it.
    id: &'static str,
    /// What signatures call it.
    signing: &'static str,
    /// First part of its host's name.
    host: &'static str,
    /// Whether one endpoint serves all Regions of a partition.
    global: bool,
}

/// Security groups and their rules, subnets, routes, VPCs.
pub(super) const EC2: Foreign = Foreign { id: "EC2", signing: "ec2", host: "ec2", global: false };
/// Roles, and what a principal may do.
pub(super) const IAM: Foreign = Foreign { id: "IAM", signing: "iam", host: "iam", global: true };
/// Hosted zones.
pub(super) const ROUTE53: Foreign = Foreign { id: "Route 53", signing: "route53", host: "route53", global: true };
/// Who owns a service's desired count.
pub(super) const SCALING: Foreign =
    Foreign { id: "Application Auto Scaling", signing: "application-autoscaling", host: "application-autoscaling", global: false };

impl Foreign {
    /// The Region that signatures name.
    fn region(&self, region: &str) -> String {
        match (self.global, region.starts_with("cn-"), region.starts_with("us-gov-")) {
            (false, ..) => region.to_owned(),
            (true, true, _) if self.host == IAM.host => "cn-north-1".to_owned(),
            (true, true, _) => "cn-northwest-1".to_owned(),
            (true, _, true) => "us-gov-west-1".to_owned(),
            (true, ..) => "us-east-1".to_owned(),
        }
    }

    /// Where it is reached when nothing else is set, as AWS's endpoint rules have it.
    fn usual_endpoint(&self, region: &str) -> String {
        let host = self.host;
        match (self.global, region.starts_with("cn-"), region.starts_with("us-gov-")) {
            (false, true, _) => format!("https://{host}.{region}.amazonaws.com.cn"),
            (false, ..) => format!("https://{host}.{region}.amazonaws.com"),
            (true, true, _) if self.host == IAM.host => format!("https://{host}.cn-north-1.amazonaws.com.cn"),
            (true, true, _) => format!("https://{host}.amazonaws.com.cn"),
            (true, _, true) => format!("https://{host}.us-gov.amazonaws.com"),
            (true, ..) => format!("https://{host}.amazonaws.com"),
        }
    }

    /// The same overrides that the SDK's own clients heed go first.
    fn endpoint(&self, aws: &Aws) -> String {
        set_endpoint(&aws.config, self.id)
            .or_else(|| aws.config.endpoint_url().map(str::to_owned))
            .unwrap_or_else(|| self.usual_endpoint(&aws.region))
    }
}

/// The services here, as [`set_endpoint`] calls them.
pub(super) fn services() -> impl Iterator<Item = &'static str> {
    [&EC2, &IAM, &ROUTE53, &SCALING].into_iter().map(|service| service.id)
}

/// The endpoint that the environment or the profile sets for one service.
pub(super) fn set_endpoint(config: &SdkConfig, service: &str) -> Option<String> {
    let key = ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL").profile("endpoint_url").build().ok()?;
    config.service_config()?.load_config(key)
}

/// A request, whatever its protocol.
#[derive(Debug)]
pub(super) struct Ask {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Ask {
    /// A form of the query protocols: `Action=…&Version=…` and the parameters.
    pub(super) fn form(action: &str, version: &str, parameters: &[(String, String)]) -> Self {
        let mut body = format!("Action={action}&Version={version}");
        for (name, value) in parameters {
            body.push_str(&format!("&{name}={}", aws_smithy_http::query::fmt_string(value)));
        }
        let headers = vec![("content-type", "application/x-www-form-urlencoded".to_owned())];
        Self { method: "POST", path: "/".to_owned(), headers, body }
    }

    /// A JSON body for `target`, as X-Amz-Target spells it.
    pub(super) fn json(target: &str, input: &Value) -> Self {
        let headers = vec![("content-type", "application/x-amz-json-1.1".to_owned()), ("x-amz-target", target.to_owned())];
        Self { method: "POST", path: "/".to_owned(), headers, body: input.to_string() }
    }

    /// A plain path.
    pub(super) fn get(path: String) -> Self {
        Self { method: "GET", path, headers: Vec::new(), body: String::new() }
    }

    fn request(self) -> Result<HttpRequest, aws_smithy_runtime_api::box_error::BoxError> {
        let length = self.body.len();
        let mut request = HttpRequest::new(SdkBody::from(self.body));
        request.set_method(self.method)?;
        request.set_uri(self.path)?;
        for (name, value) in self.headers {
            request.headers_mut().insert(name, value);
        }
        if self.method == "POST" {
            request.headers_mut().insert("content-length", length.to_string());
        }
        Ok(request)
    }
}

impl Aws {
    /// Sends one request, once, and reads the answer: JSON as it is, XML by [`xml::tree`].
    pub(super) async fn foreign_once(
        &self,
        service: &Foreign,
        operation: &'static str,
        resource: &str,
        ask: Ask,
    ) -> Result<Value, CallError> {
        // Reading after a sleep is harmless, and how a run finds out what became of it.
        let witness = Witness::under(self.lease().filter(|_| !READ_ONLY_OPERATIONS.contains(&operation)));
        let mut call = Operation::builder()
            .service_name(service.id)
            .operation_name(operation)
            .endpoint_url(&service.endpoint(self))
            .no_retry()
            .timeout_config(self.config.timeout_config().cloned().unwrap_or_else(TimeoutConfig::disabled))
            .interceptor(witness.clone())
            .interceptor(self.tally.clone())
            .interceptor(BoundedBody(MOST_ANSWER))
            .runtime_plugin(self.signing(service));
        if let Some(client) = self.config.http_client() {
            call = call.http_client(client);
        }
        if self.access == Access::ReadOnly {
            call = call.interceptor(ReadOnlyGuard);
        }
        if let Some(teller) = &self.teller {
            call = call.interceptor(teller.clone());
        }
        let call = call.serializer(Ask::request).deserializer(answer).build();
        let sent = call.invoke(ask).await;
        let body = sent.map_err(|error| CallError::from_sdk(operation, resource, &error, witness.transmits()))?;
        let read = if body.trim_start().starts_with('{') {
            serde_json::from_str(&body).map_err(|error| error.to_string())
        } else {
            xml::tree(&body)
        };
        read.map_err(|why| CallError::unreadable(operation, resource, &why))
    }

    /// What an SDK client would bring along: the signing and the identity.
    fn signing(&self, service: &Foreign) -> StaticRuntimePlugin {
        let mut layer = Layer::new("foreign");
        layer.store_put(AuthSchemeOptionResolverParams::new(()));
        layer.store_put(SigningRegion::from(Region::new(service.region(&self.region))));
        layer.store_put(SigningName::from_static(service.signing));
        layer.store_put(SigV4OperationSigningConfig::default());
        let mut components = RuntimeComponentsBuilder::new("foreign")
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

fn answer(response: &HttpResponse) -> Result<String, OrchestratorError<ErrorMetadata>> {
    let text = String::from_utf8_lossy(response.body().bytes().unwrap_or_default()).into_owned();
    if response.status().is_success() {
        return Ok(text);
    }
    let mut error = ErrorMetadata::builder();
    if let Some((code, message)) = refusal(&text) {
        error = error.code(code).message(message);
    }
    Err(OrchestratorError::operation(error.build()))
}

/// Code and message of an error in any of the protocols: `{"__type": …, "message": …}`, `<ErrorResponse><Error>…`, and EC2's
/// `<Response><Errors><Error>…`.
pub(super) fn refusal(text: &str) -> Option<(String, String)> {
    if let Ok(body) = serde_json::from_str::<Value>(text) {
        let code = body["__type"].as_str()?.rsplit('#').next()?.to_owned();
        let message = body["message"].as_str().or(body["Message"].as_str()).unwrap_or_default().to_owned();
        return Some((code, message));
    }
    let root = xml::tree(text).ok()?;
    let error = if root["Error"].is_object() { &root["Error"] } else { &root["Errors"]["Error"] };
    Some((error["Code"].as_str()?.to_owned(), xml::text(error, "Message")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_every_protocol_give_code_and_message() {
        let expected = Some(("Gone".to_owned(), "not there".to_owned()));
        for text in [
            "<Response><Errors><Error><Code>Gone</Code><Message>not there</Message></Error></Errors><RequestID>x</RequestID></Response>",
            r#"<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>Gone</Code><Message>not there</Message></Error></ErrorResponse>"#,
            r#"{"__type":"com.amazonaws#Gone","message":"not there"}"#,
            r#"{"__type":"Gone","Message":"not there"}"#,
        ] {
            assert_eq!(refusal(text), expected, "{text}");
        }
        for text in ["<html>busy</html>", "", "{}", "[1]"] {
            assert_eq!(refusal(text), None, "{text}");
        }
    }

    #[test]
    fn endpoints_follow_the_partition() {
        assert_eq!(EC2.usual_endpoint("eu-west-1"), "https://ec2.eu-west-1.amazonaws.com");
        assert_eq!(SCALING.usual_endpoint("cn-north-1"), "https://application-autoscaling.cn-north-1.amazonaws.com.cn");
        assert_eq!(IAM.usual_endpoint("eu-west-1"), "https://iam.amazonaws.com");
        assert_eq!(IAM.usual_endpoint("us-gov-east-1"), "https://iam.us-gov.amazonaws.com");
        assert_eq!(ROUTE53.usual_endpoint("cn-northwest-1"), "https://route53.amazonaws.com.cn");
        assert_eq!(
            (IAM.region("eu-west-1"), ROUTE53.region("us-gov-east-1")),
            ("us-east-1".to_owned(), "us-gov-west-1".to_owned())
        );
    }
}
