//! AWS's wire protocols: from an HTTP request to an operation with JSON input, and back.
//!
//! ```text
//!   ecs, logs, servicediscovery   awsJson1_1   X-Amz-Target names the operation     wire::json
//!   elasticloadbalancing, sts     awsQuery     Action=…&Version=…  → XML            wire::query
//!   ec2                           ec2Query     the same with EC2's own names → XML  wire::query, wire::ec2
//!   iam                           awsQuery, application-autoscaling awsJson1_1, route53 restXml (one GET)
//! ```
//!
//! Every operation sees one shape of input: a JSON object with the member names of AWS's service model, whatever the wire.

mod ec2;
mod json;
mod query;
#[cfg(test)]
mod tests;
mod types;
mod xml;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use serde_json::Value;

use super::{ApiError, Call};

/// A service of the simulated account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Service {
    Ecs,
    Logs,
    CloudMap,
    Elb,
    Ec2,
    Sts,
    Iam,
    Route53,
    Scaling,
}

impl Service {
    const ALL: [Self; 9] =
        [Self::Ecs, Self::Logs, Self::CloudMap, Self::Elb, Self::Ec2, Self::Sts, Self::Iam, Self::Route53, Self::Scaling];

    /// The name that signatures and IAM use.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ecs => "ecs",
            Self::Logs => "logs",
            Self::CloudMap => "servicediscovery",
            Self::Elb => "elasticloadbalancing",
            Self::Ec2 => "ec2",
            Self::Sts => "sts",
            Self::Iam => "iam",
            Self::Route53 => "route53",
            Self::Scaling => "application-autoscaling",
        }
    }

    /// The prefix of X-Amz-Target, for the JSON services.
    fn target(self) -> Option<&'static str> {
        match self {
            Self::Ecs => Some("AmazonEC2ContainerServiceV20141113"),
            Self::Logs => Some("Logs_20140328"),
            Self::CloudMap => Some("Route53AutoNaming_v20170314"),
            Self::Scaling => Some("AnyScaleFrontendService"),
            Self::Elb | Self::Ec2 | Self::Sts | Self::Iam | Self::Route53 => None,
        }
    }

    /// The API version, for the query services.
    fn version(self) -> Option<&'static str> {
        match self {
            Self::Elb => Some("2015-12-01"),
            Self::Ec2 => Some("2016-11-15"),
            Self::Sts => Some("2011-06-15"),
            Self::Iam => Some("2010-05-08"),
            Self::Ecs | Self::Logs | Self::CloudMap | Self::Route53 | Self::Scaling => None,
        }
    }

    fn is_json(self) -> bool {
        self.target().is_some()
    }
}

/// The path of the one operation of Route 53 that is known here, up to the zone's id.
const HOSTED_ZONE: &str = "/2013-04-01/hostedzone/";
const ROUTE53: &str = "https://route53.amazonaws.com/doc/2013-04-01/";

/// A request as the services understand it.
#[derive(Clone, Debug)]
pub(super) struct Incoming {
    pub(super) service: Service,
    pub(super) call: Call,
    /// What the body says, or why it cannot be read.
    pub(super) input: Result<Value, ApiError>,
    /// Whether the request's Host is the data plane's (`data-…`), as for DiscoverInstances.
    pub(super) data_host: bool,
}

/// Finds service, operation and input of a request. The error is an answer already.
pub(super) fn read(request: &Request<Bytes>, request_id: &str) -> Result<Incoming, Box<Response<Bytes>>> {
    let headers = request.headers();
    let form = query::form(request.body());
    let zone = (request.method() == http::Method::GET).then(|| request.uri().path().strip_prefix(HOSTED_ZONE)).flatten();
    let routed = zone.map(|_| (Service::Route53, "GetHostedZone".to_owned())).or_else(|| route(headers, &form));
    let (service, operation) = routed.ok_or_else(|| Box::new(unroutable(request_id)))?;
    let call = Call {
        operation,
        request_id: request_id.to_owned(),
        invocation_id: header(headers, "amz-sdk-invocation-id").map(str::to_owned),
        attempt: attempt(headers),
        access_key: credential(headers).map(|scope| scope.access_key.to_owned()).unwrap_or_default(),
    };
    if call.access_key.is_empty() {
        return Err(Box::new(error(service, &missing_signature(service), request_id)));
    }
    let input = match service {
        _ if service.is_json() => json::input(service, request.body()),
        Service::Route53 => Ok(serde_json::json!({ "Id": zone })),
        Service::Ec2 => Ok(ec2::input(query::input(form))),
        _ => Ok(query::input(form)),
    };
    Ok(Incoming { service, call, input, data_host: host(request).is_some_and(|host| host.starts_with("data-")) })
}

/// The answer of an operation that worked.
pub(super) fn success(service: Service, operation: &str, output: &Value, request_id: &str) -> Response<Bytes> {
    let body = match service {
        Service::Elb => xml::query(operation, "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/", output, request_id),
        Service::Sts => xml::query(operation, "https://sts.amazonaws.com/doc/2011-06-15/", output, request_id),
        Service::Iam => xml::query(operation, "https://iam.amazonaws.com/doc/2010-05-08/", output, request_id),
        Service::Route53 => xml::rest(operation, ROUTE53, output),
        Service::Ec2 => xml::ec2(operation, output, request_id),
        Service::Ecs | Service::Logs | Service::CloudMap | Service::Scaling => json::output(output),
    };
    respond(service, 200, body, request_id)
}

/// The answer of an operation that failed, in the form of its protocol.
pub(super) fn error(service: Service, error: &ApiError, request_id: &str) -> Response<Bytes> {
    let body = match service {
        Service::Elb => xml::query_error(error, "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/", request_id),
        Service::Sts => xml::query_error(error, "https://sts.amazonaws.com/doc/2011-06-15/", request_id),
        Service::Iam => xml::query_error(error, "https://iam.amazonaws.com/doc/2010-05-08/", request_id),
        Service::Route53 => xml::query_error(error, ROUTE53, request_id),
        Service::Ec2 => xml::ec2_error(error, request_id),
        Service::Ecs | Service::Logs | Service::CloudMap | Service::Scaling => json::error(error),
    };
    respond(service, error.status, body, request_id)
}

/// A header's text.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The host a request is for: of its absolute URI, else of its Host header; without the port.
pub(super) fn host<B>(request: &Request<B>) -> Option<&str> {
    let host = request.uri().host().or_else(|| header(request.headers(), "host"))?;
    Some(host.rsplit_once(':').map_or(host, |(name, port)| if port.bytes().all(|b| b.is_ascii_digit()) { name } else { host }))
}

/// What a SigV4 Authorization header says of the caller.
struct Credential<'a> {
    access_key: &'a str,
    service: &'a str,
}

/// `AWS4-HMAC-SHA256 Credential=AKID/20251202/us-west-2/ecs/aws4_request, SignedHeaders=…`
fn credential(headers: &HeaderMap) -> Option<Credential<'_>> {
    let authorization = header(headers, "authorization")?;
    let (_, rest) = authorization.split_once("Credential=")?;
    let scope = rest.split([',', ' ']).next()?;
    let mut parts = scope.split('/');
    Some(Credential { access_key: parts.next()?, service: parts.nth(2)? })
}

/// Service and operation: by target, else by version, else by the signature's scope.
fn route(headers: &HeaderMap, form: &[(String, String)]) -> Option<(Service, String)> {
    if let Some(target) = header(headers, "x-amz-target") {
        let (prefix, operation) = target.rsplit_once('.')?;
        let service = Service::ALL.into_iter().find(|service| service.target() == Some(prefix))?;
        return Some((service, operation.to_owned()));
    }
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let action = field("Action")?.to_owned();
    let by_version = |version: &str| Service::ALL.into_iter().find(|service| service.version() == Some(version));
    let by_scope = || {
        let scope = credential(headers)?;
        Service::ALL.into_iter().find(|service| !service.is_json() && service.name() == scope.service)
    };
    Some((field("Version").and_then(by_version).or_else(by_scope)?, action))
}

/// Attempt number of `amz-sdk-request: attempt=2; max=3`.
fn attempt(headers: &HeaderMap) -> u32 {
    header(headers, "amz-sdk-request")
        .and_then(|value| value.split(';').find_map(|part| part.trim().strip_prefix("attempt=")?.parse().ok()))
        .unwrap_or(1)
}

fn missing_signature(service: Service) -> ApiError {
    let code = if service.is_json() { "MissingAuthenticationTokenException" } else { "MissingAuthenticationToken" };
    ApiError::new(code, "Missing Authentication Token").status(if service.is_json() { 400 } else { 403 })
}

fn unroutable(request_id: &str) -> Response<Bytes> {
    let unknown = ApiError::new("UnknownOperationException", "");
    respond(Service::Ecs, 400, json::error(&unknown), request_id)
}

/// No `Date`: clients hold it against their clock, and time here is virtual.
fn respond(service: Service, status: u16, body: String, request_id: &str) -> Response<Bytes> {
    let content_type = match service {
        _ if service.is_json() => "application/x-amz-json-1.1",
        Service::Ec2 => "text/xml;charset=UTF-8",
        _ => "text/xml",
    };
    let response = Response::builder()
        .status(status)
        .header("content-type", content_type)
        .header("content-length", body.len())
        .header("x-amzn-requestid", request_id)
        .body(Bytes::from(body));
    response.unwrap_or_else(|_| Response::new(Bytes::new()))
}
