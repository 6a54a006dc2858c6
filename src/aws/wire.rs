//! JSON in, JSON out: one table from an operation's name to the SDK's client method.

use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;
use serde_json::Value;

use super::guard::{READ_ONLY_OPERATIONS, Witness};
use super::{Aws, CallError};

/// What AWS answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The answer, with every member that AWS sent.
    pub value: Value,
    /// AWS's request id.
    pub request_id: Option<String>,
}

/// Sends `$input` with the SDK operation `$client.$method()` and reads the answer whole.
macro_rules! send {
    ($lease:expr, $client:expr, $method:ident, $operation:expr, $resource:expr, $input:expr) => {{
        let witness = Witness::under($lease);
        let body = $input.to_string();
        let sent = $client
            .$method()
            .customize()
            .interceptor(witness.clone())
            .mutate_request(move |request| put_body(request, &body))
            .send()
            .await;
        let sent = sent.map(|output| RequestId::request_id(&output).map(str::to_owned));
        finish($operation, $resource, sent, &witness)
    }};
}

impl Aws {
    /// Sends one request, once.
    ///
    /// # Errors
    /// [`CallError`], classified.
    pub(super) async fn send_once(&self, operation: &'static str, resource: &str, input: &Value) -> Result<Answer, CallError> {
        let (ecs, logs, names) = (&self.ecs, &self.logs, &self.names);
        // Reading after a sleep is harmless, and how a run finds out what became of it.
        let bare = operation.rsplit(':').next().unwrap_or(operation);
        let lease = self.lease().filter(|_| !READ_ONLY_OPERATIONS.contains(&bare));
        match operation {
            "CreateService" => send!(lease, ecs, create_service, operation, resource, input),
            "DeleteService" => send!(lease, ecs, delete_service, operation, resource, input),
            "DeregisterTaskDefinition" => send!(lease, ecs, deregister_task_definition, operation, resource, input),
            "DescribeClusters" => send!(lease, ecs, describe_clusters, operation, resource, input),
            "DescribeServiceDeployments" => send!(lease, ecs, describe_service_deployments, operation, resource, input),
            "DescribeServiceRevisions" => send!(lease, ecs, describe_service_revisions, operation, resource, input),
            "DescribeServices" => send!(lease, ecs, describe_services, operation, resource, input),
            "DescribeTaskDefinition" => send!(lease, ecs, describe_task_definition, operation, resource, input),
            "DescribeTasks" => send!(lease, ecs, describe_tasks, operation, resource, input),
            "ListServices" => send!(lease, ecs, list_services, operation, resource, input),
            "ListServiceDeployments" => send!(lease, ecs, list_service_deployments, operation, resource, input),
            "ListTaskDefinitions" => send!(lease, ecs, list_task_definitions, operation, resource, input),
            "ListTasks" => send!(lease, ecs, list_tasks, operation, resource, input),
            "RegisterTaskDefinition" => send!(lease, ecs, register_task_definition, operation, resource, input),
            "TagResource" => send!(lease, ecs, tag_resource, operation, resource, input),
            "UntagResource" => send!(lease, ecs, untag_resource, operation, resource, input),
            "UpdateService" => send!(lease, ecs, update_service, operation, resource, input),

            "CreateLogGroup" => send!(lease, logs, create_log_group, operation, resource, input),
            "DeleteLogGroup" => send!(lease, logs, delete_log_group, operation, resource, input),
            "DeleteRetentionPolicy" => send!(lease, logs, delete_retention_policy, operation, resource, input),
            "DescribeLogGroups" => send!(lease, logs, describe_log_groups, operation, resource, input),
            "DescribeLogStreams" => send!(lease, logs, describe_log_streams, operation, resource, input),
            "FilterLogEvents" => send!(lease, logs, filter_log_events, operation, resource, input),
            "GetLogEvents" => send!(lease, logs, get_log_events, operation, resource, input),
            "logs:ListTagsForResource" => send!(lease, logs, list_tags_for_resource, operation, resource, input),
            "PutRetentionPolicy" => send!(lease, logs, put_retention_policy, operation, resource, input),

            "servicediscovery:CreateService" => send!(lease, names, create_service, operation, resource, input),
            "servicediscovery:DeleteService" => send!(lease, names, delete_service, operation, resource, input),
            "servicediscovery:GetInstancesHealthStatus" => {
                send!(lease, names, get_instances_health_status, operation, resource, input)
            }
            "servicediscovery:GetNamespace" => send!(lease, names, get_namespace, operation, resource, input),
            "servicediscovery:GetService" => send!(lease, names, get_service, operation, resource, input),
            "servicediscovery:ListInstances" => send!(lease, names, list_instances, operation, resource, input),
            "servicediscovery:ListTagsForResource" => send!(lease, names, list_tags_for_resource, operation, resource, input),
            "servicediscovery:ListServices" => send!(lease, names, list_services, operation, resource, input),
            "servicediscovery:ListNamespaces" => send!(lease, names, list_namespaces, operation, resource, input),
            _ => Err(CallError::not_in_table(operation, resource)),
        }
    }
}

/// Replaces the serializer's body. The content-length is a signed header that the SDK does not correct afterwards: left as it
/// was, the connection would cut the body off.
fn put_body(request: &mut HttpRequest, body: &str) {
    *request.body_mut() = SdkBody::from(body);
    request.headers_mut().insert("content-length", body.len().to_string());
}

fn finish<E>(
    operation: &'static str,
    resource: &str,
    sent: Result<Option<String>, SdkError<E, HttpResponse>>,
    witness: &Witness,
) -> Result<Answer, CallError>
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let error = match sent {
        Ok(request_id) => {
            let body = witness.take_body().unwrap_or_default();
            // Some operations answer with nothing at all.
            let value = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap_or(Value::Null) };
            return Ok(Answer { value, request_id });
        }
        Err(error) => error,
    };
    // The SDK is strict on types: an answer of a shape that it does not know is an error to it, though the call succeeded.
    if let SdkError::ResponseError(context) = &error
        && context.raw().status().is_success()
        && let Some(value) = context.raw().body().bytes().and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok())
        && value.is_object()
    {
        return Ok(Answer { value, request_id: RequestId::request_id(&error).map(str::to_owned) });
    }
    Err(CallError::from_sdk(operation, resource, &error, witness.transmits()))
}
