//! A digest of a JSON value that does not depend on how the value was written down.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The canonical text of `value`: members sorted by name, no white space.
pub fn canonical(value: &Value) -> String {
    // `serde_json::Map` keeps its members sorted (the crate's `preserve_order` feature is off), so printing is enough.
    value.to_string()
}

/// SHA-256 over [`canonical`], as lower-case hexadecimal.
pub fn digest(value: &Value) -> String {
    let hash = Sha256::digest(canonical(value).as_bytes());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
