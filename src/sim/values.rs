//! Small readers and writers of JSON values, shared by the services: members by name, times, pages, ARNs.

use serde_json::Value;

use super::{ApiError, Millis};

/// A JSON object.
pub(super) type Object = serde_json::Map<String, Value>;

/// A text member.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str()
}

/// A list member; absent and null are the empty list.
pub(super) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The texts of a list member.
pub(super) fn texts(value: &Value, name: &str) -> Vec<String> {
    list(value, name).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Beyond every calendar in milliseconds, and far from where sums overflow.
const MOST: i64 = 1_000_000_000_000_000;

/// A whole number, also when it is written as text (query protocols have only text). What is written beyond [`MOST`] counts as
/// that much.
pub(super) fn number(value: &Value, name: &str) -> Option<i64> {
    let member = value.get(name)?;
    let number = member.as_i64().or_else(|| member.as_str()?.parse().ok())?;
    Some(number.clamp(-MOST, MOST))
}

/// A flag, also when it is written as text.
pub(super) fn flag(value: &Value, name: &str) -> Option<bool> {
    let member = value.get(name)?;
    member.as_bool().or_else(|| member.as_str()?.parse().ok())
}

/// A time of a world file: seconds since the epoch, or ISO text.
pub(super) fn millis(value: &Value) -> Option<Millis> {
    if let Some(seconds) = value.as_f64() {
        let at = (seconds * 1000.0).round() as Millis;
        return jiff::Timestamp::from_millisecond(at).is_ok().then_some(at);
    }
    let instant: jiff::Timestamp = value.as_str()?.parse().ok()?;
    Some(instant.as_millisecond())
}

/// A time as the JSON protocols carry it.
pub(super) fn epoch_seconds(at: Millis) -> Value {
    Value::from(at as f64 / 1000.0)
}

/// A time as the XML protocols and world files write it: `2025-12-02T09:00:00Z`.
pub(super) fn iso(at: Millis) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |instant| instant.to_string())
}

/// Replaces a time member, whichever way it is written, by seconds since the epoch.
pub(super) fn serve_seconds(object: &mut Object, name: &str) {
    if let Some(at) = object.get(name).and_then(millis) {
        object.insert(name.to_owned(), epoch_seconds(at));
    }
}

/// One page of a listing.
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// The token of the next page.
    pub(super) next: Option<String>,
}

/// Cuts a page out of `all`. A token is opaque to callers; `None` when it is not one of ours.
pub(super) fn page<T>(all: Vec<T>, token: Option<&str>, size: usize) -> Option<Page<T>> {
    let start = match token {
        None | Some("") => 0,
        Some(token) => usize::from_str_radix(token.strip_prefix("AAMA")?, 16).ok()?,
    };
    let total = all.len();
    let items: Vec<T> = all.into_iter().skip(start).take(size).collect();
    let end = start + items.len();
    Some(Page { items, next: (end < total).then(|| format!("AAMA{end:016x}")) })
}

impl ApiError {
    /// The same error with another HTTP status.
    pub(super) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same error with one more member in a JSON body.
    pub(super) fn member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_both_notations() {
        let at = 1_764_666_000_000;
        for written in [
            serde_json::json!(1_764_666_000),
            serde_json::json!(1_764_666_000.0),
            serde_json::json!("2025-12-02T09:00:00Z"),
            serde_json::json!("2025-12-02T10:00:00.000000+01:00"),
        ] {
            assert_eq!(millis(&written), Some(at), "{written}");
        }
        assert_eq!(millis(&serde_json::json!("yesterday")), None);
        assert_eq!(millis(&serde_json::json!(1e300)), None, "no calendar knows it");
        assert_eq!(iso(at), "2025-12-02T09:00:00Z");
    }

    #[test]
    fn pages_join_to_the_whole_and_foreign_tokens_are_refused() {
        let mut seen = Vec::new();
        let mut token = None;
        for _ in 0..3 {
            let page = page((0..7).collect(), token.as_deref(), 3).expect("our own token");
            seen.extend(page.items);
            token = page.next;
        }
        assert_eq!((seen, token), ((0..7).collect(), None));
        assert!(page(vec![1], Some("elsewhere"), 3).is_none());
    }
}
