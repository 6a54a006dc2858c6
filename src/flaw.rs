//! Defects that tests switch on, to see that the drills find them. Nothing of this is in a build that ships.

use std::cell::Cell;

/// A promise that is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// A step in doubt is taken for not done, without a look.
    NoLook,
    /// The intent of a step is written only after its call.
    LateIntent,
    /// The outcome of a step is acted on before it is durable.
    LateOutcome,
    /// Every attempt has the same token.
    OneToken,
    /// Nobody looks whether somebody else uses what goes.
    NobodyElse,
}

thread_local! {
    static FLAW: Cell<Option<Flaw>> = const { Cell::new(None) };
}

/// Switches a flaw on in this thread, or off.
pub(crate) fn set(flaw: Option<Flaw>) {
    FLAW.set(flaw);
}

/// What is switched on in this thread.
pub(crate) fn get() -> Option<Flaw> {
    FLAW.get()
}
