//! How much of an answer is read. AWS's own are far shorter; what is longer comes from something else, a proxy or a broken endpoint,
//! and would fill the memory.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextMut;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use http_body_util::{LengthLimitError, Limited};

/// The longest answer of AWS that is read, in bytes. The longest that AWS gives here are a page of log lines, 1 MB of text by
/// GetLogEvents' documentation, and a listing of EC2.
pub const MOST_ANSWER: usize = 8 * 1024 * 1024;

/// Reads so many bytes of an answer and no more. Attached to every client.
#[derive(Clone, Debug)]
pub(super) struct BoundedBody(pub(super) usize);

impl Intercept for BoundedBody {
    fn name(&self) -> &'static str {
        "BoundedBody"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response_mut().body_mut();
        let whole = std::mem::replace(body, SdkBody::taken());
        *body = SdkBody::from_body_1_x(Limited::new(whole, self.0));
        Ok(())
    }
}

/// Whether this error says that an answer was longer than what is read.
pub(super) fn is_too_long(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<LengthLimitError>()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::aws::plain_http::scripted::{Scripted, Server, at_endpoint};
    use crate::aws::{CallError, Class, Reason};

    /// A client whose every call is answered with a text of so many bytes, filled up with `filler` in its middle.
    async fn answered(status: u16, kind: &'static str, (begin, filler, end): (&str, &str, &str), bytes: usize) -> Server {
        let filler = filler.repeat((bytes - begin.len() - end.len()) / filler.len());
        Server::of(&[("*", Scripted::Answer(status, kind, format!("{begin}{filler}{end}")))]).await
    }

    const JSON: (&str, &str, &str) = (r#"{"service":{"serviceName":""#, "x", r#""}}"#);
    const XML: (&str, &str, &str) = ("<R><securityGroupInfo><item><groupName>", "x", "</groupName></item></securityGroupInfo></R>");

    fn told(error: &CallError) {
        assert_eq!((error.class, error.reason), (Class::Unknown, Reason::NoAnswer), "{error:?}");
        assert_eq!(error.message, "an answer of more than 8 MiB: not AWS's, it was not read");
    }

    #[tokio::test]
    async fn a_longer_answer_leaves_it_unknown_what_became_of_a_change() {
        for status in [200, 400, 500] {
            let server = answered(status, "application/x-amz-json-1.1", JSON, MOST_ANSWER + 1).await;
            let aws = at_endpoint(&server.url());
            let input = json!({ "cluster": "c", "service": "s" });
            told(&aws.mutate("DeleteService", "s", &input).await.expect_err("it is not read"));
            assert_eq!(server.asked().len(), 1, "what may have taken effect is not sent again");
        }
        let server = answered(200, "application/x-amz-json-1.1", JSON, MOST_ANSWER).await;
        let aws = at_endpoint(&server.url());
        let answer = aws.mutate("DeleteService", "s", &json!({})).await.expect("the longest that is read");
        assert!(answer.value["service"]["serviceName"].as_str().is_some_and(|name| name.len() > MOST_ANSWER / 2));
    }

    #[tokio::test]
    async fn a_longer_answer_is_told_by_every_kind_of_client() {
        let server = answered(200, "text/xml", XML, MOST_ANSWER + 1).await;
        let aws = at_endpoint(&server.url());
        told(&aws.security_groups(&["sg-1".to_owned()]).await.expect_err("EC2 over the SDK's runtime"));
        told(&aws.identity().await.expect_err("STS by its SDK"));
        told(&aws.target_groups(&["arn".to_owned()]).await.expect_err("ELB by its SDK"));
        let server = answered(200, "application/x-amz-json-1.1", JSON, MOST_ANSWER + 1).await;
        let aws = at_endpoint(&server.url());
        told(&aws.read("DescribeServices", "s", json!({})).await.expect_err("ECS by its SDK"));
    }
}
