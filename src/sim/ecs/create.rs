//! CreateService.

use serde_json::{Value, json};

use super::super::{ApiError, Call, Millis, State};
use super::errors::{self, client, invalid};
use super::json::{epoch, has, list, number, owned, remove, text};
use super::service::{Before, NOT_ON_SERVICE, Service};
use super::{deployments, describe, validate};

/// A CreateService call that can be replayed.
#[derive(Clone, Debug)]
pub(super) struct Token {
    cluster: String,
    token: String,
    /// The request without its token.
    request: Value,
    service_arn: String,
    at: Millis,
}

/// Members of the request that are not members of the service.
const REQUEST_ONLY: [&str; 7] = [
    "cluster",
    "clientToken",
    "desiredCount",
    "role",
    "serviceConnectConfiguration",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
];

/// Creates a service; the same token with the same parameters gives the service of the first call.
pub(super) fn create_service(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    let cluster = errors::cluster(state, text(input, "cluster"))?;
    let name = owned(input, "serviceName");
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if name.is_empty() || name.len() > 255 || !name.bytes().all(good) {
        return Err(invalid("Service name must be 1 to 255 letters, numbers, underscores and hyphens."));
    }
    if let Some(replayed) = replay(state, &cluster, input)? {
        return Ok(replayed);
    }
    match state.ecs.service_index(&cluster, &name).map(|index| state.ecs.services[index].status.as_str()) {
        Some("ACTIVE") => return Err(invalid("Creation of service was not idempotent.")),
        Some("DRAINING") => return Err(invalid("Unable to Start a service that is still Draining.")),
        _ => {}
    }
    let body = checked_body(state, input)?;
    let arn = format!("{}/{name}", cluster.replacen(":cluster/", ":service/", 1));
    let before = describe::view(state, &cluster, &name);
    state.ecs.services.retain(|service| service.arn != arn);
    let mut spec = super::json::pick(&body, &super::service::SPEC);
    for member in NOT_ON_SERVICE {
        if has(input, member) {
            spec[member] = input[member].clone();
        }
    }
    state.ecs.services.push(Service {
        arn: arn.clone(),
        name,
        cluster_arn: cluster.clone(),
        status: "ACTIVE".to_owned(),
        desired: number(input, "desiredCount").unwrap_or(0),
        deployments: Vec::new(),
        events: Vec::new(),
        steady_since: None,
        next_look: None,
        before: None,
        body,
    });
    deployments::start(state, &arn, spec);
    remember(state, &cluster, input, &arn);
    note_before(state, &arn, before);
    let token = has(input, "clientToken").then(|| owned(input, "clientToken"));
    state.note_effect(call, token, arn.clone());
    answer(state, &arn, has(input, "tags"))
}

/// The service as an answer; tags only where the request spoke of them.
pub(super) fn answer(state: &State, arn: &str, tags: bool) -> Result<Value, ApiError> {
    let service = state.ecs.service(arn).ok_or_else(errors::no_service)?;
    let mut shown = state.ecs.render_service(service);
    if !tags {
        remove(&mut shown, "tags");
    }
    Ok(json!({ "service": shown }))
}

/// For a while DescribeServices may still show the service as it was before.
pub(super) fn note_before(state: &mut State, arn: &str, view: Option<Value>) {
    let times = &state.assume.compute;
    let (least, most) = (times.stale_min, times.stale_max.max(times.stale_min));
    let until = state.now + state.rng.i64(least..=most);
    if let Some(service) = state.ecs.service_mut(arn) {
        service.before = Some(Before { until, view });
    }
}

fn without_token(input: &Value) -> Value {
    let mut request = input.clone();
    remove(&mut request, "clientToken");
    request
}

fn replay(state: &mut State, cluster: &str, input: &Value) -> Result<Option<Value>, ApiError> {
    let token = text(input, "clientToken");
    if token.is_empty() {
        return Ok(None);
    }
    if token.len() > 36 || !token.bytes().all(|byte| (33..=126).contains(&byte)) {
        return Err(invalid("The client token must be at most 36 ASCII characters in the range of 33 to 126."));
    }
    let oldest = state.now - state.assume.compute.token_kept;
    state.ecs.tokens.retain(|known| known.at >= oldest);
    let Some(known) = state.ecs.tokens.iter().find(|known| known.cluster == cluster && known.token == token) else {
        return Ok(None);
    };
    if known.request != without_token(input) {
        return Err(invalid("Creation of service was not idempotent."));
    }
    let service = state.ecs.service(&known.service_arn);
    let answers = service.is_some_and(|service| service.active() || state.assume.compute.token_outlives_service);
    if answers { answer(state, &known.service_arn, has(input, "tags")).map(Some) } else { Ok(None) }
}

fn remember(state: &mut State, cluster: &str, input: &Value, arn: &str) {
    if has(input, "clientToken") {
        let token = Token {
            cluster: cluster.to_owned(),
            token: owned(input, "clientToken"),
            request: without_token(input),
            service_arn: arn.to_owned(),
            at: state.now,
        };
        state.ecs.tokens.push(token);
    }
}

/// Checks the request and gives the service's body with AWS's defaults.
fn checked_body(state: &State, input: &Value) -> Result<Value, ApiError> {
    if has(input, "launchType") && has(input, "capacityProviderStrategy") {
        return Err(invalid("Specify either launchType or capacityProviderStrategy, not both."));
    }
    validate::desired_count(state, input)?;
    if has(input, "tags") && list(input, "tags").is_empty() {
        return Err(invalid("Tags can not be empty."));
    }
    let definition = validate::definition(state, text(input, "taskDefinition"))?;
    let mut body = input.clone();
    for member in REQUEST_ONLY {
        remove(&mut body, member);
    }
    remove(&mut body, "serviceName");
    body["taskDefinition"] = json!(definition.arn());
    let fargate = super::json::texts(&definition.body, "requiresCompatibilities").iter().any(|name| name == "FARGATE");
    if !has(input, "launchType") && !has(input, "capacityProviderStrategy") {
        body["launchType"] = json!("EC2");
    }
    if text(&body, "launchType") == "FARGATE" && !fargate {
        return Err(invalid("Task definition does not support launch_type FARGATE."));
    }
    let on_fargate = text(&body, "launchType") == "FARGATE"
        || list(&body, "capacityProviderStrategy").iter().any(|item| text(item, "capacityProvider").starts_with("FARGATE"));
    if on_fargate {
        super::json::set_default(&mut body, "platformVersion", json!("LATEST"));
        super::json::set_default(&mut body, "platformFamily", json!("Linux"));
    }
    defaults(state, &mut body);
    validate::service(state, &body, &definition.body)?;
    if body["schedulingStrategy"] != "REPLICA" && body["schedulingStrategy"] != "DAEMON" {
        return Err(client("The scheduling strategy is not supported."));
    }
    Ok(body)
}

fn defaults(state: &State, body: &mut Value) {
    let role = "aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS";
    let role = format!("arn:aws:iam::{}:role/{role}", state.account);
    let by = text(&state.sts.caller_identity, "Arn");
    let by = if by.is_empty() { format!("arn:aws:iam::{}:root", state.account) } else { by.to_owned() };
    for member in ["loadBalancers", "serviceRegistries", "placementConstraints", "placementStrategy"] {
        super::json::set_default(body, member, json!([]));
    }
    let values = [
        ("createdAt", epoch(state.now)),
        ("createdBy", json!(by)),
        ("roleArn", json!(role)),
        ("schedulingStrategy", json!("REPLICA")),
        ("deploymentController", json!({ "type": "ECS" })),
        ("deploymentConfiguration", json!({})),
        ("healthCheckGracePeriodSeconds", json!(0)),
        ("enableECSManagedTags", json!(false)),
        ("enableExecuteCommand", json!(false)),
        ("propagateTags", json!("NONE")),
        ("availabilityZoneRebalancing", json!("ENABLED")),
    ];
    for (member, value) in values {
        super::json::set_default(body, member, value);
    }
    complete_configuration(&mut body["deploymentConfiguration"]);
}

/// The parts of a deployment configuration that AWS shows though nobody sent them.
pub(super) fn complete_configuration(configuration: &mut Value) {
    let values = [
        ("deploymentCircuitBreaker", json!({ "enable": false, "rollback": false })),
        ("maximumPercent", json!(200)),
        ("minimumHealthyPercent", json!(100)),
        ("strategy", json!("ROLLING")),
    ];
    for (member, value) in values {
        super::json::set_default(configuration, member, value);
    }
}
