//! What a load balancer does with a request: listener, rule, target. Before the sidecars are stripped the shared service and they
//! are targets of one group, so one request after the other meets another store.

use serde_json::Value;

use super::describe::is_rule_of;
use super::{Elbv2, Group, TargetState, member};
use crate::sim::values::{Object, list, number, text};

/// Where a load balancer sends a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sim) enum Route {
    /// To a target, from a sender with these security groups.
    Target { ip: String, port: u16, groups: Vec<String> },
    /// Back to the client, with this status and where to, if anywhere.
    Answer { status: u16, location: Option<String> },
    /// Nobody listens on the port.
    Closed,
}

impl Elbv2 {
    /// Where a GET goes; `None` when the host is no load balancer's. The targets of a group take turns.
    pub(in crate::sim) fn route(&mut self, scheme: &str, host: &str, port: u16, path: &str) -> Option<Route> {
        let balancer = self.load_balancers.iter().find(|balancer| member(balancer, "DNSName").eq_ignore_ascii_case(host))?;
        let groups: Vec<String> =
            list(&Value::Object(balancer.clone()), "SecurityGroups").iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let arn = member(balancer, "LoadBalancerArn");
        let listens = |listener: &&Object| {
            member(listener, "LoadBalancerArn") == arn
                && listener.get("Port").and_then(Value::as_u64) == Some(u64::from(port))
                && member(listener, "Protocol").eq_ignore_ascii_case(scheme)
        };
        let Some(listener) = self.listeners.iter().find(listens) else { return Some(Route::Closed) };
        let Some(action) = self.action(listener, host, path) else { return Some(Route::Closed) };
        Some(match text(&action, "Type") {
            Some("forward") => self.target(&action, groups),
            Some("fixed-response") => {
                Route::Answer { status: status(&action["FixedResponseConfig"]["StatusCode"], 200), location: None }
            }
            Some("redirect") => redirect(&action["RedirectConfig"], scheme, host, path),
            // A login in between, say.
            _ => Route::Answer { status: 401, location: None },
        })
    }

    /// The action of the first rule that fits, or else the listener's own.
    fn action(&self, listener: &Object, host: &str, path: &str) -> Option<Value> {
        let priority = |rule: &&Object| member(rule, "Priority").parse::<u32>().unwrap_or(u32::MAX);
        let of = |rule: &&Object| is_rule_of(member(rule, "RuleArn"), member(listener, "ListenerArn"));
        let mut rules: Vec<&Object> = self.rules.iter().filter(of).collect();
        rules.sort_by_key(priority);
        let fits = |rule: &&&Object| {
            let conditions = rule.get("Conditions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            conditions.iter().all(|condition| fits(condition, host, path))
        };
        let actions = match rules.iter().find(fits) {
            Some(rule) => rule.get("Actions"),
            None => listener.get("DefaultActions"),
        };
        actions?.as_array()?.last().cloned()
    }

    /// The target whose turn it is: of the healthy ones, or of all while none is.
    fn target(&mut self, action: &Value, groups: Vec<String>) -> Route {
        let weighted = list(&action["ForwardConfig"], "TargetGroups").first().and_then(|group| text(group, "TargetGroupArn"));
        let arn = text(action, "TargetGroupArn").or(weighted).unwrap_or_default();
        let turn = self.turn;
        let targets = |group: &Group, fits: &dyn Fn(&TargetState) -> bool| -> Vec<(String, u16)> {
            let fitting = group.targets.iter().filter(|target| fits(&target.state));
            fitting.map(|target| (target.id.clone(), target.port)).collect()
        };
        let known = self.group(arn).map(|group| {
            let healthy = targets(group, &|state| state.state == "healthy");
            if healthy.is_empty() {
                targets(group, &|state| ["initial", "unhealthy"].contains(&state.state.as_str()))
            } else {
                healthy
            }
        });
        let known = known.unwrap_or_default();
        if known.is_empty() {
            return Route::Answer { status: 503, location: None };
        }
        self.turn += 1;
        let (ip, port) = known[turn % known.len()].clone();
        Route::Target { ip, port, groups }
    }
}

fn status(value: &Value, default: u16) -> u16 {
    let text = value.as_str().map(|text| text.trim_start_matches("HTTP_").to_owned()).unwrap_or_else(|| value.to_string());
    text.parse().unwrap_or(default)
}

fn redirect(config: &Value, scheme: &str, host: &str, path: &str) -> Route {
    let fill =
        |member: &str, own: &str| text(config, member).unwrap_or(own).replace(&format!("#{{{}}}", member.to_lowercase()), own);
    let protocol = fill("Protocol", scheme).to_lowercase();
    let port = number(config, "Port").map(|port| format!(":{port}")).unwrap_or_default();
    let location = format!("{protocol}://{}{port}{}", fill("Host", host), path);
    Route::Answer { status: status(&config["StatusCode"], 302), location: Some(location) }
}

/// Whether a condition holds; one of a sort that is not known here does not.
fn fits(condition: &Value, host: &str, path: &str) -> bool {
    let values = |config: &str| {
        let modern = list(&condition[config], "Values");
        let values = if modern.is_empty() { list(condition, "Values") } else { modern };
        values.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    match text(condition, "Field") {
        Some("path-pattern") => values("PathPatternConfig").iter().any(|pattern| matches(pattern, path)),
        Some("host-header") => {
            values("HostHeaderConfig").iter().any(|pattern| matches(&pattern.to_lowercase(), &host.to_lowercase()))
        }
        _ => false,
    }
}

/// `*` stands for any letters, `?` for one.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    // What the pattern up to here fits of the text, by length.
    let mut fits = vec![true];
    fits.resize(text.len() + 1, false);
    for letter in pattern {
        let mut next = vec![false; text.len() + 1];
        for at in 0..=text.len() {
            next[at] = match letter {
                '*' => fits[at] || (at > 0 && next[at - 1]),
                '?' => at > 0 && fits[at - 1],
                letter => at > 0 && fits[at - 1] && text[at - 1] == letter,
            };
        }
        fits = next;
    }
    fits[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_a_listener_rules_do() {
        for (pattern, text, wanted) in [
            ("/jaeger", "/jaeger", true),
            ("/jaeger", "/jaeger/", false),
            ("/jaeger/*", "/jaeger/api/services", true),
            ("/*/x?", "/a/b/xy", true),
            ("/*/x?", "/a/b/x", false),
            ("*", "", true),
            ("", "/", false),
        ] {
            assert_eq!(matches(pattern, text), wanted, "{pattern} {text}");
        }
    }
}
