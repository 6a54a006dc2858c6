//! The runbooks that are part of the program.

use crate::model::SourceFile;

const NAMES: &[&str] = &["jaeger-sidecar-to-shared"];

/// The names of the shipped runbooks.
pub fn built_in_names() -> &'static [&'static str] {
    NAMES
}

/// The text of a shipped runbook.
pub fn built_in(name: &str) -> Option<SourceFile> {
    let (path, text) = match name {
        "jaeger-sidecar-to-shared" => {
            ("runbooks/jaeger-sidecar-to-shared.hcl", include_str!("../../runbooks/jaeger-sidecar-to-shared.hcl"))
        }
        _ => return None,
    };
    Some(SourceFile { path: path.to_owned(), text: text.to_owned() })
}
