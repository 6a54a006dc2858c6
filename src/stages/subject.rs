//! What a runbook is about, across its stages: which services it changes and how, what it creates. The checks look at this, so
//! that none has to know which stage kind means what.

use std::collections::BTreeMap;

use super::edit::Adding;
use super::port::{Port, Protocol, addressed};
use crate::model::StageDecl;

/// See the module's text.
#[derive(Default)]
pub struct Subject<'a> {
    /// Services that are changed, by name.
    pub moved: BTreeMap<String, Moved<'a>>,
    /// Services that are created.
    pub shared: Vec<Shared<'a>>,
    /// Task definitions that are registered.
    pub definitions: Vec<Definition<'a>>,
    /// Names that services are registered under.
    pub names: Vec<Name<'a>>,
    /// Ports that a stage opens, or would if it were switched on.
    pub openings: Vec<Opening<'a>>,
    /// Health checks that a stage moves, or would if it were switched on.
    pub health_paths: Vec<HealthPath<'a>>,
}

/// What becomes of a service.
#[derive(Default)]
pub struct Moved<'a> {
    /// A variable of its containers gets another value.
    pub retarget: Option<Retarget<'a>>,
    /// Its sidecar is taken out.
    pub strip: Option<Strip<'a>>,
}

impl Moved<'_> {
    /// Whether anything of it is still to be done.
    pub fn is_due(&self) -> bool {
        self.retarget.as_ref().is_some_and(|retarget| retarget.due) || self.strip.as_ref().is_some_and(|strip| strip.due)
    }

    /// The sidecar's container.
    pub fn sidecar(&self) -> &str {
        let retarget = self.retarget.as_ref().map(|retarget| retarget.sidecar.as_str());
        retarget.or(self.strip.as_ref().map(|strip| strip.sidecar.as_str())).unwrap_or_default()
    }
}

/// See [`Moved::retarget`].
pub struct Retarget<'a> {
    /// The stage.
    pub decl: &'a StageDecl,
    /// The sidecar's container.
    pub sidecar: String,
    /// The variables.
    pub sets: Vec<Set>,
    /// The service that answers at the new values, where the runbook says how that is verified.
    pub receiver: Option<Receiver>,
    /// Whether it is still to be done.
    pub due: bool,
}

/// A variable that gets another value.
#[derive(Clone, Debug)]
pub struct Set {
    /// Its name.
    pub variable: String,
    /// The value that is expected.
    pub from: String,
    /// The containers that take that value by themselves, because nothing tells them: they get the variable.
    pub adding: Adding,
    /// The new value.
    pub to: String,
}

impl Set {
    /// The ports in the new value, which is an address, at a receiver that opens `open`: where the address names no protocol, it is
    /// said of every one under which the receiver opens the port.
    pub fn ports(&self, open: &[Port]) -> Vec<Port> {
        let of = |number: u16, protocol: Option<Protocol>| {
            let opened: Vec<Port> = open.iter().copied().filter(|port| port.number == number).collect();
            match protocol {
                Some(protocol) => vec![Port { protocol, number }],
                None if opened.is_empty() => vec![Port::tcp(number)],
                None => opened,
            }
        };
        addressed(&self.to).into_iter().flat_map(|found| of(found.number, found.protocol)).collect()
    }
}

/// See [`Retarget::receiver`].
#[derive(Clone, Debug)]
pub struct Receiver {
    /// The ECS service.
    pub service: String,
    /// The port of the API that is asked, where one is.
    pub port: Option<Port>,
    /// The path before that API's own paths.
    pub base_path: String,
}

/// See [`Moved::strip`].
pub struct Strip<'a> {
    /// The stage.
    pub decl: &'a StageDecl,
    /// The sidecar's container.
    pub sidecar: String,
    /// Whether it is still to be done.
    pub due: bool,
}

/// A service that is created.
pub struct Shared<'a> {
    /// The stage.
    pub decl: &'a StageDecl,
    /// Its name.
    pub name: String,
    /// Its task definition family.
    pub family: String,
    /// The service whose network and platform it takes over.
    pub like: String,
    /// Tasks.
    pub desired: u64,
    /// The container port that the load balancer forwards to, and the target group's ARN where it is known.
    pub balancer: Option<(Port, Option<String>)>,
    /// Whether it is still to be created.
    pub due: bool,
}

/// A task definition that is registered.
pub struct Definition<'a> {
    /// The stage.
    pub decl: &'a StageDecl,
    /// Its family.
    pub family: String,
    /// CPU units.
    pub cpu: u64,
    /// Memory in MiB.
    pub memory: u64,
    /// The ports of its containers.
    pub ports: Vec<Port>,
    /// Its containers' images, by container.
    pub images: BTreeMap<String, String>,
}

/// Ports of a service that others are let in on.
pub struct Opening<'a> {
    /// The stage.
    pub decl: &'a StageDecl,
    /// Whether it is switched on.
    pub on: bool,
    /// The services that are let in.
    pub from: Vec<String>,
    /// The service that lets in.
    pub to: String,
    /// The ports.
    pub ports: Vec<Port>,
}

/// A target group's health check that asks for another path.
pub struct HealthPath<'a> {
    /// The stage.
    pub decl: &'a StageDecl,
    /// Whether it is switched on.
    pub on: bool,
    /// The target group's ARN, where it is known.
    pub group: Option<String>,
    /// The path.
    pub path: String,
}

/// A name that a service is registered under.
pub struct Name<'a> {
    /// The stage.
    pub decl: &'a StageDecl,
    /// The namespace's name.
    pub namespace: String,
    /// The name in it.
    pub label: String,
    /// The ECS service.
    pub service: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_protocol_is_said_of_each_that_the_receiver_opens() {
        let to = |address: &str| Set { variable: "V".into(), from: String::new(), adding: Adding::Nowhere, to: address.to_owned() };
        let (tcp, udp) = (Port::tcp(2000), Port { protocol: Protocol::Udp, number: 2000 });
        assert_eq!(to("daemon.example.local:2000").ports(&[udp, tcp, Port::tcp(80)]), [udp, tcp]);
        assert_eq!(to("daemon.example.local:2000").ports(&[udp]), [udp]);
        assert_eq!(to("daemon.example.local:2000").ports(&[]), [tcp]);
        assert_eq!(to("http://daemon.example.local:2000").ports(&[udp]), [tcp], "it is said by the scheme");
    }
}
