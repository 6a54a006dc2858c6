//! Form bodies: `TargetGroupArns.member.1=…`, `Filter.1.Value.2=…` to nested JSON.

use std::collections::BTreeMap;

use serde_json::Value;

/// The fields in the order sent.
pub(super) fn form(body: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(body).into_owned().collect()
}

/// Nested members while they are collected.
#[derive(Default)]
struct Node {
    text: Option<String>,
    members: BTreeMap<String, Node>,
}

/// How deep names may nest; deeper is nothing that AWS knows.
const MAX_DEPTH: usize = 12;

/// The input object: `Action` and `Version` taken off, lists found by their numbers, every leaf a text.
pub(super) fn input(form: Vec<(String, String)>) -> Value {
    let mut root = Node::default();
    for (key, value) in form {
        if key == "Action" || key == "Version" || key.split('.').count() > MAX_DEPTH {
            continue;
        }
        let leaf = key.split('.').fold(&mut root, |node, part| node.members.entry(part.to_owned()).or_default());
        leaf.text = Some(value);
    }
    let object = root.members.into_iter().map(|(name, node)| (name, finish(node))).collect();
    Value::Object(object)
}

fn finish(mut node: Node) -> Value {
    if node.members.is_empty() {
        return Value::String(node.text.unwrap_or_default());
    }
    if node.members.len() == 1
        && let Some(member) = node.members.remove("member")
    {
        return finish(member);
    }
    let numbered = node.members.keys().all(|key| key.parse::<u32>().is_ok());
    if numbered {
        let mut items: Vec<(u32, Node)> = node.members.into_iter().map(|(key, item)| (key.parse().unwrap_or(0), item)).collect();
        items.sort_by_key(|(index, _)| *index);
        return Value::Array(items.into_iter().map(|(_, item)| finish(item)).collect());
    }
    Value::Object(node.members.into_iter().map(|(name, node)| (name, finish(node))).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_structures_and_plain_members_are_told_apart() {
        let body = b"Action=DescribeTargetHealth&Version=2015-12-01&TargetGroupArn=arn%3Aaws&Targets.member.2.Id=10.0.0.2\
                     &Targets.member.1.Id=10.0.0.1&Targets.member.1.Port=80&Filter.1.Name=vpc-id&Filter.1.Value.1=vpc-1";
        let expected = json!({
            "TargetGroupArn": "arn:aws",
            "Targets": [{"Id": "10.0.0.1", "Port": "80"}, {"Id": "10.0.0.2"}],
            "Filter": [{"Name": "vpc-id", "Value": ["vpc-1"]}],
        });
        assert_eq!(input(form(body)), expected);
    }

    #[test]
    fn the_tenth_item_comes_after_the_second() {
        let body: String = (1..=11).map(|n| format!("&GroupId.{n}=sg-{n}")).collect();
        let last = input(form(body.as_bytes()))["GroupId"][10].clone();
        assert_eq!(last, json!("sg-11"));
    }
}
