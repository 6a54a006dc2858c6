//! Whether security groups let a connection through, as far as their rules say it.

use super::facts::Facts;
use super::port::{Port, Protocol};
use crate::aws::SecurityRule;

/// How a security group's rules answer a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A rule lets it through.
    Open,
    /// Only a prefix list might.
    Perhaps,
    /// None does.
    Closed,
}

/// One side of a connection, as the other side's rules see it.
pub struct Peer {
    /// Its security groups.
    pub groups: Vec<String>,
    /// Ranges that all its addresses come from: its subnets'.
    ranges: Vec<String>,
}

/// What is asked of the rules.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// Whether the rules for what leaves are asked, or those for what comes in.
    pub outwards: bool,
    /// The port.
    pub port: Port,
}

impl Peer {
    /// Of tasks with these security groups in these subnets.
    pub fn new(facts: &Facts, groups: Vec<String>, subnets: &[String]) -> Self {
        let ranges = subnets.iter().filter_map(|id| facts.subnets.get(id)).map(|subnet| subnet.range.clone()).collect();
        Self { groups, ranges }
    }

    fn subnets_unknown(&self) -> bool {
        self.ranges.is_empty()
    }
}

/// Whether any of `groups` lets a connection with `peer` through. `addresses` are those that the peer has now.
pub fn lets_through(facts: &Facts, groups: &[String], way: &Way, peer: &Peer, addresses: &[String]) -> Answer {
    let mut answer = Answer::Closed;
    for group in groups.iter().filter_map(|id| facts.security_groups.get(id)) {
        for rule in if way.outwards { &group.egress } else { &group.ingress } {
            if !covers(rule, way.port) {
                continue;
            }
            if rule.groups.iter().any(|known| peer.groups.contains(known)) || in_ranges(rule, peer, addresses) {
                return Answer::Open;
            }
            if !rule.prefix_lists.is_empty() {
                answer = Answer::Perhaps;
            }
        }
    }
    answer
}

/// Whether a rule is for this port. EC2 writes a protocol by its name or by its number.
pub fn covers(rule: &SecurityRule, port: Port) -> bool {
    let (protocol, number) = match port.protocol {
        Protocol::Tcp => ("tcp", "6"),
        Protocol::Udp => ("udp", "17"),
    };
    let port = i64::from(port.number);
    rule.protocol == "-1"
        || ((rule.protocol == protocol || rule.protocol == number)
            && rule.from_port.unwrap_or(0) <= port
            && port <= rule.to_port.unwrap_or(65_535))
}

/// Whether a rule's ranges hold every address that the peer may have: those of its subnets, or where these are not known, those it
/// has now.
fn in_ranges(rule: &SecurityRule, peer: &Peer, addresses: &[String]) -> bool {
    // One for everybody holds the peer's too, whatever they are.
    if rule.ranges.iter().any(|range| range == "0.0.0.0/0") {
        return true;
    }
    let held = |range: &str| rule.ranges.iter().any(|outer| holds(outer, range));
    if peer.subnets_unknown() {
        return !addresses.is_empty() && addresses.iter().all(|address| held(&format!("{address}/32")));
    }
    peer.ranges.iter().all(|range| held(range))
}

/// Whether one IPv4 range holds another.
fn holds(outer: &str, inner: &str) -> bool {
    let parse = |range: &str| {
        let (network, bits) = range.split_once('/')?;
        let bits = bits.parse::<u32>().ok().filter(|bits| *bits <= 32)?;
        Some((u32::from(network.parse::<std::net::Ipv4Addr>().ok()?), bits))
    };
    let (Some((network, bits)), Some((address, longer))) = (parse(outer), parse(inner)) else { return false };
    let mask = if bits == 0 { 0 } else { u32::MAX << (32 - bits) };
    bits <= longer && network & mask == address & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    const UDP: Port = Port { protocol: Protocol::Udp, number: 2000 };

    #[test]
    fn ranges_hold_ranges() {
        assert!(
            holds("10.0.0.0/16", "10.0.11.0/24") && holds("10.0.0.0/16", "10.0.11.22/32") && holds("0.0.0.0/0", "192.0.2.1/32")
        );
        assert!(!holds("10.1.0.0/16", "10.0.11.0/24") && !holds("10.0.11.0/24", "10.0.0.0/16"));
        assert!(!holds("10.0.0.0", "10.0.0.0/32") && !holds("10.0.0.0/33", "10.0.0.0/33"));
    }

    #[test]
    fn rules_cover_ports_by_range_or_for_everything() {
        let rule = |protocol: &str, from, to| SecurityRule {
            protocol: protocol.into(),
            from_port: from,
            to_port: to,
            ..SecurityRule::default()
        };
        assert!(covers(&rule("tcp", Some(4317), Some(4318)), Port::tcp(4318)));
        assert!(!covers(&rule("tcp", Some(8000), Some(8000)), Port::tcp(4318)));
        assert!(!covers(&rule("udp", Some(4318), Some(4318)), Port::tcp(4318)));
        assert!(covers(&rule("17", Some(2000), Some(2000)), UDP) && !covers(&rule("6", Some(2000), Some(2000)), UDP));
        assert!(covers(&rule("-1", None, None), Port::tcp(4318)) && covers(&rule("-1", None, None), UDP));
    }
}
