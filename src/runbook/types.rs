//! Types of variables, as Terraform writes and converts them.

use std::collections::BTreeMap;

use hcl::edit::Span as _;
use hcl::edit::expr::{Expression, FuncCall, Object, ObjectKey};
use serde_json::{Map, Value};

use super::names::hint_among;
use super::values;

/// What `type = …` says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Type {
    Any,
    String,
    Number,
    Bool,
    List(Box<Type>),
    Set(Box<Type>),
    Map(Box<Type>),
    Tuple(Vec<Type>),
    Object(BTreeMap<String, Member>),
}

/// A member of an object type.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Member {
    wanted: Type,
    /// `optional(T)`: absent is null; `optional(T, D)`: absent is D.
    optional: bool,
    default: Value,
}

/// Why a type expression is none.
pub(super) struct BadType {
    pub(super) message: String,
    pub(super) range: Option<std::ops::Range<usize>>,
    pub(super) hint: Option<String>,
}

/// Why a value does not fit.
#[derive(Debug, PartialEq)]
pub(super) struct Mismatch {
    /// JSON pointer to the part that does not fit.
    pub(super) pointer: String,
    pub(super) message: String,
}

const NAMES: &[&str] = &["string", "number", "bool", "list", "set", "map", "object", "tuple", "any"];

/// The constant that an expression is, for `optional(T, DEFAULT)`.
pub(super) type Constant<'a> = &'a mut dyn FnMut(&Expression) -> Option<Value>;

impl Type {
    /// Reads `string`, `list(string)`, `object({ a = number, b = optional(bool, true) })`.
    pub(super) fn read(expr: &Expression, constant: Constant<'_>) -> Result<Self, BadType> {
        match expr {
            Expression::Variable(name) => Self::simple(name.as_str()).ok_or_else(|| unknown(name.as_str(), expr)),
            Expression::Parenthesis(inner) => Self::read(inner.inner(), constant),
            Expression::FuncCall(call) => Self::compound(call, constant),
            Expression::String(text) if NAMES.contains(&text.as_str()) => Err(BadType {
                message: "a type is written without quotes".to_owned(),
                range: expr.span(),
                hint: Some(format!("write type = {}", text.as_str())),
            }),
            _ => Err(unknown("", expr)),
        }
    }

    fn simple(name: &str) -> Option<Self> {
        let any = || Box::new(Self::Any);
        Some(match name {
            "string" => Self::String,
            "number" => Self::Number,
            "bool" => Self::Bool,
            "any" => Self::Any,
            // Without an element type: Terraform's shorthand for list(any) and the like.
            "list" => Self::List(any()),
            "set" => Self::Set(any()),
            "map" => Self::Map(any()),
            _ => return None,
        })
    }

    fn compound(call: &FuncCall, constant: Constant<'_>) -> Result<Self, BadType> {
        let name = call.name.name.as_str();
        let wrong = |message: String, hint: &str| BadType { message, range: call.span(), hint: Some(hint.to_owned()) };
        let argument = match (call.args.iter().next(), call.args.len()) {
            (Some(argument), 1) => argument,
            _ if NAMES.contains(&name) => {
                return Err(wrong(format!("`{name}` takes one type"), "for example list(string)"));
            }
            _ => return Err(unknown(name, &Expression::from(call.clone()))),
        };
        match name {
            "list" => Ok(Self::List(Box::new(Self::read(argument, constant)?))),
            "set" => Ok(Self::Set(Box::new(Self::read(argument, constant)?))),
            "map" => Ok(Self::Map(Box::new(Self::read(argument, constant)?))),
            "object" => match argument {
                Expression::Object(members) => Self::object(members, constant),
                _ => Err(wrong("`object` takes its members in braces".to_owned(), "for example object({ name = string })")),
            },
            "tuple" => match argument {
                Expression::Array(items) => {
                    let mut types = Vec::new();
                    for item in items {
                        types.push(Self::read(item, &mut *constant)?);
                    }
                    Ok(Self::Tuple(types))
                }
                _ => Err(wrong("`tuple` takes its types in brackets".to_owned(), "for example tuple([string, number])")),
            },
            _ => Err(BadType { range: call.name.name.span(), ..unknown(name, argument) }),
        }
    }

    fn object(members: &Object, constant: Constant<'_>) -> Result<Self, BadType> {
        let mut types = BTreeMap::new();
        for (key, value) in members {
            let name = match key {
                ObjectKey::Ident(name) => name.as_str().to_owned(),
                ObjectKey::Expression(Expression::String(name)) => name.as_str().to_owned(),
                ObjectKey::Expression(Expression::Variable(name)) => name.as_str().to_owned(),
                ObjectKey::Expression(other) => return Err(unknown("", other)),
            };
            types.insert(name, Self::member(value.expr(), &mut *constant)?);
        }
        Ok(Self::Object(types))
    }

    fn member(expr: &Expression, constant: Constant<'_>) -> Result<Member, BadType> {
        let Expression::FuncCall(call) = expr else {
            return Ok(Member { wanted: Self::read(expr, constant)?, optional: false, default: Value::Null });
        };
        let mut arguments = call.args.iter();
        match (call.name.name.as_str(), arguments.next(), arguments.next(), arguments.next()) {
            ("optional", Some(wanted), default, None) => {
                let wanted = Self::read(wanted, &mut *constant)?;
                let default = match default {
                    None => Value::Null,
                    Some(default) => {
                        let bad = |message| BadType { message, range: default.span(), hint: None };
                        let value = constant(default).ok_or_else(|| bad("this default is not a constant".to_owned()))?;
                        wanted.convert(&value).map_err(|why| bad(format!("this default does not fit: {}", why.message)))?
                    }
                };
                Ok(Member { wanted, optional: true, default })
            }
            _ => Ok(Member { wanted: Self::read(expr, constant)?, optional: false, default: Value::Null }),
        }
    }

    /// Whether `--var` and environment variables give such a value as bare text.
    pub(super) fn is_primitive(&self) -> bool {
        matches!(self, Self::String | Self::Number | Self::Bool)
    }

    /// The value as this type; null fits every type.
    pub(super) fn convert(&self, value: &Value) -> Result<Value, Mismatch> {
        self.convert_at(value, "")
    }

    fn convert_at(&self, value: &Value, pointer: &str) -> Result<Value, Mismatch> {
        let wrong =
            || Mismatch { pointer: pointer.to_owned(), message: format!("wants {}, not {}", self.called(), values::shown(value)) };
        if value.is_null() {
            return Ok(Value::Null);
        }
        match self {
            Self::Any => Ok(value.clone()),
            Self::String => values::text(value).map(Value::String).ok_or_else(wrong),
            Self::Number => values::numeric(value).map(Value::Number).ok_or_else(wrong),
            Self::Bool => values::boolean(value).map(Value::Bool).ok_or_else(wrong),
            Self::List(element) => {
                let items = value.as_array().ok_or_else(wrong)?;
                each(items, pointer, |_| Some(element)).map(Value::Array)
            }
            Self::Set(element) => {
                let items = value.as_array().ok_or_else(wrong)?;
                let members = each(items, pointer, |_| Some(element))?;
                // Sorted and without repetitions; the text of a converted value tells it apart.
                let members: BTreeMap<String, Value> = members.into_iter().map(|item| (item.to_string(), item)).collect();
                Ok(Value::Array(members.into_values().collect()))
            }
            Self::Tuple(types) => {
                let items = value.as_array().filter(|items| items.len() == types.len()).ok_or_else(wrong)?;
                each(items, pointer, |at| types.get(at)).map(Value::Array)
            }
            Self::Map(element) => {
                let mut members = Map::new();
                for (key, member) in value.as_object().ok_or_else(wrong)? {
                    members.insert(key.clone(), element.convert_at(member, &format!("{pointer}/{}", escape(key)))?);
                }
                Ok(Value::Object(members))
            }
            Self::Object(types) => convert_object(types, value.as_object().ok_or_else(wrong)?, pointer),
        }
    }

    /// The type in words: `a list of strings`.
    pub(super) fn called(&self) -> String {
        match self {
            Self::Any => "any value".to_owned(),
            Self::String => "a string".to_owned(),
            Self::Number => "a number".to_owned(),
            Self::Bool => "true or false".to_owned(),
            Self::List(element) => format!("a list{}", element.of_many()),
            Self::Set(element) => format!("a set{}", element.of_many()),
            Self::Map(element) => format!("a map{}", element.of_many()),
            Self::Tuple(types) => format!("a list of exactly {}", types.len()),
            Self::Object(_) => "an object".to_owned(),
        }
    }

    fn of_many(&self) -> &'static str {
        match self {
            Self::Any => "",
            Self::String => " of strings",
            Self::Number => " of numbers",
            Self::Bool => " of bools",
            Self::List(_) | Self::Set(_) | Self::Tuple(_) => " of lists",
            Self::Map(_) => " of maps",
            Self::Object(_) => " of objects",
        }
    }

    /// A value of this type, as one would write it.
    pub(super) fn example(&self) -> String {
        match self {
            Self::Any | Self::String => "\"…\"".to_owned(),
            Self::Number => "1".to_owned(),
            Self::Bool => "true".to_owned(),
            Self::List(element) | Self::Set(element) => format!("[{}]", element.example()),
            Self::Map(element) => format!("{{ name = {} }}", element.example()),
            Self::Tuple(types) => format!("[{}]", types.iter().map(Self::example).collect::<Vec<_>>().join(", ")),
            Self::Object(members) => {
                let members = members.iter().filter(|(_, member)| !member.optional);
                let members: Vec<_> = members.map(|(name, member)| format!("{name} = {}", member.wanted.example())).collect();
                format!("{{ {} }}", members.join(", "))
            }
        }
    }
}

fn each<'a>(items: &[Value], pointer: &str, wanted: impl Fn(usize) -> Option<&'a Type>) -> Result<Vec<Value>, Mismatch> {
    let convert = |(at, item)| wanted(at).unwrap_or(&Type::Any).convert_at(item, &format!("{pointer}/{at}"));
    items.iter().enumerate().map(convert).collect()
}

fn convert_object(types: &BTreeMap<String, Member>, given: &Map<String, Value>, pointer: &str) -> Result<Value, Mismatch> {
    let mut members = Map::new();
    for (name, member) in types {
        let value = match given.get(name) {
            Some(Value::Null) | None if member.optional => member.default.clone(),
            Some(value) => member.wanted.convert_at(value, &format!("{pointer}/{}", escape(name)))?,
            None => {
                let message = format!("wants a member `{name}`: {}", member.wanted.called());
                return Err(Mismatch { pointer: pointer.to_owned(), message });
            }
        };
        members.insert(name.clone(), value);
    }
    // Members that the type does not have are dropped, as Terraform does.
    Ok(Value::Object(members))
}

/// A name as a segment of a JSON pointer.
pub(super) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn unknown(name: &str, expr: &Expression) -> BadType {
    let message = if name.is_empty() { "this is not a type".to_owned() } else { format!("`{name}` is not a type") };
    BadType { message, range: expr.span(), hint: hint_among(name, "types", NAMES.iter().copied()) }
}
