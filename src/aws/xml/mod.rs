//! The services that answer in XML (Elastic Load Balancing v2, EC2, STS), read whole as the JSON that the AWS CLI prints.
//!
//! Everything else in `aws` takes from such an answer what it needs. A capture of the account wants all of it, members that nothing
//! here has heard of included, so these reads keep the body and turn it into JSON by one walk and a small table of names.

mod names;
mod walk;

use aws_smithy_http::query::fmt_string;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use serde_json::Value;

use super::guard::Witness;
use super::retry::may_pass;
use super::{Aws, CallError, Class, Reason};
use names::Dialect;

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
    pub async fn read_xml(&self, operation: &'static str, resource: &str, parameters: &Parameters) -> Result<Value, CallError> {
        let dialect = Dialect::of(operation);
        let text = self.retry(may_pass, || self.ask_once(operation, resource, parameters)).await?;
        walk::json(&text, &dialect).map_err(|why| CallError {
            operation,
            resource: resource.to_owned(),
            class: Class::Unknown,
            reason: Reason::NoAnswer,
            code: String::new(),
            message: format!("an answer that is not AWS's: {why}"),
            request_id: None,
            members: Value::Null,
        })
    }

    /// The same for a listing, to its end: the items of `list` on all pages.
    ///
    /// # Errors
    /// As [`Aws::read_xml`].
    pub async fn read_xml_pages(
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
            let mut answer = self.read_xml(operation, resource, &parameters).await?;
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

    async fn ask_once(&self, operation: &'static str, resource: &str, parameters: &Parameters) -> Result<String, CallError> {
        if Dialect::of(operation).is_ec2() {
            return self.ec2_once(operation, resource, parameters).await;
        }
        let (elb, sts) = (&self.elb, &self.sts);
        let mut form = format!("Action={operation}&Version={}", Dialect::of(operation).version);
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
) -> Result<String, CallError>
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    match sent {
        Ok(()) => Ok(String::from_utf8_lossy(&witness.take_body().unwrap_or_default()).into_owned()),
        Err(error) => Err(CallError::from_sdk(operation, resource, &error, witness.transmits())),
    }
}
