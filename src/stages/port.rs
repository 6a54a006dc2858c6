//! Ports with their protocol, as runbooks write them, and the ports that an address leads to.
//!
//! | written | means |
//! | --- | --- |
//! | `4317` | TCP |
//! | `"4317/tcp"`, `"2000/udp"` | the protocol that is named |

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

/// A transport protocol that has ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// As ECS and EC2 write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }

    /// From a word of ECS, EC2 or a runbook.
    pub fn of(word: &str) -> Option<Self> {
        match word {
            "tcp" => Some(Self::Tcp),
            "udp" => Some(Self::Udp),
            _ => None,
        }
    }
}

/// A port of a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    /// The protocol.
    pub protocol: Protocol,
    /// From 1 on.
    pub number: u16,
}

impl Port {
    /// A port of TCP.
    pub fn tcp(number: u16) -> Self {
        Self { protocol: Protocol::Tcp, number }
    }

    fn read(value: &Value) -> Option<Self> {
        let (number, protocol) = match value {
            Value::String(text) => text.split_once('/').map(|(number, word)| (number.to_owned(), Protocol::of(word)))?,
            other => (other.as_u64()?.to_string(), Some(Protocol::Tcp)),
        };
        Some(Self { protocol: protocol?, number: number.parse().ok().filter(|number| *number > 0)? })
    }
}

impl std::fmt::Display for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.protocol.word().to_ascii_uppercase(), self.number)
    }
}

/// The end of the message for what is no port.
pub const NO_PORT: &str = "is not a port from 1 to 65535; write for example 4317, or \"2000/udp\"";

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::read(&value).ok_or_else(|| serde::de::Error::custom(format!("{value} {NO_PORT}")))
    }
}

/// Ports in words, by protocol: `TCP 4317 and 4318`, `TCP 2000 and UDP 2000`.
pub fn listed<'a>(ports: impl IntoIterator<Item = &'a Port>) -> String {
    let ports: BTreeSet<&Port> = ports.into_iter().collect();
    let of = |protocol: Protocol| {
        let numbers: Vec<String> =
            ports.iter().filter(|port| port.protocol == protocol).map(|port| port.number.to_string()).collect();
        let word = protocol.word().to_ascii_uppercase();
        (!numbers.is_empty()).then(|| format!("{word} {}", numbers.join(" and ")))
    };
    [Protocol::Tcp, Protocol::Udp].into_iter().filter_map(of).collect::<Vec<_>>().join(" and ")
}

/// A port that an address leads to; the protocol where the address says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addressed {
    /// `None`: `host:port` alone, which is said of either protocol.
    pub protocol: Option<Protocol>,
    /// The port.
    pub number: u16,
}

/// The ports in an address: a URL (`http://host:4318/path`), `host:port`, or several of these with their protocols
/// (`tcp:host:2000 udp:host:2000`), as the AWS X-Ray SDKs take them.
pub fn addressed(address: &str) -> Vec<Addressed> {
    let one = |part: &str| {
        let (protocol, rest) = match part.split_once("://") {
            Some((scheme, rest)) => (Some(Protocol::of(scheme).unwrap_or(Protocol::Tcp)), rest),
            None => match part.split_once(':').and_then(|(word, rest)| Some((Protocol::of(word)?, rest))) {
                // A host may be called `udp`.
                Some((protocol, rest)) if rest.contains(':') => (Some(protocol), rest),
                _ => (None, part),
            },
        };
        let number = rest.split('/').next()?.rsplit_once(':')?.1.parse().ok()?;
        Some(Addressed { protocol, number })
    };
    address.split_whitespace().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_gives_its_ports() {
        let (tcp, udp) = (Some(Protocol::Tcp), Some(Protocol::Udp));
        for (address, ports) in [
            ("http://jaeger.example.local:4318", vec![(tcp, 4318)]),
            ("http://host:4318/v1/traces", vec![(tcp, 4318)]),
            ("host:4317", vec![(None, 4317)]),
            ("127.0.0.1:2000", vec![(None, 2000)]),
            ("tcp:host:2000 udp:other:2001", vec![(tcp, 2000), (udp, 2001)]),
            ("udp://host:2000", vec![(udp, 2000)]),
            ("udp:2000", vec![(None, 2000)]),
            ("http://host", vec![]),
            ("http://host/a:1", vec![]),
            ("", vec![]),
        ] {
            let found: Vec<_> = addressed(address).into_iter().map(|found| (found.protocol, found.number)).collect();
            assert_eq!(found, ports, "{address}");
        }
    }

    #[test]
    fn a_port_is_a_number_or_names_its_protocol() {
        let read = |value: Value| serde_json::from_value::<Port>(value).ok().map(|port| port.to_string());
        assert_eq!(read(json!(4317)).as_deref(), Some("TCP 4317"));
        assert_eq!(read(json!("2000/udp")).as_deref(), Some("UDP 2000"));
        assert_eq!(read(json!("2000/tcp")).as_deref(), Some("TCP 2000"));
        for wrong in [json!("2000"), json!(0), json!(70_000), json!("2000/sctp"), json!("x/udp"), json!(true), json!("0/udp")] {
            assert_eq!(read(wrong.clone()), None, "{wrong}");
        }
    }

    #[test]
    fn ports_are_listed_by_protocol() {
        let udp = Port { protocol: Protocol::Udp, number: 2000 };
        assert_eq!(listed(&[Port::tcp(4318), Port::tcp(4317)]), "TCP 4317 and 4318");
        assert_eq!(listed(&[udp, Port::tcp(2000)]), "TCP 2000 and UDP 2000");
        assert_eq!(listed(&[udp]), "UDP 2000");
    }
}
