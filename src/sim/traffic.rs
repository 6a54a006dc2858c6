//! Spans: who sends, what arrives.

use serde_json::{Value, json};

use super::State;

impl State {
    /// Spans by label and task.
    pub fn spans(&self) -> Value {
        json!({"labels": []})
    }

    /// From now on spans count under this label.
    pub fn mark(&mut self, _label: &str) {}
}
