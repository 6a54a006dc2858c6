//! One walk from an XML answer to JSON.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;
use serde_json::{Map, Value};

use super::names::{Dialect, Leaf, is_list, leaf};

/// How deep answers nest; deeper is nothing of AWS's.
const MOST_DEPTH: usize = 32;

/// An element with what is in it.
#[derive(Debug, Default)]
struct Element {
    name: String,
    text: String,
    inner: Vec<Element>,
}

/// The members of an answer.
///
/// # Errors
/// Why it cannot be read, in words that quote nothing of it.
pub(super) fn json(text: &str, dialect: &Dialect) -> Result<Value, String> {
    let root = parse(text)?;
    let answer = if dialect.wrapped {
        let result = root.inner.iter().find(|element| element.name.ends_with("Result"));
        result.ok_or("there is no result in it")?
    } else {
        &root
    };
    Ok(Value::Object(members(answer, "", dialect)))
}

fn members(element: &Element, parent: &str, dialect: &Dialect) -> Map<String, Value> {
    // Part of the envelope, not of the answer.
    let own = element.inner.iter().filter(|inner| inner.name != "requestId");
    own.map(|inner| {
        let name = dialect.name(parent, &inner.name);
        let value = value(inner, parent, &name, dialect);
        (name, value)
    })
    .collect()
}

/// `parent` is the member that holds the structure in which this one is called `name`.
fn value(element: &Element, parent: &str, name: &str, dialect: &Dialect) -> Value {
    if element.inner.is_empty() {
        if is_list(name) && element.text.trim().is_empty() {
            return Value::Array(Vec::new());
        }
        return of_text(&element.text, leaf(parent, name));
    }
    if element.inner.iter().all(|inner| inner.name == dialect.item) {
        let item = |inner: &Element| match inner.inner.is_empty() {
            true if inner.text.is_empty() && is_list(name) => Value::Object(Map::new()),
            true => Value::String(inner.text.clone()),
            false => Value::Object(members(inner, name, dialect)),
        };
        return Value::Array(element.inner.iter().map(item).collect());
    }
    Value::Object(members(element, name, dialect))
}

fn of_text(text: &str, kind: Leaf) -> Value {
    let read = match kind {
        Leaf::Text => None,
        Leaf::Number => text.trim().parse::<i64>().ok().map(Value::from),
        Leaf::Flag => text.trim().parse::<bool>().ok().map(Value::from),
    };
    read.unwrap_or_else(|| Value::String(text.to_owned()))
}

fn parse(text: &str) -> Result<Element, String> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = vec![Element::default()];
    loop {
        let event = reader.read_event().map_err(|_| "it is not well-formed XML".to_owned())?;
        match event {
            Event::Start(start) => {
                if open.len() > MOST_DEPTH {
                    return Err("it nests deeper than any answer of AWS's".to_owned());
                }
                open.push(Element { name: start.local_name().as_ref().to_owned(), ..Element::default() });
            }
            Event::Empty(start) => {
                let element = Element { name: start.local_name().as_ref().to_owned(), ..Element::default() };
                if let Some(around) = open.last_mut() {
                    around.inner.push(element);
                }
            }
            Event::End(_) => close(&mut open)?,
            Event::Text(part) => add(&mut open, &part.xml10_content()),
            Event::CData(part) => add(&mut open, &part.xml10_content()),
            Event::GeneralRef(reference) => {
                let resolved = match reference.resolve_char_ref() {
                    Ok(Some(character)) => character.to_string(),
                    _ => resolve_predefined_entity(&reference).unwrap_or_default().to_owned(),
                };
                add(&mut open, &resolved);
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    let mut document = open.pop().filter(|_| open.is_empty()).ok_or("it breaks off")?;
    document.inner.pop().ok_or_else(|| "it is empty".to_owned())
}

fn close(open: &mut Vec<Element>) -> Result<(), String> {
    let closed = open.pop().ok_or("it closes more than it opens")?;
    open.last_mut().ok_or("it closes more than it opens")?.inner.push(closed);
    Ok(())
}

fn add(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(operation: &str, text: &str) -> Value {
        json(text, &Dialect::of(operation)).expect("well-formed")
    }

    #[test]
    fn query_answers_have_the_cli_s_shape() {
        let text = "<DescribeTargetGroupsResponse xmlns=\"urn:x\"><DescribeTargetGroupsResult><TargetGroups><member>\
            <TargetGroupArn>arn:1</TargetGroupArn><Port>80</Port><HealthCheckPort>8080</HealthCheckPort>\
            <HealthCheckEnabled>true</HealthCheckEnabled><Matcher><HttpCode>200</HttpCode></Matcher>\
            <LoadBalancerArns><member>arn:2</member></LoadBalancerArns><Future><New>1</New></Future></member><member>\
            <TargetGroupArn>arn:3</TargetGroupArn><LoadBalancerArns/></member></TargetGroups><NextMarker>n</NextMarker>\
            </DescribeTargetGroupsResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></DescribeTargetGroupsResponse>";
        assert_eq!(
            read("DescribeTargetGroups", text),
            json!({ "NextMarker": "n", "TargetGroups": [
                { "TargetGroupArn": "arn:1", "Port": 80, "HealthCheckPort": "8080", "HealthCheckEnabled": true,
                  "Matcher": { "HttpCode": "200" }, "LoadBalancerArns": ["arn:2"], "Future": { "New": "1" } },
                { "TargetGroupArn": "arn:3", "LoadBalancerArns": [] } ] })
        );
    }

    #[test]
    fn what_looks_like_a_number_or_a_flag_is_one_only_where_the_table_says_so() {
        let text = "<R><DescribeRulesResult><Rules><member><Priority>90</Priority><IsDefault>false</IsDefault><Actions><member>\
            <RedirectConfig><Port>443</Port></RedirectConfig><Order>1</Order></member></Actions><Conditions></Conditions></member>\
            </Rules></DescribeRulesResult></R>";
        assert_eq!(
            read("DescribeRules", text),
            json!({ "Rules": [{ "Priority": "90", "IsDefault": false, "Conditions": [],
                "Actions": [{ "RedirectConfig": { "Port": "443" }, "Order": 1 }] }] })
        );
    }

    #[test]
    fn ec2_members_get_the_cli_s_names() {
        let text = "<?xml version=\"1.0\"?>\n<DescribeSecurityGroupsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\n\
            <requestId>r</requestId><securityGroupInfo>\n<item><groupId>sg-1</groupId><groupDescription>a &lt; b &#38; c</groupDescription>\
            <ipPermissions><item><fromPort>80</fromPort><groups><item><groupId>sg-2</groupId><description>ALB</description></item></groups>\
            <ipRanges/><prefixListIds></prefixListIds></item></ipPermissions><ipPermissionsEgress/>\
            <tagSet><item><key>Open</key><value>true</value></item></tagSet></item>\n</securityGroupInfo></DescribeSecurityGroupsResponse>";
        assert_eq!(
            read("DescribeSecurityGroups", text),
            json!({ "SecurityGroups": [{ "GroupId": "sg-1", "Description": "a < b & c", "IpPermissionsEgress": [],
                "IpPermissions": [{ "FromPort": 80, "IpRanges": [], "PrefixListIds": [],
                    "UserIdGroupPairs": [{ "GroupId": "sg-2", "Description": "ALB" }] }],
                "Tags": [{ "Key": "Open", "Value": "true" }] }] })
        );
        let text = "<DescribeVpcAttributeResponse><vpcId>vpc-1</vpcId><enableDnsSupport><value>true</value></enableDnsSupport>\
            </DescribeVpcAttributeResponse>";
        assert_eq!(read("DescribeVpcAttribute", text), json!({ "VpcId": "vpc-1", "EnableDnsSupport": { "Value": true } }));
    }

    #[test]
    fn what_is_no_answer_is_refused_without_quoting_it() {
        let why = |text: &str| json(text, &Dialect::of("DescribeRules")).expect_err("no answer");
        assert_eq!(why("<a><b>"), "it breaks off");
        assert_eq!(why(""), "it is empty");
        assert_eq!(why("<html>busy</html>"), "there is no result in it");
        assert_eq!(why("<a></b>"), "it is not well-formed XML");
        assert_eq!(why(&"<a>".repeat(50)), "it nests deeper than any answer of AWS's");
    }
}
