//! What is known of images that receive spans and pass them on. Jaeger, which keeps them, has a file of its own.
//!
//! All of these are made from an empty image: there is no shell in them, so a health check of the kind CMD-SHELL fails in each, and one of the
//! kind CMD passes only if it names a program that is there.

use super::ecs::Container;
use super::ecs::json::texts;

/// What is known of an image.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Image {
    /// The last part of its repository's name.
    repository: &'static str,
    /// The programs in it.
    programs: &'static [&'static str],
    /// Whether it passes spans on at once and keeps none.
    pub(super) passes_on: bool,
    /// Whether it calls AWS to do so, whatever it is configured to.
    pub(super) calls_aws: bool,
    /// Whether it logs each batch that it has passed on.
    pub(super) logs: bool,
}

const IMAGES: &[Image] = &[
    Image { repository: "aws-xray-daemon", programs: &["/xray"], passes_on: true, calls_aws: true, logs: true },
    Image {
        repository: "aws-otel-collector",
        programs: &["/awscollector", "/healthcheck"],
        passes_on: true,
        calls_aws: false,
        logs: false,
    },
    Image { repository: "opentelemetry-collector", programs: &["/otelcol"], passes_on: true, calls_aws: false, logs: false },
    Image {
        repository: "opentelemetry-collector-contrib",
        programs: &["/otelcol-contrib"],
        passes_on: true,
        calls_aws: false,
        logs: false,
    },
];

/// What is known of a container's image; `None`: nothing.
pub(super) fn of(container: &Container) -> Option<&'static Image> {
    let last = container.image().split('@').next()?.rsplit('/').next()?;
    let repository = last.split(':').next()?;
    IMAGES.iter().find(|image| image.repository == repository)
}

impl Image {
    /// Whether a container's health check can pass.
    pub(super) fn can_check(&self, container: &Container) -> bool {
        match texts(&container.spec["healthCheck"], "command").as_slice() {
            [kind, program, ..] => kind == "CMD" && self.programs.contains(&program.as_str()),
            _ => false,
        }
    }
}
