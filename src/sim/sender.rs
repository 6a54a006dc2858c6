//! Who sends spans where, as the containers' environment tells the SDKs in them.
//!
//! | SDK | is used where | sends to | by |
//! | --- | --- | --- | --- |
//! | OpenTelemetry | an endpoint is named | `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, or else `OTEL_EXPORTER_OTLP_ENDPOINT` | TCP |
//! | AWS X-Ray | any `AWS_XRAY_…` variable is set | `AWS_XRAY_DAEMON_ADDRESS`: `host:port`, or `tcp:host:port udp:host:port`; 127.0.0.1:2000 where it is not set | UDP |
//!
//! The X-Ray SDKs also fetch sampling rules over TCP; where they get none, they go by rules of their own, and no segment is lost.

use super::Millis;
use super::ecs::{Container, Task};
use super::traffic::ContainerKey;

/// From one span of a container to its next one.
pub(super) const PERIOD: Millis = 1000;

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp,
    Udp,
}

impl Transport {
    /// ECS's and EC2's word, and the number that EC2 takes too.
    pub(super) fn words(self) -> [&'static str; 2] {
        match self {
            Self::Tcp => ["tcp", "6"],
            Self::Udp => ["udp", "17"],
        }
    }
}

/// A container that sends spans.
pub(super) struct Sender {
    pub(super) key: ContainerKey,
    /// The service name of its spans.
    pub(super) service: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) transport: Transport,
    started: Millis,
}

/// The variable that names the X-Ray daemon, and where it is without one.
const DAEMON: &str = "AWS_XRAY_DAEMON_ADDRESS";
const DAEMON_DEFAULT: &str = "127.0.0.1:2000";

impl Sender {
    pub(super) fn of(task: &Task, container: &Container) -> Option<Self> {
        let endpoint = container.env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(|| container.env("OTEL_EXPORTER_OTLP_ENDPOINT"));
        let ((host, port), transport, service) = match endpoint {
            Some(endpoint) => (endpoint_of(endpoint)?, Transport::Tcp, service_name(container)),
            None if container.has_env("AWS_XRAY_") => {
                let name = container.env("AWS_XRAY_TRACING_NAME").unwrap_or(&container.name);
                (daemon_of(container.env(DAEMON).unwrap_or(DAEMON_DEFAULT))?, Transport::Udp, name.to_owned())
            }
            None => return None,
        };
        let key = (task.id.clone(), container.name.clone());
        Some(Self { key, service, host, port, transport, started: container.started })
    }

    /// The time of its first span at or after `time`: the first of all comes one period after its start.
    pub(super) fn first_from(&self, time: Millis) -> Millis {
        let periods = (time - self.started + PERIOD - 1).div_euclid(PERIOD).max(1);
        self.started + periods * PERIOD
    }
}

/// As OpenTelemetry's SDKs take it from the environment, or else the container's name for what the program says.
fn service_name(container: &Container) -> String {
    let attributes = container.env("OTEL_RESOURCE_ATTRIBUTES").into_iter().flat_map(|pairs| pairs.split(','));
    let attribute = attributes.filter_map(|pair| pair.split_once('=')).find(|(key, _)| key.trim() == "service.name");
    let named = container.env("OTEL_SERVICE_NAME").or(attribute.map(|(_, value)| value.trim()));
    named.unwrap_or(&container.name).to_owned()
}

/// Host and port of `http://host:port/path`.
fn endpoint_of(endpoint: &str) -> Option<(String, u16)> {
    let (scheme, rest) = endpoint.split_once("://")?;
    let authority = rest.split('/').next()?;
    let default = if scheme == "https" { 443 } else { 80 };
    match authority.rsplit_once(':') {
        Some((host, port)) => Some((host.to_owned(), port.parse().ok()?)),
        None => Some((authority.to_owned(), default)),
    }
}

/// Where segments go: what is said for UDP, or for both.
fn daemon_of(address: &str) -> Option<(String, u16)> {
    let parts: Vec<&str> = address.split_whitespace().collect();
    let of_udp = parts.iter().find_map(|part| part.strip_prefix("udp:"));
    let (host, port) = of_udp.or_else(|| parts.first().copied().filter(|part| !part.starts_with("tcp:")))?.rsplit_once(':')?;
    Some((host.to_owned(), port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemon_s_address_is_read_as_the_sdks_read_it() {
        let found = |address: &str| daemon_of(address).map(|(host, port)| format!("{host} {port}"));
        assert_eq!(found("127.0.0.1:2000").as_deref(), Some("127.0.0.1 2000"));
        assert_eq!(found("tcp:one:2000 udp:other:2001").as_deref(), Some("other 2001"));
        assert_eq!(found("udp:other:2001 tcp:one:2000").as_deref(), Some("other 2001"));
        assert_eq!((found("tcp:one:2000"), found("host"), found("")), (None, None, None));
    }
}
