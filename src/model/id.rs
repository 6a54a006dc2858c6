//! Identifiers. Each is a short text that an operator can read aloud and type.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps a text that is already known to be a valid identifier of this kind.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

text_id! {
    /// One execution of a plan, for example `r7k2`. Any unique prefix names it on the command line.
    RunId
}
text_id! {
    /// A stage's name in its runbook, for example `create-log-group`.
    StageId
}
text_id! {
    /// A lane: `stage/target`, unique in a plan.
    LaneId
}
text_id! {
    /// A step: `stage/target/step`, unique in a plan. Steps that undo carry the prefix `undo/`.
    StepId
}

/// Letters and digits that cannot be taken for one another when read aloud or typed at 3 a.m.
const RUN_ID_ALPHABET: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";

impl RunId {
    /// A fresh id of four characters, drawn by the caller's random source: `pick(n)` gives a number below `n`.
    pub fn generate(mut pick: impl FnMut(usize) -> usize) -> Self {
        // The first character is a letter, so that an id is never taken for a number.
        let letters = 23;
        let mut text = String::with_capacity(4);
        text.push(char::from(RUN_ID_ALPHABET[pick(letters)]));
        for _ in 0..3 {
            text.push(char::from(RUN_ID_ALPHABET[pick(RUN_ID_ALPHABET.len())]));
        }
        Self(text)
    }
}

impl LaneId {
    /// The lane of `stage` that works on `target`.
    pub fn of(stage: &StageId, target: &str) -> Self {
        Self(format!("{stage}/{target}"))
    }
}

impl StepId {
    /// The step called `name` in `lane`.
    pub fn of(lane: &LaneId, name: &str) -> Self {
        Self(format!("{lane}/{name}"))
    }
}
