//! The runbooks that are part of the program.

use crate::model::SourceFile;

macro_rules! shipped {
    ($($name:literal),+ $(,)?) => {
        &[$((
            $name,
            concat!("runbooks/", $name, ".hcl"),
            include_str!(concat!("../../runbooks/", $name, ".hcl")),
        )),+]
    };
}

/// Name, path and text of each; the default first.
const SHIPPED: &[(&str, &str, &str)] =
    shipped!["jaeger-sidecar-to-shared", "otel-collector-sidecar-to-shared", "xray-daemon-sidecar-to-shared"];

/// The names of the shipped runbooks.
pub fn built_in_names() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, ..)| *name)
}

/// The text of a shipped runbook.
pub fn built_in(name: &str) -> Option<SourceFile> {
    let (_, path, text) = SHIPPED.iter().find(|(known, ..)| *known == name)?;
    Some(SourceFile { path: (*path).to_owned(), text: (*text).to_owned() })
}
