//! What a capture could not see: the member `missing` of a world file, `[{"operation": …, "resource": …, "why": …}]`.
//!
//! An operation that was refused altogether (resource `*`) is refused here too, so that whoever reads this account finds out as
//! much, and as little, as on the live one. What goes on in the account does not depend on who may read it: where the security
//! groups were not seen, traffic is let through, as it must be for what is captured as healthy.

use std::collections::BTreeSet;

use serde_json::Value;

use super::values::text;

/// See the module's text.
#[derive(Clone, Debug, Default)]
pub(super) struct Unseen {
    /// As IAM spells them: `ec2:DescribeSecurityGroups`.
    operations: BTreeSet<String>,
}

impl Unseen {
    /// Reads the member; absent is nothing.
    pub(super) fn load(missing: Option<&Value>) -> Result<Self, String> {
        let entries = match missing {
            None | Some(Value::Null) => return Ok(Self::default()),
            Some(Value::Array(entries)) => entries,
            Some(_) => return Err("`missing` of the world must be a list".to_owned()),
        };
        let mut operations = BTreeSet::new();
        for (index, entry) in entries.iter().enumerate() {
            let (Some(operation), Some(resource)) = (text(entry, "operation"), text(entry, "resource")) else {
                return Err(format!("`missing[{index}]` has no `operation` or no `resource`"));
            };
            if resource == "*" {
                operations.insert(operation.to_owned());
            }
        }
        Ok(Self { operations })
    }

    /// Whether an action, as IAM spells it, is refused.
    pub(super) fn refuses(&self, action: &str) -> bool {
        self.operations.contains(action)
    }
}
