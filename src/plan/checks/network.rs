//! The way of a span from an API task to the shared service: names, routes, security groups. A fault here is silent: every
//! rollout is green and every span is lost.

use std::collections::BTreeSet;

use super::{Check, Due, Scene, Theme};
use crate::plan::estimate::room;
use crate::stages::findings::{FindingKind, Seen};
use crate::stages::port::{Port, listed};
use crate::stages::reach::{Answer, Peer, Way, lets_through};
use crate::stages::subject::{Opening, Receiver};

pub(super) const THEME: Theme = Theme {
    name: "Network",
    checks: &[
        Check {
            kind: FindingKind::blocker(
                "span-port-closed",
                "no security group of the shared service lets the API's tasks in where spans go",
            ),
            look: port_closed,
        },
        Check {
            kind: FindingKind::note("span-port-opened", "a port that spans go to is closed, and a stage of the run opens it"),
            look: port_opened,
        },
        Check {
            kind: FindingKind::warning(
                "span-port-unproven",
                "only a prefix list may let the API's tasks in or out, and its ranges are not read",
            ),
            look: port_unproven,
        },
        Check {
            kind: FindingKind::blocker("egress-closed", "no security group of the API's tasks lets them out to the shared service"),
            look: egress_closed,
        },
        Check {
            kind: FindingKind::note(
                "receiver-port-closed",
                "another port of the shared service, which no retargeted variable uses, is closed",
            ),
            look: receiver_port_closed,
        },
        Check {
            kind: FindingKind::blocker("vpc-dns-off", "the VPC's resolver does not answer the names of private zones"),
            look: vpc_dns_off,
        },
        Check {
            kind: FindingKind::blocker("namespace-elsewhere", "the namespace's names are not answered in the services' VPC"),
            look: namespace_elsewhere,
        },
        Check {
            kind: FindingKind::blocker("namespace-shared", "the namespace belongs to another account"),
            look: namespace_shared,
        },
        Check {
            kind: FindingKind::warning("no-way-to-registry", "the shared service's subnets have no way to a public image registry"),
            look: no_way_to_registry,
        },
        Check {
            kind: FindingKind::warning("subnet-addresses-few", "the subnets have fewer free addresses than the rollouts may take"),
            look: addresses_few,
        },
    ],
};

/// The services whose spans go elsewhere by this run, or have gone there already and lose the sidecar yet.
fn senders<'a>(scene: &Scene<'a>) -> impl Iterator<Item = (Due<'a>, &'a Receiver)> {
    scene.due().filter_map(|due| Some((due, due.moved.retarget.as_ref()?.receiver.as_ref()?)))
}

/// The ports that the shared service opens.
fn open_ports<'a>(scene: &Scene<'a>, receiver: &Receiver) -> &'a [Port] {
    let family = scene.subject.shared.iter().find(|shared| shared.name == receiver.service).map(|shared| shared.family.as_str());
    let definition = scene.subject.definitions.iter().find(|definition| Some(definition.family.as_str()) == family);
    definition.map(|definition| definition.ports.as_slice()).unwrap_or_default()
}

/// The ports of the retargeted variables.
fn endpoint_ports(scene: &Scene<'_>, due: Due<'_>, receiver: &Receiver) -> BTreeSet<Port> {
    let sets = due.moved.retarget.as_ref().map(|retarget| retarget.sets.as_slice()).unwrap_or_default();
    sets.iter().flat_map(|set| set.ports(open_ports(scene, receiver))).collect()
}

/// The receiver's other ports, without that of the API which is asked for spans.
fn other_ports(scene: &Scene<'_>, due: Due<'_>, receiver: &Receiver) -> BTreeSet<Port> {
    let used = endpoint_ports(scene, due, receiver);
    let ports = open_ports(scene, receiver);
    ports.iter().copied().filter(|port| Some(*port) != receiver.port && !used.contains(port)).collect()
}

/// A service as the other side of a connection.
fn peer(scene: &Scene<'_>, service: &str) -> Peer {
    Peer::new(scene.facts, scene.groups_of(service), &scene.subnets_of(service))
}

/// Whether the rules of both sides could be read.
fn readable(scene: &Scene<'_>, groups: &[String]) -> bool {
    !groups.is_empty() && groups.iter().all(|group| scene.facts.security_groups.contains_key(group))
}

/// The ports out of `ports` to which the answer is `wanted`, inwards or outwards.
fn ports_with(
    scene: &Scene<'_>,
    due: Due<'_>,
    receiver: &Receiver,
    ports: BTreeSet<Port>,
    outwards: bool,
    wanted: Answer,
) -> Vec<Port> {
    let (sender, target) = (peer(scene, due.name), peer(scene, &receiver.service));
    let (groups, peer, addresses) = if outwards {
        (&sender.groups, &target, &[][..])
    } else {
        (&target.groups, &sender, scene.facts.addresses.get(due.name).map(Vec::as_slice).unwrap_or_default())
    };
    if !readable(scene, groups) {
        return Vec::new();
    }
    let answer = |port: Port| lets_through(scene.facts, groups, &Way { outwards, port }, peer, addresses);
    ports.into_iter().filter(|port| answer(*port) == wanted).collect()
}

/// The commands that would open ports of the receiver's first group to the sender's first.
fn opening(scene: &Scene<'_>, due: Due<'_>, receiver: &Receiver, ports: &[Port]) -> String {
    let (group, source) = (scene.groups_of(&receiver.service), scene.groups_of(due.name));
    let (group, source) = (group.first().cloned().unwrap_or_default(), source.first().cloned().unwrap_or_default());
    let one = |port: &Port| {
        let (protocol, number) = (port.protocol.word(), port.number);
        format!(
            "aws ec2 authorize-security-group-ingress --group-id {group} --protocol {protocol} --port {number} --source-group {source}"
        )
    };
    ports.iter().map(one).collect::<Vec<_>>().join(" && ")
}

/// The stage that opens a port of the receiver to the sender before anything is sent there: one of the run, or one that is switched
/// off.
fn opener<'a>(scene: &Scene<'a>, due: Due<'a>, receiver: &Receiver, port: Port, on: bool) -> Option<&'a Opening<'a>> {
    let sends_from = due.moved.retarget.as_ref()?.decl.span.range.start;
    scene.subject.openings.iter().find(|opening| {
        opening.on == on
            && opening.decl.span.range.start < sends_from
            && opening.to == receiver.service
            && opening.from.iter().any(|from| from == due.name)
            && opening.ports.contains(&port)
    })
}

/// The closed ones out of `ports`; `opened`: those that a stage of the run opens, else those that none does.
fn closed(scene: &Scene<'_>, due: Due<'_>, receiver: &Receiver, ports: BTreeSet<Port>, opened: bool) -> Vec<Port> {
    let closed = ports_with(scene, due, receiver, ports, false, Answer::Closed);
    closed.into_iter().filter(|port| opener(scene, due, receiver, *port, true).is_some() == opened).collect()
}

/// What to do about closed ports: switch the stage on that opens them, if there is one, or open them by hand.
fn how_to_open(scene: &Scene<'_>, due: Due<'_>, receiver: &Receiver, ports: &[Port]) -> String {
    let by_hand = opening(scene, due, receiver, ports);
    let offers: Option<Vec<_>> = ports.iter().map(|port| opener(scene, due, receiver, *port, false)).collect();
    match offers.as_deref() {
        Some([first, ..]) => format!(
            "set {} to true: stage `{}` opens what is closed, and a rollback closes it again; or by hand: {by_hand}",
            first.decl.setting("/enabled"),
            first.decl.id
        ),
        _ => by_hand,
    }
}

fn nobody_let_in(scene: &Scene<'_>, due: Due<'_>, receiver: &Receiver, ports: &[Port]) -> String {
    format!(
        "no rule of {} lets the tasks of `{}` ({}) in on {}",
        scene.groups_of(&receiver.service).join(", "),
        due.name,
        scene.groups_of(due.name).join(", "),
        listed(ports)
    )
}

fn port_closed(scene: &Scene<'_>) -> Vec<Seen> {
    let mut all = Vec::new();
    for (due, receiver) in senders(scene) {
        let mut ports = closed(scene, due, receiver, endpoint_ports(scene, due, receiver), false);
        if ports.is_empty() {
            continue;
        }
        ports.extend(closed(scene, due, receiver, other_ports(scene, due, receiver), false));
        ports.sort_unstable();
        let to = scene.groups_of(&receiver.service);
        // An address may be said of several protocols, and one of them be open.
        let all_closed = endpoint_ports(scene, due, receiver).iter().all(|port| ports.contains(port));
        let consequence = match all_closed {
            true => "every rollout would be green and every span would be lost".to_owned(),
            false => format!("every rollout would be green, and whatever is sent to {} would be lost", listed(&ports)),
        };
        let found = nobody_let_in(scene, due, receiver, &ports);
        all.push(Seen::new(&to[0], found, &consequence, how_to_open(scene, due, receiver, &ports)));
    }
    all
}

fn port_opened(scene: &Scene<'_>) -> Vec<Seen> {
    let mut all = Vec::new();
    for (due, receiver) in senders(scene) {
        let mut ports = endpoint_ports(scene, due, receiver);
        ports.extend(other_ports(scene, due, receiver));
        let ports = closed(scene, due, receiver, ports, true);
        let Some(stage) = ports.first().and_then(|port| opener(scene, due, receiver, *port, true)) else { continue };
        let to = scene.groups_of(&receiver.service);
        let consequence = format!("none: stage `{}` opens what is closed before anything is sent there", stage.decl.id);
        all.push(Seen::new(&to[0], nobody_let_in(scene, due, receiver, &ports), &consequence, "none needed".to_owned()));
    }
    all
}

fn port_unproven(scene: &Scene<'_>) -> Vec<Seen> {
    let seen = |(due, receiver): (Due<'_>, &Receiver)| {
        let mut ports = ports_with(scene, due, receiver, endpoint_ports(scene, due, receiver), false, Answer::Perhaps);
        ports.extend(ports_with(scene, due, receiver, endpoint_ports(scene, due, receiver), true, Answer::Perhaps));
        ports.dedup();
        let found = format!("on {} only rules with prefix lists may let `{}` through", listed(&ports), due.name);
        let fix =
            "look at them: `aws ec2 get-managed-prefix-list-entries --prefix-list-id …` must hold the tasks' subnets".to_owned();
        (!ports.is_empty())
            .then(|| Seen::new(due.name, found, "if they do not, every rollout would be green and every span would be lost", fix))
    };
    senders(scene).filter_map(seen).collect()
}

fn egress_closed(scene: &Scene<'_>) -> Vec<Seen> {
    let seen = |(due, receiver): (Due<'_>, &Receiver)| {
        let closed = ports_with(scene, due, receiver, endpoint_ports(scene, due, receiver), true, Answer::Closed);
        let (own, to) = (scene.groups_of(due.name), scene.groups_of(&receiver.service));
        let found = format!(
            "no rule of {} lets the tasks of `{}` out to {} on {}",
            own.join(", "),
            due.name,
            to.join(", "),
            listed(&closed)
        );
        let fix = closed
            .iter()
            .map(|port| {
                format!(
                    "aws ec2 authorize-security-group-egress --group-id {} --protocol {} --port {} --source-group {}",
                    own.first().map(String::as_str).unwrap_or_default(),
                    port.protocol.word(),
                    port.number,
                    to.first().map(String::as_str).unwrap_or_default()
                )
            })
            .collect::<Vec<_>>()
            .join(" && ");
        let consequence = "every rollout would be green and every span would be lost";
        (!closed.is_empty()).then(|| Seen::new(&own[0], found, consequence, fix))
    };
    senders(scene).filter_map(seen).collect()
}

fn receiver_port_closed(scene: &Scene<'_>) -> Vec<Seen> {
    let seen = |(due, receiver): (Due<'_>, &Receiver)| {
        // Where the endpoint's own port is closed, that finding names these too.
        if !closed(scene, due, receiver, endpoint_ports(scene, due, receiver), false).is_empty() {
            return None;
        }
        let closed = closed(scene, due, receiver, other_ports(scene, due, receiver), false);
        let to = scene.groups_of(&receiver.service);
        let found = format!("no rule of {} lets the tasks of `{}` in on {}", to.join(", "), due.name, listed(&closed));
        let consequence = "who exports to that port, by another of the receiver's protocols, loses its spans";
        let fix = how_to_open(scene, due, receiver, &closed);
        (!closed.is_empty()).then(|| Seen::new(&to[0], found, consequence, fix))
    };
    senders(scene).filter_map(seen).collect()
}

fn vpc_dns_off(scene: &Scene<'_>) -> Vec<Seen> {
    let vpcs: BTreeSet<&str> = senders(scene).filter_map(|(due, _)| scene.facts.vpc_of(due.name)).collect();
    let seen = |vpc: &str| {
        let dns = scene.facts.vpc_dns.get(vpc).filter(|dns| !(dns.support && dns.hostnames))?;
        let off: Vec<(&str, &str)> = [
            (dns.support, ("enableDnsSupport", "--enable-dns-support")),
            (dns.hostnames, ("enableDnsHostnames", "--enable-dns-hostnames")),
        ]
        .into_iter()
        .filter(|(on, _)| !on)
        .map(|(_, names)| names)
        .collect();
        let names: Vec<&str> = off.iter().map(|(name, _)| *name).collect();
        let fix: Vec<String> =
            off.iter().map(|(_, option)| format!("aws ec2 modify-vpc-attribute --vpc-id {vpc} {option}")).collect();
        let found = format!("{} of the VPC is off", names.join(" and "));
        Some(Seen::new(vpc, found, "the shared service's name would not resolve, and every span would be lost", fix.join(" && ")))
    };
    vpcs.into_iter().filter_map(seen).collect()
}

/// The namespaces of the runbook's names, with their ids.
fn namespaces<'a>(scene: &Scene<'a>) -> impl Iterator<Item = (&'a str, &'a serde_json::Value)> {
    let facts = scene.facts;
    scene.subject.names.iter().flat_map(move |name| {
        facts
            .namespaces
            .iter()
            .filter(move |namespace| namespace["Name"] == *name.namespace)
            .filter_map(|namespace| Some((namespace["Id"].as_str()?, namespace)))
    })
}

fn namespace_elsewhere(scene: &Scene<'_>) -> Vec<Seen> {
    let mut all = Vec::new();
    for (id, namespace) in namespaces(scene) {
        let Some(vpcs) = scene.facts.zone_vpcs.get(id) else { continue };
        for (due, _) in senders(scene) {
            let Some(vpc) = scene.facts.vpc_of(due.name).filter(|vpc| !vpcs.iter().any(|known| known == vpc)) else { continue };
            let zone = namespace["Properties"]["DnsProperties"]["HostedZoneId"].as_str().unwrap_or_default();
            let found = format!("its zone {zone} is answered in {}, and the tasks of `{}` are in {vpc}", vpcs.join(", "), due.name);
            let fix = format!(
                "aws route53 associate-vpc-with-hosted-zone --hosted-zone-id {zone} --vpc VPCRegion={},VPCId={vpc}",
                scene.facts.region
            );
            let consequence = "the shared service's name would not resolve there, and every span would be lost";
            all.push(Seen::new(id, found, consequence, fix));
        }
    }
    all
}

fn namespace_shared(scene: &Scene<'_>) -> Vec<Seen> {
    let seen = |(id, namespace): (&str, &serde_json::Value)| {
        let owner = namespace["ResourceOwner"].as_str().filter(|owner| *owner != scene.facts.account && *owner != "SELF")?;
        let fix = "use a namespace of this account".to_owned();
        Some(Seen::new(
            id,
            format!("it belongs to account {owner}"),
            "ECS registers no service in a namespace that is shared with the account",
            fix,
        ))
    };
    namespaces(scene).filter_map(seen).collect()
}

/// Registries of AWS, which endpoints in the VPC may lead to.
fn is_private_registry(image: &str) -> bool {
    image.split('/').next().is_some_and(|host| host.contains(".dkr.ecr."))
}

fn no_way_to_registry(scene: &Scene<'_>) -> Vec<Seen> {
    let mut all = Vec::new();
    for shared in scene.subject.shared.iter().filter(|shared| shared.due) {
        let images = scene.subject.definitions.iter().filter(|definition| definition.family == shared.family);
        let Some(image) = images.flat_map(|definition| definition.images.values()).find(|image| !is_private_registry(image)) else {
            continue;
        };
        let network = scene.facts.services.get(&shared.like).map(|like| &like["networkConfiguration"]["awsvpcConfiguration"]);
        let public = network.is_some_and(|network| network["assignPublicIp"] == "ENABLED");
        for subnet in scene.subnets_of(&shared.name).iter().filter_map(|id| scene.facts.subnets.get(id)) {
            let tables = || scene.facts.route_tables.iter().filter(|table| table.vpc == subnet.vpc);
            let table = tables().find(|table| table.subnets.contains(&subnet.id)).or_else(|| tables().find(|table| table.main));
            let Some(table) = table else { continue };
            let found = match (&table.way_out, public) {
                (None, _) => format!("route table {} of subnet {} has no default route", table.id, subnet.id),
                (Some(way), false) if way.starts_with("igw-") => {
                    format!("subnet {} leads to the internet gateway {way}, and the tasks get no public address", subnet.id)
                }
                _ => continue,
            };
            let fix =
                "put the image into a registry of your own (ECR, with VPC endpoints), or give the subnets a NAT gateway".to_owned();
            all.push(Seen::new(&subnet.id, found, &format!("the task could not pull `{image}`: CannotPullContainerError"), fix));
        }
    }
    all
}

fn addresses_few(scene: &Scene<'_>) -> Vec<Seen> {
    let mut all = Vec::new();
    for due in scene.due() {
        let subnets: Vec<_> = scene.subnets_of(due.name).iter().filter_map(|id| scene.facts.subnets.get(id)).collect();
        let free: Option<u64> = subnets.iter().map(|subnet| subnet.free).sum();
        let (_, extra, _) = room(due.service);
        let shared: u64 = scene.subject.shared.iter().filter(|shared| shared.due).map(|shared| shared.desired).sum();
        let wanted = extra + shared;
        if let Some(free) = free.filter(|free| !subnets.is_empty() && *free < wanted) {
            let ids: Vec<&str> = subnets.iter().map(|subnet| subnet.id.as_str()).collect();
            let found = format!("{} have {free} free addresses, the rollouts may take {wanted} at once", ids.join(", "));
            let fix = "free some, or lower the service's maximumPercent".to_owned();
            all.push(Seen::new(due.name, found, "tasks would fail to start: InsufficientFreeAddressesInSubnet", fix));
        }
    }
    all
}
