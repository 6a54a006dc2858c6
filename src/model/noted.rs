//! JSON of the journal that several hold and none changes: a step's parameters in the plan and in the mutation made of it, what a
//! record brought in the record, the step's view and the mutation.

use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A JSON value that is shared, not copied, when it is cloned: the fold is part of the cost of each checkpoint.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Noted(Arc<Value>);

impl Deref for Noted {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.0
    }
}

impl From<Value> for Noted {
    fn from(value: Value) -> Self {
        Self(Arc::new(value))
    }
}

impl Serialize for Noted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Noted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::from)
    }
}
