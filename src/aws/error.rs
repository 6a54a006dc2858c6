//! One table of error classes. It decides whether a call was certainly not applied or may have been.
//!
//! | # | what came back | class |
//! | --- | --- | --- |
//! | 1 | nothing was transmitted (credentials, guard, construction) | rejected |
//! | 2 | the connection was refused or the name did not resolve | rejected |
//! | 3 | an AWS error code with status 4xx | rejected |
//! | 4 | status 4xx without a code AWS would use | unknown |
//! | 5 | status 5xx, with or without a code | unknown |
//! | 6 | a time-out, a lost connection, an answer that cannot be read or is longer than [`MOST_ANSWER`] | unknown |
//!
//! `{:?}` of an SDK error prints the whole answer, environment values included; nothing here ever formats one.

use std::error::Error as StdError;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;

use super::bounded::{MOST_ANSWER, is_too_long};
use crate::model::{AwsRefusal, Failure, FailureKind};

/// Whether the request took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Certainly not.
    Rejected,
    /// It may have.
    Unknown,
}

/// Why, as far as it matters to what is done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Too many requests: try again after a while.
    Throttled,
    /// AWS is busy with the same resource: try again after a while.
    Busy,
    /// Something that was just made is not seen everywhere yet: try again after a while.
    NotYetConsistent,
    /// The resource is not there.
    Missing,
    /// A resource of that name is there already.
    Exists,
    /// Credentials are missing, wrong or expired.
    Credentials,
    /// The caller may not do this.
    Denied,
    /// No usable answer.
    NoAnswer,
    /// Nothing could be reached at all.
    Unreachable,
    /// Any other refusal.
    Other,
}

/// A call that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// The operation.
    pub operation: &'static str,
    /// The resource the request was about.
    pub resource: String,
    /// Whether it took effect.
    pub class: Class,
    /// Why.
    pub reason: Reason,
    /// AWS's code; empty where there is none.
    pub code: String,
    /// AWS's message, or what happened, in words.
    pub message: String,
    /// AWS's request id.
    pub request_id: Option<String>,
    /// The members of a JSON error body, for the few errors that carry more than a message.
    pub members: serde_json::Value,
}

impl CallError {
    /// Reads an SDK error. `transmits` counts the times that a request was handed to the connection.
    pub(super) fn from_sdk<E>(operation: &'static str, resource: &str, error: &SdkError<E, HttpResponse>, transmits: u32) -> Self
    where
        E: StdError + ProvideErrorMetadata + 'static,
    {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let code = error.code().unwrap_or_default().to_owned();
        let members = error
            .raw_response()
            .and_then(|response| response.body().bytes())
            .and_then(|bytes| serde_json::from_slice(bytes).ok())
            .unwrap_or(serde_json::Value::Null);
        let (class, reason) =
            classify(&Seen { status, code: &code, message: error.message().unwrap_or_default(), transmits, chain: chain(error) });
        let message = match error.message() {
            Some(message) if !message.is_empty() => message.to_owned(),
            _ => describe(status, error),
        };
        let request_id = RequestId::request_id(error).map(str::to_owned);
        Self { operation, resource: resource.to_owned(), class, reason, code, message, request_id, members }
    }

    /// An operation that no table of the client's has: nothing was sent.
    pub(super) fn not_in_table(operation: &'static str, resource: &str) -> Self {
        Self {
            operation,
            resource: resource.to_owned(),
            class: Class::Rejected,
            reason: Reason::Other,
            code: "NotInTable".to_owned(),
            message: "this operation is not in the client's table".to_owned(),
            request_id: None,
            members: serde_json::Value::Null,
        }
    }

    /// A success whose answer cannot be read.
    pub(super) fn unreadable(operation: &'static str, resource: &str, why: &str) -> Self {
        Self {
            operation,
            resource: resource.to_owned(),
            class: Class::Unknown,
            reason: Reason::NoAnswer,
            code: String::new(),
            message: format!("an answer that is not AWS's: {why}"),
            request_id: None,
            members: serde_json::Value::Null,
        }
    }

    /// For the journal.
    pub fn failure(&self) -> Failure {
        let kind = match self.reason {
            Reason::Credentials => FailureKind::Credentials,
            Reason::NoAnswer | Reason::Unreachable => FailureKind::Unreachable,
            _ => FailureKind::Rejected,
        };
        Failure {
            kind,
            message: format!("{} for {}", self.operation, self.resource),
            causes: vec![self.refusal().to_string()],
            code: (!self.code.is_empty()).then(|| self.code.clone()),
            request_id: self.request_id.clone(),
        }
    }

    /// For an error message.
    pub fn refusal(&self) -> AwsRefusal {
        let code = if self.code.is_empty() { "no answer".to_owned() } else { self.code.clone() };
        AwsRefusal {
            operation: self.operation.to_owned(),
            resource: self.resource.clone(),
            code,
            message: self.message.clone(),
            request_id: self.request_id.clone(),
        }
    }
}

/// What the table looks at.
struct Seen<'a> {
    status: Option<u16>,
    code: &'a str,
    message: &'a str,
    transmits: u32,
    chain: Chain,
}

/// What the chain of sources holds.
#[derive(Clone, Copy, Default)]
struct Chain {
    never_connected: bool,
    credentials: bool,
    slept: bool,
    too_long: bool,
}

fn chain<E: StdError + 'static>(error: &SdkError<E, HttpResponse>) -> Chain {
    let mut found = Chain::default();
    let mut next: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(cause) = next {
        if let Some(client) = cause.downcast_ref::<hyper_util::client::legacy::Error>() {
            found.never_connected |= client.is_connect();
        }
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            found.never_connected |= io.kind() == std::io::ErrorKind::ConnectionRefused;
        }
        found.too_long |= is_too_long(cause);
        found.slept |= cause.is::<super::guard::Slept>();
        found.credentials |= cause.is::<aws_credential_types::provider::error::CredentialsError>();
        next = cause.source();
    }
    found
}

fn classify(seen: &Seen<'_>) -> (Class, Reason) {
    if seen.chain.credentials {
        return (Class::Rejected, Reason::Credentials);
    }
    if seen.chain.slept {
        return (Class::Rejected, Reason::Other);
    }
    if seen.transmits == 0 {
        return (Class::Rejected, if seen.status.is_none() && seen.code.is_empty() { Reason::Unreachable } else { Reason::Other });
    }
    if seen.chain.never_connected && seen.transmits == 1 {
        return (Class::Rejected, Reason::Unreachable);
    }
    match seen.status {
        Some(400..=499) if !seen.code.is_empty() => (Class::Rejected, reason(seen.code, seen.message)),
        Some(_) | None => (Class::Unknown, Reason::NoAnswer),
    }
}

/// What a code (and, where one code stands for many things, its message) means.
fn reason(code: &str, message: &str) -> Reason {
    match code {
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "EC2ThrottledException"
        | "SlowDown" => Reason::Throttled,
        "OperationAbortedException" | "ConflictException" | "DuplicateRequest" | "ResourceInUse" => Reason::Busy,
        "ClientException" if message.contains("Too many concurrent attempts") => Reason::Busy,
        "ClientException" if message.contains("Unable to describe task definition") => Reason::Missing,
        "ClientException" if message.contains("Role is not valid") => Reason::NotYetConsistent,
        "InvalidParameterException" if is_not_yet_consistent(message) => Reason::NotYetConsistent,
        "InvalidParameterException" if message.contains("still Draining") => Reason::Busy,
        // DeleteService while ECS still takes an old deployment away.
        "InvalidParameterException" if message.contains("while deployments are active") => Reason::Busy,
        "InvalidParameterException" if message.contains("was not idempotent") => Reason::Exists,
        "ResourceAlreadyExistsException" | "ServiceAlreadyExists" | "InvalidPermission.Duplicate" => Reason::Exists,
        "ServiceNotFoundException"
        | "ServiceNotActiveException"
        | "ResourceNotFoundException"
        | "ServiceNotFound"
        | "NamespaceNotFound"
        | "TargetGroupNotFound"
        | "ListenerNotFound"
        | "LoadBalancerNotFound"
        | "InstanceNotFound"
        | "ClusterNotFoundException"
        | "InvalidGroup.NotFound"
        | "InvalidPermission.NotFound"
        | "InvalidSecurityGroupRuleId.NotFound"
        | "InvalidSubnetID.NotFound" => Reason::Missing,
        "ExpiredTokenException"
        | "ExpiredToken"
        | "RequestExpired"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "AuthFailure"
        | "IncompleteSignature"
        | "MissingAuthenticationToken" => Reason::Credentials,
        "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" => Reason::Denied,
        _ => Reason::Other,
    }
}

/// AWS's own races right after something was made; deploy tools that met them try again for a while.
fn is_not_yet_consistent(message: &str) -> bool {
    ["verify that the ECS service role being passed has the proper permissions", "Unable to assume the service linked role"]
        .iter()
        .any(|text| message.contains(text))
}

/// In words, without ever printing the answer itself.
fn describe<E: StdError + 'static>(status: Option<u16>, error: &SdkError<E, HttpResponse>) -> String {
    let found = chain(error);
    match (status, error) {
        _ if found.credentials => deepest(error),
        _ if found.too_long => format!("an answer of more than {} MiB: not AWS's, it was not read", MOST_ANSWER / 1024 / 1024),
        (_, SdkError::TimeoutError(_)) => "no answer within the time allowed".to_owned(),
        (Some(status), _) => format!("HTTP status {status} with an answer that is not AWS's"),
        (None, SdkError::DispatchFailure(failure)) if failure.is_timeout() => "the connection could not be made in time".to_owned(),
        (None, _) => deepest(error),
    }
}

/// The innermost source's words: an operating system's or a credentials provider's, never an answer's body.
fn deepest<E: StdError + 'static>(error: &SdkError<E, HttpResponse>) -> String {
    let mut words = String::from("the request could not be sent");
    let mut next: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(cause) = next {
        words = cause.to_string();
        next = cause.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(status: Option<u16>, code: &'static str, transmits: u32, chain: Chain) -> (Class, Reason) {
        classify(&Seen { status, code, message: "", transmits, chain })
    }

    #[test]
    fn only_what_certainly_had_no_effect_is_rejected() {
        let none = Chain::default();
        let refused = Chain { never_connected: true, ..none };
        let credentials = Chain { credentials: true, ..none };
        assert_eq!(seen(None, "", 0, credentials), (Class::Rejected, Reason::Credentials));
        assert_eq!(seen(None, "", 1, refused), (Class::Rejected, Reason::Unreachable));
        assert_eq!(seen(None, "", 2, refused), (Class::Unknown, Reason::NoAnswer), "an earlier attempt may have landed");
        assert_eq!(seen(Some(400), "ClusterNotFoundException", 1, none), (Class::Rejected, Reason::Missing));
        assert_eq!(seen(Some(400), "ThrottlingException", 1, none), (Class::Rejected, Reason::Throttled));
        assert_eq!(seen(Some(403), "", 1, none), (Class::Unknown, Reason::NoAnswer), "a proxy's answer is not AWS's");
        assert_eq!(seen(Some(500), "ServerException", 1, none), (Class::Unknown, Reason::NoAnswer));
        assert_eq!(seen(Some(200), "", 1, none), (Class::Unknown, Reason::NoAnswer), "a garbled success most likely took effect");
        assert_eq!(seen(None, "", 1, none), (Class::Unknown, Reason::NoAnswer), "a time-out");
    }

    #[test]
    fn one_code_for_many_things_is_told_apart_by_its_message() {
        assert_eq!(
            reason("ClientException", "Too many concurrent attempts to create a new revision of the specified family."),
            Reason::Busy
        );
        assert_eq!(
            reason("InvalidParameterException", "The service cannot be stopped while deployments are active."),
            Reason::Busy
        );
        assert_eq!(reason("InvalidParameterException", "Creation of service was not idempotent."), Reason::Exists);
        assert_eq!(reason("InvalidParameterException", "The container x does not exist in the task definition."), Reason::Other);
    }
}
