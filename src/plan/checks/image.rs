//! What is to run: the image, and the role that writes its logs.

use super::{Check, Scene, Theme};
use crate::stages::findings::{FindingKind, Seen};

pub(super) const THEME: Theme = Theme {
    name: "Image and roles",
    checks: &[
        Check { kind: FindingKind::note("image-latest", "an image has the tag `latest`, or none"), look: latest },
        Check {
            kind: FindingKind::blocker("execution-role-cannot-log", "IAM would deny the execution role to write to the log group"),
            look: cannot_log,
        },
    ],
};

fn latest(scene: &Scene<'_>) -> Vec<Seen> {
    let mut seen = Vec::new();
    for definition in &scene.subject.definitions {
        for (container, image) in definition.images.iter().filter(|(_, image)| moves(image)) {
            let fix = format!("name a fixed tag with {}", definition.decl.setting(&format!("/container/{container}/image")));
            let found = format!("the tag of the image `{image}` is `latest`");
            seen.push(Seen::new(&definition.family, found, "a task that starts later may run another version", fix));
        }
    }
    seen
}

/// Whether what an image's name stands for may change: neither a digest nor a tag but `latest`. A port in the registry's name is
/// no tag.
fn moves(image: &str) -> bool {
    let last = image.rsplit('/').next().unwrap_or(image);
    !image.contains('@') && last.rsplit_once(':').is_none_or(|(_, tag)| tag == "latest")
}

fn cannot_log(scene: &Scene<'_>) -> Vec<Seen> {
    if scene.subject.shared.iter().all(|shared| !shared.due) {
        return Vec::new();
    }
    let denied = scene.facts.log_decisions.iter().filter(|(_, decision)| !decision.allows());
    let seen = |(role, decision): &(String, crate::aws::Decision)| {
        let found = format!("IAM would deny it {} on {}", decision.action, decision.resource);
        let fix = format!("allow {} there for the role; AmazonECSTaskExecutionRolePolicy does", decision.action);
        Seen::new(role, found, "no task of the shared service would start: ResourceInitializationError", fix)
    };
    denied.map(seen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_or_a_digest_holds_an_image_fast() {
        for (image, expected) in [
            ("jaegertracing/all-in-one:latest", true),
            ("jaegertracing/all-in-one", true),
            ("registry.example.com:5000/jaeger", true),
            ("jaegertracing/all-in-one:1.76.0", false),
            ("registry.example.com:5000/jaeger:2.20.0", false),
            ("jaegertracing/jaeger@sha256:0123", false),
        ] {
            assert_eq!(moves(image), expected, "{image}");
        }
    }
}
