//! Counts the requests that are handed to the connection, by operation, for the record of a run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_types::SigningName;

/// Attached to every client. A request that is sent again counts again.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    counts: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Tally {
    /// How often each operation was sent so far: `ecs:DescribeServices` → 61.
    pub(super) fn counts(&self) -> BTreeMap<String, u64> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Intercept for Tally {
    fn name(&self) -> &'static str {
        "Tally"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // As policies write it, for `CreateService` is ECS's and Cloud Map's.
        if let (Some(service), Some(operation)) = (config.load::<SigningName>(), config.load::<Metadata>()) {
            let action = format!("{}:{}", service.as_ref(), operation.name());
            *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(action).or_default() += 1;
        }
        Ok(())
    }
}
