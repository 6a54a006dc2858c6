//! Tells a watcher of each attempt of a call: its operation, status, duration and ids. Of bodies only an error's code is read.

use std::fmt;
use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};

use super::Clock;
use super::foreign::refusal;
use crate::model::{ApiCall, ApiWatch};

/// Where AWS's services put a request's id.
const REQUEST_ID: &[&str] = &["x-amzn-requestid", "x-amzn-request-id", "x-amz-request-id"];
/// Longest error code that is told; AWS's are words.
const LONGEST_CODE: usize = 80;

/// Attached to every client where somebody watches.
#[derive(Clone)]
pub(super) struct Teller {
    pub(super) watch: ApiWatch,
    pub(super) clock: Clock,
}

impl fmt::Debug for Teller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Teller")
    }
}

/// When an attempt began, on the clock of its client.
#[derive(Debug)]
struct Begun(Duration);

impl Storable for Begun {
    type Storer = StoreReplace<Self>;
}

/// It was handed to the connection.
#[derive(Debug)]
struct Sent;

impl Storable for Sent {
    type Storer = StoreReplace<Self>;
}

impl Intercept for Teller {
    fn name(&self) -> &'static str {
        "Teller"
    }

    fn read_before_serialization(
        &self,
        _context: &BeforeSerializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(Begun(self.clock.elapsed()));
        Ok(())
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(Sent);
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(metadata) = config.load::<Metadata>() else { return Ok(()) };
        let now = self.clock.elapsed();
        let begun = config.load::<Begun>().map_or(now, |begun| begun.0);
        let response = context.response();
        (self.watch)(&ApiCall::Ended {
            service: metadata.service().to_owned(),
            operation: metadata.name().to_owned(),
            sent: config.load::<Sent>().is_some(),
            status: response.map(|response| response.status().as_u16()),
            code: response.and_then(code),
            request_id: response.and_then(request_id),
            took: now.saturating_sub(begun),
        });
        Ok(())
    }
}

fn request_id(response: &HttpResponse) -> Option<String> {
    REQUEST_ID.iter().find_map(|name| response.headers().get(*name)).map(str::to_owned)
}

fn code(response: &HttpResponse) -> Option<String> {
    if response.status().is_success() {
        return None;
    }
    let (code, _) = refusal(std::str::from_utf8(response.body().bytes()?).ok()?)?;
    let word = |code: &str| {
        code.len() <= LONGEST_CODE && code.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter))
    };
    Some(code).filter(|code| !code.is_empty() && word(code))
}
