//! What the closing words need and only the facts know.

use crate::aws::ListenerRule;
use crate::stages::facts::Facts;

/// The address under which a target group's listener rules serve it: the address of its UI.
pub(super) fn ui_url(facts: &Facts, group: &str) -> Option<String> {
    let mut rules: Vec<&ListenerRule> =
        facts.rules.iter().filter(|rule| rule.target_groups.iter().any(|known| known == group)).collect();
    rules.sort_by_key(|rule| (rule.protocol != "HTTPS", rule.priority.parse::<u32>().unwrap_or(u32::MAX)));
    let rule = rules.first()?;
    let host = match rule.hosts.first().filter(|host| !host.contains('*')) {
        Some(host) => host.clone(),
        None => facts.load_balancers.get(&rule.load_balancer)?.dns_name.clone(),
    };
    let scheme = rule.protocol.to_ascii_lowercase();
    let port = match (scheme.as_str(), rule.port) {
        ("http", 80) | ("https", 443) => String::new(),
        (_, port) => format!(":{port}"),
    };
    // `/jaeger/*` serves `/jaeger/`; a rule without a path serves everything.
    let path =
        rule.paths.iter().find_map(|path| path.strip_suffix('*')).or_else(|| rule.paths.first().map(String::as_str)).unwrap_or("/");
    Some(format!("{scheme}://{host}{port}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::LoadBalancer;

    fn facts(protocol: &str, port: i32, paths: &[&str]) -> Facts {
        let mut facts = Facts::default();
        let balancer =
            LoadBalancer { arn: "lb".into(), dns_name: "alb.example.com".into(), security_groups: Vec::new(), zones: Vec::new() };
        facts.load_balancers.insert("lb".into(), balancer);
        facts.rules.push(ListenerRule {
            load_balancer: "lb".into(),
            port,
            protocol: protocol.into(),
            paths: paths.iter().map(ToString::to_string).collect(),
            hosts: Vec::new(),
            target_groups: vec!["tg".into()],
            priority: "90".into(),
        });
        facts
    }

    #[test]
    fn the_address_follows_the_rule() {
        assert_eq!(ui_url(&facts("HTTP", 80, &["/jaeger", "/jaeger/*"]), "tg").as_deref(), Some("http://alb.example.com/jaeger/"));
        assert_eq!(ui_url(&facts("HTTPS", 8443, &[]), "tg").as_deref(), Some("https://alb.example.com:8443/"));
        assert_eq!(ui_url(&facts("HTTP", 80, &[]), "other"), None);
    }
}
