//! The APIs that tell whether spans arrive. A runbook chooses one by its word; the steps know none of them.

pub mod jaeger_query;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::aws::Aws;

/// An API that tells which services have traces.
#[async_trait(?Send)]
pub trait SpanApi: Sync {
    /// The runbook's word.
    fn word(&self) -> &'static str;

    /// What answers it, as people call it.
    fn name(&self) -> &'static str;

    /// The services that the one asked has spans of, its own included.
    ///
    /// # Errors
    /// Why it cannot be known, in words: what was asked and what came back, never its content.
    async fn services(&self, aws: &Aws, base: &str) -> Result<Vec<String>, String>;

    /// Whether it has a trace of `service` that began at or after `since`, every span of it that is there.
    ///
    /// # Errors
    /// As [`SpanApi::services`].
    async fn has_trace_since(&self, aws: &Aws, base: &str, service: &str, since: Timestamp) -> Result<bool, String>;
}

/// Every API.
pub const APIS: &[&dyn SpanApi] = &[&jaeger_query::JaegerQuery];

/// The API of this word.
pub fn find(word: &str) -> Option<&'static dyn SpanApi> {
    APIS.iter().copied().find(|api| api.word() == word)
}
