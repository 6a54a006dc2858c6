//! Plain HTTP to a task's own address (or to an address that the operator names), over the same HTTP client as everything else.

use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::timeout::TimeoutConfig;
use std::time::Duration;

use super::Aws;

/// Enough for a service inside the VPC; from outside it nothing answers, and the operator waits for that.
const LIMIT: Duration = Duration::from_secs(5);

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpReply {
    /// The status.
    pub status: u16,
    /// The `location` header, for redirects.
    pub location: Option<String>,
    /// The body, as text.
    pub body: String,
}

impl Aws {
    /// `GET base + path`; redirects are not followed.
    ///
    /// # Errors
    /// What happened, in words, when nothing answered.
    pub async fn http_get(&self, base: &str, path: &str) -> Result<HttpReply, String> {
        let limit = self.clock.to_real(LIMIT).max(Duration::from_secs(1));
        let mut operation = Operation::builder()
            .service_name("http")
            .operation_name("Get")
            .endpoint_url(base.trim_end_matches('/'))
            .no_auth()
            .no_retry()
            .timeout_config(
                TimeoutConfig::builder().connect_timeout(limit).operation_timeout(limit).operation_attempt_timeout(limit).build(),
            );
        if let Some(client) = self.config.http_client() {
            operation = operation.http_client(client);
        }
        let operation = operation.serializer(request).deserializer(reply).build();
        // Not the error's own words: they may quote an answer.
        operation.invoke(path.to_owned()).await.map_err(|error| match error {
            aws_smithy_runtime_api::client::result::SdkError::TimeoutError(_) => format!("no answer within {} s", LIMIT.as_secs()),
            _ => "no connection".to_owned(),
        })
    }
}

fn request(path: String) -> Result<HttpRequest, aws_smithy_runtime_api::box_error::BoxError> {
    let mut request = HttpRequest::new(SdkBody::empty());
    request.set_method("GET")?;
    request.set_uri(path)?;
    request.headers_mut().insert("accept", "application/json");
    Ok(request)
}

fn reply(response: &HttpResponse) -> Result<HttpReply, OrchestratorError<ErrorMetadata>> {
    Ok(HttpReply {
        status: response.status().as_u16(),
        location: response.headers().get("location").map(str::to_owned),
        body: String::from_utf8_lossy(response.body().bytes().unwrap_or_default()).into_owned(),
    })
}
