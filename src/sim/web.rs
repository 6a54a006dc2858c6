//! What anybody gets who does a plain GET on an address in the account: a task's own, a load balancer's, a name in Cloud Map.
//!
//! ```text
//!   http://10.0.11.23:8000/…                       ─▶ the container that listens there
//!   http://NAME.REGION.elb.amazonaws.com/…         ─▶ listener ─▶ rule ─▶ a target, each in its turn
//!   http://jaeger.nexus-ai.local:16686/…           ─▶ an instance ─▶ the container that listens there
//! ```
//!
//! The client is inside the network: no security group holds its own requests back. An application that is asked makes a span of it.

use super::elbv2::Route;
use super::jaeger::{self, HttpAnswer, Reach};
use super::{State, traffic};

/// Who is asked for what.
pub(super) struct Asked<'a> {
    /// `http` or `https`.
    pub(super) scheme: &'a str,
    /// A name or an IPv4 address.
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) path_and_query: &'a str,
}

/// What becomes of a GET.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Got {
    Answer(HttpAnswer),
    /// Packets are swallowed: no answer ever comes.
    Silence,
    /// The name does not resolve, or nothing listens there.
    Nobody,
}

/// Does a GET.
pub(super) fn get(state: &mut State, asked: &Asked<'_>) -> Got {
    let host = asked.host.trim_end_matches('.');
    if host.parse::<std::net::Ipv4Addr>().is_ok() {
        return ask(state, host, asked.port, asked.path_and_query, None);
    }
    let path = asked.path_and_query.split('?').next().unwrap_or_default();
    match state.elbv2.route(asked.scheme, host, asked.port, path) {
        Some(Route::Target { ip, port, groups }) => match ask(state, &ip, port, asked.path_and_query, Some(&groups)) {
            Got::Answer(answer) => Got::Answer(answer),
            Got::Silence => Got::Answer(HttpAnswer::page(504)),
            Got::Nobody => Got::Answer(HttpAnswer::page(502)),
        },
        Some(Route::Answer { status, location }) => {
            let mut answer = HttpAnswer::page(status);
            answer.headers.extend(location.map(|location| ("location".to_owned(), location)));
            Got::Answer(answer)
        }
        Some(Route::Closed) => Got::Silence,
        None => match resolved(state, host) {
            Some(ip) => ask(state, &ip, asked.port, asked.path_and_query, None),
            None => Got::Nobody,
        },
    }
}

fn ask(state: &mut State, ip: &str, port: u16, path_and_query: &str, from_groups: Option<&[String]>) -> Got {
    let (answer, served) = match jaeger::reach(state, ip, port, from_groups) {
        Reach::Container(task, container) => {
            let answer = jaeger::answer(state, task, container, port, path_and_query);
            let served = answer.status == 200 && !jaeger::is_one(container);
            (answer, served.then(|| (task.id.clone(), container.name.clone())))
        }
        Reach::Nobody => return Got::Silence,
        Reach::Closed => return Got::Nobody,
    };
    if let Some(sender) = served {
        traffic::emit(state, &sender);
    }
    Got::Answer(answer)
}

/// An address of a name of Cloud Map's, as a resolver in the VPC of any task gives it.
fn resolved(state: &State, host: &str) -> Option<String> {
    let networks = state.ecs.tasks.iter().filter_map(|task| state.ec2.subnet(task.subnet())).map(|subnet| subnet.vpc_id);
    networks.into_iter().find_map(|vpc| state.cloudmap.resolve(&vpc, host)?.0.first().cloned())
}
