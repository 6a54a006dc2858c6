//! XML answers of the query protocols.

use quick_xml::Writer;
use quick_xml::escape::partial_escape;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use serde_json::Value;

use super::ec2;
use crate::sim::ApiError;

/// How members become elements.
#[derive(Clone, Copy)]
enum Style {
    /// The member's own name; list items are `<member>`.
    Query,
    /// EC2's names; list items are `<item>`.
    Ec2,
    /// The member's own name; list items bear the list's name without its plural.
    Rest,
}

/// `<OpResponse><OpResult>…</OpResult><ResponseMetadata>…`
pub(super) fn query(operation: &str, namespace: &str, output: &Value, request_id: &str) -> String {
    let mut page = Page::new();
    page.open_in(&format!("{operation}Response"), namespace);
    let result = format!("{operation}Result");
    page.open(&result);
    page.members(Style::Query, operation, output);
    page.close(&result);
    page.open("ResponseMetadata");
    page.leaf("RequestId", request_id);
    page.close("ResponseMetadata");
    page.close(&format!("{operation}Response"));
    page.done()
}

/// `<OpResponse>…`
pub(super) fn rest(operation: &str, namespace: &str, output: &Value) -> String {
    let mut page = Page::new();
    page.open_in(&format!("{operation}Response"), namespace);
    page.members(Style::Rest, operation, output);
    page.close(&format!("{operation}Response"));
    page.done()
}

/// `<OpResponse><requestId>…</requestId>…`
pub(super) fn ec2(operation: &str, output: &Value, request_id: &str) -> String {
    let mut page = Page::new();
    page.open_in(&format!("{operation}Response"), "http://ec2.amazonaws.com/doc/2016-11-15/");
    page.leaf("requestId", request_id);
    page.members(Style::Ec2, operation, output);
    page.close(&format!("{operation}Response"));
    page.done()
}

/// `<ErrorResponse><Error>…`
pub(super) fn query_error(error: &ApiError, namespace: &str, request_id: &str) -> String {
    let mut page = Page::new();
    page.open_in("ErrorResponse", namespace);
    page.open("Error");
    page.leaf("Type", if error.status >= 500 { "Receiver" } else { "Sender" });
    page.leaf("Code", &error.code);
    page.leaf("Message", &error.message);
    page.close("Error");
    page.leaf("RequestId", request_id);
    page.close("ErrorResponse");
    page.done()
}

/// `<Response><Errors><Error>…`
pub(super) fn ec2_error(error: &ApiError, request_id: &str) -> String {
    let mut page = Page::new();
    page.open("Response");
    page.open("Errors");
    page.open("Error");
    page.leaf("Code", &error.code);
    page.leaf("Message", &error.message);
    page.close("Error");
    page.close("Errors");
    page.leaf("RequestID", request_id);
    page.close("Response");
    page.done()
}

/// An XML document being written. Writing to memory cannot fail, so results are dropped.
struct Page(Writer<Vec<u8>>);

impl Page {
    fn new() -> Self {
        let mut page = Self(Writer::new(Vec::new()));
        page.event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
        page
    }

    fn event(&mut self, event: Event<'_>) {
        let _ = self.0.write_event(event);
    }

    fn open(&mut self, name: &str) {
        self.event(Event::Start(BytesStart::new(name)));
    }

    fn open_in(&mut self, name: &str, namespace: &str) {
        self.event(Event::Start(BytesStart::new(name).with_attributes([("xmlns", namespace)])));
    }

    fn close(&mut self, name: &str) {
        self.event(Event::End(BytesEnd::new(name)));
    }

    fn leaf(&mut self, name: &str, text: &str) {
        self.open(name);
        self.event(Event::Text(BytesText::from_escaped(partial_escape(text))));
        self.close(name);
    }

    /// The members of an object; `parent` is the member that holds it.
    fn members(&mut self, style: Style, parent: &str, value: &Value) {
        for (name, member) in value.as_object().into_iter().flatten() {
            let element = match style {
                Style::Query | Style::Rest => name.clone(),
                Style::Ec2 => ec2::element(parent, name),
            };
            self.element(style, &element, name, member);
        }
    }

    fn element(&mut self, style: Style, element: &str, member: &str, value: &Value) {
        match value {
            Value::Null => {}
            Value::Bool(flag) => self.leaf(element, if *flag { "true" } else { "false" }),
            Value::Number(number) => self.leaf(element, &number.to_string()),
            Value::String(text) => self.leaf(element, text),
            Value::Array(items) => {
                self.open(element);
                let item = match style {
                    Style::Query => "member",
                    Style::Ec2 => "item",
                    Style::Rest => element.strip_suffix('s').unwrap_or(element),
                };
                items.iter().for_each(|value| self.element(style, item, member, value));
                self.close(element);
            }
            Value::Object(_) => {
                self.open(element);
                self.members(style, member, value);
                self.close(element);
            }
        }
    }

    fn done(self) -> String {
        String::from_utf8(self.0.into_inner()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ec2_members_take_their_wire_names() {
        let output = json!({"SecurityGroups": [{
            "GroupId": "sg-1", "Description": "a < b",
            "IpPermissions": [{"FromPort": 80, "UserIdGroupPairs": [{"GroupId": "sg-2", "Description": "from the ALB"}]}],
        }]});
        let page = ec2("DescribeSecurityGroups", &output, "r-1");
        for part in [
            "<securityGroupInfo><item>",
            "<groupDescription>a &lt; b</groupDescription>",
            "<ipPermissions><item><fromPort>80</fromPort><groups><item><description>from the ALB</description>",
            "<requestId>r-1</requestId>",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
    }

    #[test]
    fn query_lists_are_members() {
        let page =
            query("DescribeTargetGroups", "urn:x", &json!({"TargetGroups": [{"Port": 80, "LoadBalancerArns": ["a"]}]}), "r-2");
        assert!(page.contains("<DescribeTargetGroupsResult><TargetGroups><member><LoadBalancerArns><member>a</member>"), "{page}");
    }
}
