//! What a way back has left in AWS, one block each: what it is, who made it, why it is still there, what would remove it. The command
//! is not wrapped: it is there to be copied.

use crate::model::Remainder;

use super::text;

/// The lines of one remainder.
pub fn lines(remainder: &Remainder) -> Vec<String> {
    let mark = if remainder.harmless { "  (nothing depends on it)" } else { "" };
    vec![
        format!("  {} {}{mark}", remainder.kind, text::clean(&remainder.name)),
        format!("    made:   in stage {}, {}", remainder.stage, text::time(remainder.made)),
        format!("    why:    {}", text::clean(&remainder.why)),
        format!("    remove: {}", text::clean(&remainder.remove)),
    ]
}
