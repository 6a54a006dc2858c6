//! Answers of the XML protocols as JSON values, without AWS's types: whoever reads one knows what it is.

use std::collections::BTreeSet;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde_json::{Map, Value};

/// Deeper than any answer of AWS.
const DEEPEST: usize = 64;
/// More elements than any answer of AWS has; each takes some hundred bytes here.
const MOST_ELEMENTS: usize = 200_000;

/// The root element's content. An element that holds only `item`s or `member`s is an array, one that holds other elements an object
/// (an array where a name repeats), any other one its text; attributes and namespaces are left out.
///
/// # Errors
/// Why the text is no XML document, in words.
pub(super) fn tree(text: &str) -> Result<Value, String> {
    let mut reader = Reader::from_str(text);
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(_) => return element(&mut reader, 0, &mut 0),
            Event::Empty(_) => return Ok(Value::String(String::new())),
            Event::Eof => return Err("there is no element in it".to_owned()),
            _ => {}
        }
    }
}

fn element(reader: &mut Reader<&[u8]>, depth: usize, seen: &mut usize) -> Result<Value, String> {
    if depth > DEEPEST {
        return Err("its elements stand too deep in one another".to_owned());
    }
    let (mut text, mut children): (String, Vec<(String, Value)>) = (String::new(), Vec::new());
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        *seen += usize::from(matches!(event, Event::Start(_) | Event::Empty(_)));
        if *seen > MOST_ELEMENTS {
            return Err(format!("it has more than {MOST_ELEMENTS} elements"));
        }
        match event {
            Event::Start(start) => {
                let name = local(&start);
                children.push((name, element(reader, depth + 1, seen)?));
            }
            Event::Empty(start) => children.push((local(&start), Value::String(String::new()))),
            Event::Text(part) => text.push_str(&part),
            Event::CData(part) => text.push_str(&part),
            Event::GeneralRef(name) => text.push(entity(&name)?),
            Event::End(_) => return Ok(content(text, children)),
            Event::Eof => return Err("it ends within an element".to_owned()),
            _ => {}
        }
    }
}

fn local(start: &BytesStart<'_>) -> String {
    start.local_name().as_ref().to_owned()
}

fn entity(name: &quick_xml::events::BytesRef<'_>) -> Result<char, String> {
    if let Ok(Some(letter)) = name.resolve_char_ref() {
        return Ok(letter);
    }
    let known = quick_xml::escape::resolve_predefined_entity(name).and_then(|text| text.chars().next());
    known.ok_or_else(|| format!("it has the unknown entity &{};", &**name))
}

fn content(text: String, children: Vec<(String, Value)>) -> Value {
    if children.is_empty() {
        return Value::String(text);
    }
    if children.iter().all(|(name, _)| name == "item" || name == "member") {
        return Value::Array(children.into_iter().map(|(_, value)| value).collect());
    }
    let mut members: Map<String, Value> = Map::new();
    let mut repeated: BTreeSet<String> = BTreeSet::new();
    for (name, value) in children {
        match members.get_mut(&name) {
            None => {
                members.insert(name, value);
            }
            Some(Value::Array(values)) if repeated.contains(&name) => values.push(value),
            Some(first) => {
                *first = Value::Array(vec![first.take(), value]);
                repeated.insert(name);
            }
        }
    }
    Value::Object(members)
}

/// The items of a list; none where it is empty or absent.
pub(super) fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A member's text.
pub(super) fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn elements_become_objects_lists_and_texts() {
        let text = r#"<?xml version="1.0"?><R xmlns="http://example.com/"><requestId>r&amp;&#65;</requestId>
            <groups><item><id>a</id></item><item><id>b</id></item></groups><none/><ns:VPCs><VPC><Id>1</Id></VPC><VPC><Id>2</Id></VPC></ns:VPCs></R>"#;
        let expected = json!({ "requestId": "r&A", "groups": [{ "id": "a" }, { "id": "b" }], "none": "",
            "VPCs": { "VPC": [{ "Id": "1" }, { "Id": "2" }] } });
        assert_eq!(tree(text), Ok(expected));
    }

    #[test]
    fn an_answer_of_many_elements_is_read_in_its_length_and_one_of_too_many_is_not() {
        // Each name three times: no list of names is walked for each.
        let names: String = (0..MOST_ELEMENTS / 3).map(|n| format!("<n{n}/>")).collect();
        let many = tree(&format!("<R>{}</R>", names.repeat(3))).expect("read");
        assert_eq!((many["n0"].as_array().map(Vec::len), many["n66665"].as_array().map(Vec::len)), (Some(3), Some(3)));
        assert_eq!(
            tree(&format!("<R>{}</R>", "<a/>".repeat(MOST_ELEMENTS + 1))),
            Err("it has more than 200000 elements".to_owned())
        );
    }

    #[test]
    fn what_is_no_document_is_an_error_in_words() {
        for text in ["", "no", "<a><b></a>", "<a>&nope;</a>", "<a>", &"<a>".repeat(1000)] {
            assert!(tree(text).is_err(), "{text:.20}");
        }
    }
}
