//! `format("%s-%03d", …)`, with Terraform's verbs.

use serde_json::Value;

use super::values::{self, shown};

/// Wider fields are a mistake, or an attack on memory.
const WIDEST: usize = 1000;

/// A verb: `%-08.3f`.
#[derive(Default)]
struct Verb {
    left: bool,
    zeros: bool,
    plus: bool,
    space: bool,
    width: usize,
    precision: Option<usize>,
    letter: char,
}

/// Fills a format string.
pub(super) fn format(pattern: &str, arguments: &[Value]) -> Result<String, String> {
    let mut filled = String::new();
    let mut arguments = arguments.iter();
    let mut rest = pattern;
    while let Some(at) = rest.find('%') {
        filled.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            filled.push('%');
            rest = after;
            continue;
        }
        let (verb, after) = read(rest)?;
        rest = after;
        let argument = arguments.next().ok_or_else(|| format!("no argument is left for `%{}`", verb.letter))?;
        filled.push_str(&verb.fill(argument)?);
    }
    filled.push_str(rest);
    match arguments.count() {
        0 => Ok(filled),
        1 => Err("1 argument is too many".to_owned()),
        n => Err(format!("{n} arguments are too many")),
    }
}

/// Reads what follows a `%`.
fn read(text: &str) -> Result<(Verb, &str), String> {
    let mut verb = Verb::default();
    let mut rest = text;
    loop {
        match rest.chars().next() {
            Some('-') => verb.left = true,
            Some('0') => verb.zeros = true,
            Some('+') => verb.plus = true,
            Some(' ') => verb.space = true,
            _ => break,
        }
        rest = &rest[1..];
    }
    if let Some(width) = digits(&mut rest)? {
        verb.width = width;
    }
    if let Some(after) = rest.strip_prefix('.') {
        rest = after;
        verb.precision = Some(digits(&mut rest)?.unwrap_or(0));
    }
    let letter = rest.chars().next().ok_or("the format ends in the middle of a verb")?;
    verb.letter = letter;
    Ok((verb, &rest[letter.len_utf8()..]))
}

fn digits(rest: &mut &str) -> Result<Option<usize>, String> {
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    if end == 0 {
        return Ok(None);
    }
    let number = rest[..end].parse().ok().filter(|number| *number <= WIDEST);
    *rest = &rest[end..];
    number.map(Some).ok_or_else(|| format!("a field is at most {WIDEST} wide"))
}

impl Verb {
    fn fill(&self, value: &Value) -> Result<String, String> {
        let wants = |what: &str| format!("`%{}` wants {what}, not {}", self.letter, shown(value));
        let number = || values::numeric(value).ok_or_else(|| wants("a number"));
        let whole = || number().and_then(|n| values::as_integer(&n).ok_or_else(|| wants("a whole number")));
        let bare = match self.letter {
            'v' if value.is_null() => "null".to_owned(),
            'v' => values::text(value).unwrap_or_else(|| value.to_string()),
            's' => self.cut(values::text(value).ok_or_else(|| wants("a string"))?),
            'q' => Value::String(self.cut(values::text(value).ok_or_else(|| wants("a string"))?)).to_string(),
            't' => values::boolean(value).ok_or_else(|| wants("true or false"))?.to_string(),
            'd' => self.signed(whole()?.to_string()),
            'x' => self.signed(in_base(whole()?, |n| format!("{n:x}"))),
            'X' => self.signed(in_base(whole()?, |n| format!("{n:X}"))),
            'o' => self.signed(in_base(whole()?, |n| format!("{n:o}"))),
            'b' => self.signed(in_base(whole()?, |n| format!("{n:b}"))),
            'f' => {
                let float = number()?.as_f64().ok_or_else(|| wants("a number"))?;
                self.signed(format!("{float:.*}", self.precision.unwrap_or(6)))
            }
            'g' => self.signed(values::text(&Value::Number(number()?)).unwrap_or_default()),
            other => return Err(format!("`%{other}` is not a verb: %s, %d, %f, %q, %t, %v, %x")),
        };
        Ok(self.padded(bare))
    }

    fn cut(&self, text: String) -> String {
        self.precision.map_or(text.clone(), |most| text.chars().take(most).collect())
    }

    fn signed(&self, digits: String) -> String {
        match (digits.starts_with('-'), self.plus, self.space) {
            (false, true, _) => format!("+{digits}"),
            (false, false, true) => format!(" {digits}"),
            _ => digits,
        }
    }

    fn padded(&self, bare: String) -> String {
        let missing = self.width.saturating_sub(bare.chars().count());
        let sign = bare.starts_with(['-', '+']) && !matches!(self.letter, 's' | 'v' | 'q');
        match (self.left, self.zeros) {
            (true, _) => bare + &" ".repeat(missing),
            (false, true) if sign => format!("{}{}{}", &bare[..1], "0".repeat(missing), &bare[1..]),
            (false, true) => "0".repeat(missing) + &bare,
            (false, false) => " ".repeat(missing) + &bare,
        }
    }
}

fn in_base(whole: i128, digits: fn(u128) -> String) -> String {
    let magnitude = digits(whole.unsigned_abs());
    if whole < 0 { format!("-{magnitude}") } else { magnitude }
}
