//! What stands under every SDK client: a guard that lets no mutating operation out when only reading is allowed, and a counter
//! of transmissions that tells "nothing was sent" from "it may have landed".

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// The operations that change nothing. Exact names, not prefixes: whatever is not here is refused where only reading is allowed.
pub const READ_ONLY_OPERATIONS: &[&str] = &[
    "DescribeClusters",
    "DescribeListeners",
    "DescribeLoadBalancers",
    "DescribeLogGroups",
    "DescribeLogStreams",
    "DescribeRouteTables",
    "DescribeRules",
    "DescribeScalableTargets",
    "DescribeSecurityGroupRules",
    "DescribeSecurityGroups",
    "DescribeServiceDeployments",
    "DescribeServiceRevisions",
    "DescribeServices",
    "DescribeSubnets",
    "DescribeTags",
    "DescribeTargetGroupAttributes",
    "DescribeTargetGroups",
    "DescribeTargetHealth",
    "DescribeTaskDefinition",
    "DescribeTasks",
    "DescribeVpcAttribute",
    "DescribeVpcs",
    "FilterLogEvents",
    "GetCallerIdentity",
    "GetHostedZone",
    "GetInstancesHealthStatus",
    "GetLogEvents",
    "GetNamespace",
    "GetRole",
    "GetService",
    "ListInstances",
    "ListNamespaces",
    "ListServiceDeployments",
    "ListServices",
    "ListTagsForResource",
    "ListTaskDefinitions",
    "ListTasks",
    "SimulatePrincipalPolicy",
];

/// The guard refused to send an operation.
#[derive(Debug, thiserror::Error)]
#[error("{operation} changes something, and only reading is allowed here")]
pub struct Refused {
    /// The operation, or `an unnamed operation`.
    pub operation: String,
}

/// Attached to every client that may only read.
#[derive(Debug)]
pub(super) struct ReadOnlyGuard;

impl Intercept for ReadOnlyGuard {
    fn name(&self) -> &'static str {
        "ReadOnlyGuard"
    }

    fn read_before_serialization(
        &self,
        _context: &BeforeSerializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // Metadata is absent only when the SDK changes under us: then nothing may leave.
        let operation = config.load::<Metadata>().map(|metadata| metadata.name().to_string());
        match operation {
            Some(name) if READ_ONLY_OPERATIONS.contains(&name.as_str()) => Ok(()),
            other => Err(Refused { operation: other.unwrap_or_else(|| "an unnamed operation".to_owned()) }.into()),
        }
    }
}

/// The machine slept between the check that the run is still ours and the moment of sending.
#[derive(Debug, thiserror::Error)]
#[error("the machine slept right before this request: it was not sent, for somebody else may have taken over meanwhile")]
pub struct Slept;

/// Longer than any clock's rounding.
const A_SLEEP: Duration = Duration::from_secs(1);

/// What a mutation is held against when it is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    /// Time asleep when the run was last seen to be ours.
    pub(super) asleep: Duration,
    /// Reads the time asleep.
    pub(super) meter: fn() -> Duration,
}

/// Attached to one call: counts transmissions and keeps the answer's body as it arrived.
#[derive(Clone, Debug, Default)]
pub(super) struct Witness {
    /// For mutations.
    lease: Option<Lease>,
    transmits: Arc<AtomicU32>,
    body: Arc<std::sync::Mutex<Option<Vec<u8>>>>,
}

impl Witness {
    /// A witness of a mutation, which must not leave after a sleep.
    pub(super) fn under(lease: Option<Lease>) -> Self {
        Self { lease, ..Self::default() }
    }

    /// How often a request was handed to the connection.
    pub(super) fn transmits(&self) -> u32 {
        self.transmits.load(Ordering::Relaxed)
    }

    /// The answer's body, where one arrived whole.
    pub(super) fn take_body(&self) -> Option<Vec<u8>> {
        self.body.lock().ok().and_then(|mut body| body.take())
    }
}

impl Intercept for Witness {
    fn name(&self) -> &'static str {
        "Witness"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.lease.is_some_and(|lease| (lease.meter)().saturating_sub(lease.asleep) >= A_SLEEP) {
            return Err(Slept.into());
        }
        self.transmits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    // Not `read_before_deserialization`: over a real connection the body is still a stream there.
    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let (Some(bytes), Ok(mut body)) = (context.response().body().bytes(), self.body.lock()) {
            *body = Some(bytes.to_vec());
        }
        Ok(())
    }
}
