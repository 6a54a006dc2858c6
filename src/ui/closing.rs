//! The last words of a migration that is done: where the UI is, the commands that verify it and help when it does not work, and
//! what must change elsewhere, lest the next deployment undo it.
//!
//! What is not known is left out, line by line.

use std::collections::BTreeMap;

use serde_json::Value;

use super::style::{Style, Tone};
use super::text;

/// The closing words from a plan's `closing` values, without a newline at the end; empty when nothing is known.
pub fn render(values: &BTreeMap<String, Value>, style: &Style) -> String {
    let closing = Closing { values, style };
    let parts: Vec<String> =
        [closing.ui(), closing.verify(), closing.troubleshoot(), closing.code()].into_iter().flatten().collect();
    parts.join("\n\n")
}

struct Closing<'a> {
    values: &'a BTreeMap<String, Value>,
    style: &'a Style,
}

impl Closing<'_> {
    /// A value as text; absent, null and empty are all unknown.
    fn get(&self, key: &str) -> Option<String> {
        let text = match self.values.get(key)? {
            Value::String(text) => text::clean(text),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        (!text.is_empty()).then_some(text)
    }

    fn heading(&self, words: &str) -> String {
        self.style.paint(Tone::Strong, words)
    }

    fn ui(&self) -> Option<String> {
        let label = self.get("name").map_or("UI:".to_owned(), |name| format!("{name} UI:"));
        Some(format!("{} {}", self.heading(&label), self.get("ui_url")?))
    }

    /// What moved, as the runbook calls it.
    fn what(&self) -> String {
        self.get("name").unwrap_or_else(|| "shared".to_owned())
    }

    /// The texts of a list; none when it is not known.
    fn list(&self, key: &str) -> Vec<String> {
        let items = self.values.get(key).and_then(Value::as_array);
        items.into_iter().flatten().filter_map(Value::as_str).map(text::clean).collect()
    }

    /// `aws …` with the Region and the endpoint; long ones go on over several lines that a shell reads as one.
    fn aws(&self, words: &[&str]) -> String {
        let mut pieces = vec![format!("aws {}", words[..2.min(words.len())].join(" "))];
        let mut options: Vec<String> = Vec::new();
        for word in words.iter().skip(2) {
            match options.last_mut() {
                Some(last) if !word.starts_with("--") => last.push_str(&format!(" {}", text::shell_word(word))),
                None if !word.starts_with("--") => pieces[0].push_str(&format!(" {}", text::shell_word(word))),
                _ => options.push((*word).to_owned()),
            }
        }
        for (option, key) in [("--region", "region"), ("--endpoint-url", "endpoint_url")] {
            if let Some(value) = self.get(key) {
                options.push(format!("{option} {}", text::shell_word(&value)));
            }
        }
        pieces.extend(options);
        let one = format!("  {}", pieces.join(" "));
        if one.chars().count() <= self.style.width { one } else { format!("  {}", pieces.join(" \\\n    ")) }
    }

    fn verify(&self) -> Option<String> {
        let (cluster, service) = (self.get("cluster")?, self.get("service")?);
        let lines = [
            self.heading("To verify:"),
            self.aws(&["ecs", "describe-services", "--cluster", &cluster, "--services", &service]),
            self.aws(&["ecs", "list-tasks", "--cluster", &cluster, "--service-name", &service]),
        ];
        Some(lines.join("\n"))
    }

    fn troubleshoot(&self) -> Option<String> {
        let logs = self.get("log_group").map(|group| self.aws(&["logs", "tail", &group, "--follow"]));
        let names = self.get("namespace_id").map(|id| {
            let filter = format!("Name=NAMESPACE_ID,Values={id}");
            self.aws(&["servicediscovery", "list-services", "--filters", &filter])
        });
        let targets =
            self.get("target_group_arn").map(|arn| self.aws(&["elbv2", "describe-target-health", "--target-group-arn", &arn]));
        let cases = [
            (format!("the {} service does not start: its logs", self.what()), logs),
            (format!("the API cannot reach the {} service: its name", self.what()), names),
            ("the target group has no healthy target".to_owned(), targets),
        ];
        let known: Vec<String> =
            cases.into_iter().filter_map(|(when, command)| Some(format!("  # {when}\n{}", command?))).collect();
        (!known.is_empty()).then(|| {
            format!("{}\n{}", self.heading("If something does not work, `sidestep doctor` says why. By hand:"), known.join("\n"))
        })
    }

    /// The code still says how it was: the next `apply` would bring the sidecar back. What is to be changed is for the runbook to
    /// say.
    fn code(&self) -> Option<String> {
        self.get("sidecar")?;
        let services = self.list("api_services");
        let of = if services.is_empty() { "the API".to_owned() } else { services.join(", ") };
        let warning = format!(
            "the code that deploys {of} still has the sidecar. The next `terraform apply` or pipeline brings it back unless the \
             code changes too:"
        );
        let mut points = self.list("code");
        points.push("a pipeline that registers its own revisions: the same in its task definition file".to_owned());
        let first = format!("{} ", self.style.paint(Tone::Warn, "warning:"));
        let mut lines = vec![text::wrap(&warning, self.style.width, &first, 0)];
        lines.extend(points.iter().map(|point| text::wrap(point, self.style.width, "  - ", 4)));
        Some(lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ui::fixtures;

    #[test]
    fn everything_known_at_100_columns() {
        insta::assert_snapshot!(render(&fixtures::plan().closing, &Style::plain()), @r#"
        Jaeger UI: http://nexus-ai-alb-staging-1234567890.us-west-2.elb.amazonaws.com/jaeger/

        To verify:
          aws ecs describe-services \
            --cluster nexus-ai-cluster-staging \
            --services nexus-ai-jaeger-staging \
            --region us-west-2
          aws ecs list-tasks \
            --cluster nexus-ai-cluster-staging \
            --service-name nexus-ai-jaeger-staging \
            --region us-west-2

        If something does not work, `sidestep doctor` says why. By hand:
          # the Jaeger service does not start: its logs
          aws logs tail /ecs/nexus-ai-jaeger-staging --follow --region us-west-2
          # the API cannot reach the Jaeger service: its name
          aws servicediscovery list-services \
            --filters Name=NAMESPACE_ID,Values=ns-nexusaistaging01 \
            --region us-west-2
          # the target group has no healthy target
          aws elbv2 describe-target-health \
            --target-group-arn arn:aws:elasticloadbalancing:us-west-2:111122223333:targetgroup/nexus-ai-jaeger-tg-staging/73e2d6bc24d8a067 \
            --region us-west-2

        warning: the code that deploys nexus-ai-api-staging still has the sidecar. The next `terraform
        apply` or pipeline brings it back unless the code changes too:
          - infrastructure/05-compute-ecs.tf: remove the container `jaeger` from the task definition
          - infrastructure/05-compute-ecs.tf: set OTEL_EXPORTER_OTLP_ENDPOINT to
            http://jaeger.nexus-ai.local:4318
          - infrastructure/07-services.tf: remove the `load_balancer` block of the container `jaeger`
          - a pipeline that registers its own revisions: the same in its task definition file
        "#);
    }

    #[test]
    fn narrow_commands_go_on_over_lines_a_shell_joins() {
        let mut values = fixtures::plan().closing;
        values.insert("endpoint_url".to_owned(), json!("http://127.0.0.1:4566"));
        let style = Style { width: 60, ..Style::plain() };
        insta::assert_snapshot!(render(&values, &style), @r#"
        Jaeger UI: http://nexus-ai-alb-staging-1234567890.us-west-2.elb.amazonaws.com/jaeger/

        To verify:
          aws ecs describe-services \
            --cluster nexus-ai-cluster-staging \
            --services nexus-ai-jaeger-staging \
            --region us-west-2 \
            --endpoint-url http://127.0.0.1:4566
          aws ecs list-tasks \
            --cluster nexus-ai-cluster-staging \
            --service-name nexus-ai-jaeger-staging \
            --region us-west-2 \
            --endpoint-url http://127.0.0.1:4566

        If something does not work, `sidestep doctor` says why. By hand:
          # the Jaeger service does not start: its logs
          aws logs tail /ecs/nexus-ai-jaeger-staging \
            --follow \
            --region us-west-2 \
            --endpoint-url http://127.0.0.1:4566
          # the API cannot reach the Jaeger service: its name
          aws servicediscovery list-services \
            --filters Name=NAMESPACE_ID,Values=ns-nexusaistaging01 \
            --region us-west-2 \
            --endpoint-url http://127.0.0.1:4566
          # the target group has no healthy target
          aws elbv2 describe-target-health \
            --target-group-arn arn:aws:elasticloadbalancing:us-west-2:111122223333:targetgroup/nexus-ai-jaeger-tg-staging/73e2d6bc24d8a067 \
            --region us-west-2 \
            --endpoint-url http://127.0.0.1:4566

        warning: the code that deploys nexus-ai-api-staging still
        has the sidecar. The next `terraform apply` or pipeline
        brings it back unless the code changes too:
          - infrastructure/05-compute-ecs.tf: remove the container
            `jaeger` from the task definition
          - infrastructure/05-compute-ecs.tf: set
            OTEL_EXPORTER_OTLP_ENDPOINT to
            http://jaeger.nexus-ai.local:4318
          - infrastructure/07-services.tf: remove the
            `load_balancer` block of the container `jaeger`
          - a pipeline that registers its own revisions: the same in
            its task definition file
        "#);
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let values = BTreeMap::from([
            ("log_group".to_owned(), json!("/ecs/it's here")),
            ("ui_url".to_owned(), Value::Null),
            ("cluster".to_owned(), json!("")),
        ]);
        insta::assert_snapshot!(render(&values, &Style::plain()), @r#"
        If something does not work, `sidestep doctor` says why. By hand:
          # the shared service does not start: its logs
          aws logs tail '/ecs/it'\''s here' --follow
        "#);
        assert_eq!(render(&BTreeMap::new(), &Style::plain()), "");
    }
}
