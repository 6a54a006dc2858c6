//! What a way back has left in AWS.

use jiff::Timestamp;
use serde::Serialize;

use super::StageId;

/// Something that a run made or changed, and that its way back has not undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Remainder {
    /// What it is, in AWS's words: `log group`, `service`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name, or `family:revision`.
    pub name: String,
    /// The stage that made it.
    pub stage: StageId,
    /// When.
    pub made: Timestamp,
    /// Why it is still there, in AWS's words where AWS said something.
    pub why: String,
    /// The AWS CLI's command that would remove it, or put it back.
    pub remove: String,
    /// Whether nothing depends on it: a revision that is not deregistered costs nothing and serves nobody.
    pub harmless: bool,
}
