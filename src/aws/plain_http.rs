//! Plain HTTP to a task's own address (or to an address that the operator names), over the same HTTP client as everything else.
//!
//! Who answers there is not known beforehand: a login page, a proxy, something that hangs or never ends. So the time, the length of
//! an answer and the redirects that are followed are bounded, and what went wrong is told without quoting the answer.

use std::fmt;
use std::time::Duration;

use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::timeout::TimeoutConfig;
use http::Uri;

use super::Aws;
use super::bounded::{BoundedBody, is_too_long};

/// Enough for a service inside the VPC; from outside it nothing answers, and the operator waits for that.
const LIMIT: Duration = Duration::from_secs(5);
/// The longest answer that is read, in bytes.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// How many redirects in a row are followed.
const MOST_REDIRECTS: usize = 3;

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpReply {
    /// The status.
    pub status: u16,
    /// The `content-type` header.
    pub content_type: Option<String>,
    /// The `location` header, for redirects.
    pub location: Option<String>,
    /// The body, as text.
    pub body: String,
}

/// Why there is no HTTP answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpFailure {
    /// The text is not an address that HTTP can be spoken to.
    #[error("not an http:// or https:// address")]
    NoAddress,
    /// Nobody takes a connection, or it could not be made: no such name, refused, a certificate that is not trusted.
    #[error("no connection")]
    NoConnection,
    /// Time ran out.
    #[error("no answer within {} s", LIMIT.as_secs())]
    NoAnswer,
    /// The answer is longer than what is read.
    #[error("an answer of more than {} MiB", MOST_BYTES / 1024 / 1024)]
    TooLong,
    /// The answer broke off, or is no HTTP.
    #[error("an answer that broke off")]
    BrokeOff,
}

impl fmt::Display for HttpReply {
    /// Status and content type, never the body: `HTTP 200, text/html`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}", self.status)?;
        if (300..400).contains(&self.status)
            && let Some(location) = &self.location
        {
            // Where a login sends one to has secrets of its own in the query: the host is enough.
            return match location.parse::<Uri>().ok().and_then(|uri| origin(&uri)) {
                Some(other) => write!(f, " to {other}"),
                None => write!(f, ", a redirect"),
            };
        }
        let kind = self.content_type.as_deref().and_then(|kind| kind.split(';').next()).map_or("", str::trim);
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "/.+-_".contains(letter);
        match kind {
            "" => write!(f, " without a content type"),
            kind if kind.len() <= 60 && kind.chars().all(plain) => write!(f, ", {kind}"),
            _ => write!(f, ", of an odd content type"),
        }
    }
}

/// An address as it is shown: without what a user name, a password or a query may give away.
pub fn shown_url(url: &str) -> String {
    let Ok(uri) = url.parse::<Uri>() else { return "an address that does not read".to_owned() };
    let path = uri.path().trim_end_matches('/');
    origin(&uri).map_or_else(|| path.to_owned(), |origin| format!("{origin}{path}"))
}

/// Whether an address carries a user name or a password: it would be stored and shown with it.
pub fn names_a_user(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
}

/// The host of an address, in lower case; `None` when it is none.
pub fn host_of(url: &str) -> Option<String> {
    let uri = url.parse::<Uri>().ok()?;
    origin(&uri)?;
    uri.host().map(|host| host.trim_end_matches('.').to_ascii_lowercase())
}

/// Scheme, host and port, without a user name.
fn origin(uri: &Uri) -> Option<String> {
    let scheme = uri.scheme_str().filter(|scheme| ["http", "https"].contains(scheme))?;
    let host = uri.host().filter(|host| !host.is_empty())?;
    let port = uri.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{scheme}://{host}{port}"))
}

impl Aws {
    /// `GET url`; redirects are not followed.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn http_get(&self, url: &str) -> Result<HttpReply, HttpFailure> {
        let uri: Uri = url.parse().map_err(|_| HttpFailure::NoAddress)?;
        let origin = origin(&uri).ok_or(HttpFailure::NoAddress)?;
        let limit = self.clock.to_real(LIMIT).max(Duration::from_secs(3));
        let mut operation = Operation::builder()
            .service_name("http")
            .operation_name("Get")
            .endpoint_url(&origin)
            .no_auth()
            .no_retry()
            .interceptor(BoundedBody(MOST_BYTES))
            .timeout_config(
                TimeoutConfig::builder().connect_timeout(limit).operation_timeout(limit).operation_attempt_timeout(limit).build(),
            );
        if let Some(client) = self.config.http_client() {
            operation = operation.http_client(client);
        }
        let operation = operation.serializer(request).deserializer(reply).build();
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        operation.invoke(path.to_owned()).await.map_err(|error| failure(&error))
    }

    /// The same, following a few redirects that stay on scheme, host and port, as from a path to the path with a slash. Another
    /// redirect is the answer.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn http_get_following(&self, url: &str) -> Result<HttpReply, HttpFailure> {
        let mut at = url.to_owned();
        for _ in 0..MOST_REDIRECTS {
            let reply = self.http_get(&at).await?;
            match next(&at, &reply) {
                Some(next) => at = next,
                None => return Ok(reply),
            }
        }
        self.http_get(&at).await
    }
}

/// Where a redirect leads that stays where it is.
fn next(at: &str, reply: &HttpReply) -> Option<String> {
    let location = reply.location.as_deref().filter(|_| [301, 302, 303, 307, 308].contains(&reply.status))?;
    let here: Uri = at.parse().ok()?;
    let here_origin = origin(&here)?;
    if location.contains("://") || location.starts_with("//") {
        let there = if location.starts_with("//") { format!("{}:{location}", here.scheme_str()?) } else { location.to_owned() };
        return (origin(&there.parse().ok()?)?.eq_ignore_ascii_case(&here_origin)).then_some(there);
    }
    if location.starts_with('/') {
        return Some(format!("{here_origin}{location}"));
    }
    let (folder, _) = here.path().rsplit_once('/')?;
    Some(format!("{here_origin}{folder}/{location}"))
}

/// What went wrong. Not in the error's own words: they may quote an answer.
fn failure<E>(error: &SdkError<E, HttpResponse>) -> HttpFailure
where
    E: std::error::Error + 'static,
{
    match error {
        SdkError::TimeoutError(_) => HttpFailure::NoAnswer,
        SdkError::DispatchFailure(failure) if failure.is_timeout() => HttpFailure::NoAnswer,
        SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => HttpFailure::NoConnection,
        other => {
            let mut source: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(other);
            while let Some(error) = source {
                if is_too_long(error) {
                    return HttpFailure::TooLong;
                }
                source = error.source();
            }
            HttpFailure::BrokeOff
        }
    }
}

fn request(path: String) -> Result<HttpRequest, BoxError> {
    let mut request = HttpRequest::new(SdkBody::empty());
    request.set_method("GET")?;
    request.set_uri(path)?;
    request.headers_mut().insert("accept", "application/json, */*;q=0.5");
    Ok(request)
}

fn reply(response: &HttpResponse) -> Result<HttpReply, OrchestratorError<ErrorMetadata>> {
    let header = |name: &str| response.headers().get(name).map(str::to_owned);
    Ok(HttpReply {
        status: response.status().as_u16(),
        content_type: header("content-type"),
        location: header("location"),
        body: String::from_utf8_lossy(response.body().bytes().unwrap_or_default()).into_owned(),
    })
}

#[cfg(test)]
pub(crate) mod scripted;
#[cfg(test)]
mod tests;
