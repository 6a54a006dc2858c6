//! World files: the built-in one, or one that is named.

use std::path::Path;

use serde_json::Value;

use super::runbooks;
use crate::model::Error;

const BUILT_IN_WORLD: &str = include_str!("../../runbooks/worlds/nexus-ai-staging.json");

/// A world file's path and content; the built-in world when none is named.
pub fn load_world(path: Option<&Path>) -> Result<(String, Value), Error> {
    let (shown, text) = match path {
        Some(path) => (path.display().to_string(), runbooks::read(path, "world file")?),
        None => ("<built-in>/nexus-ai-staging.json".to_owned(), BUILT_IN_WORLD.to_owned()),
    };
    let world = serde_json::from_str(&text).map_err(|error| not_a_world(&shown, format!("not JSON: {error}")))?;
    Ok((shown, world))
}

/// The error of a file that is not a world.
pub fn not_a_world(path: &str, why: String) -> Error {
    Error::FileUnreadable { what: "world file".to_owned(), path: path.to_owned(), why, hint: None }
}
