//! What names of AWS look like, and which characters of a text no terminal should get.

/// Whether a text could be the name of an AWS Region: `us-west-2`, `us-gov-east-1`, `eusc-de-east-1`. There are new ones each year:
/// the form is all that is looked at (letters, between hyphens, and a number of one or two digits at the end).
pub fn is_region_name(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let Some((number, words)) = parts.split_last() else { return false };
    let word = |word: &&str| (2..=16).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase());
    let counts = (1..=2).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
    (2..=4).contains(&words.len()) && words.iter().all(word) && counts
}

/// Whether a text could be the number of an AWS account: twelve digits.
pub fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a character steers a terminal: control characters, and the marks that turn the direction of writing.
pub fn is_steering(c: char) -> bool {
    c.is_control() || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text of the operator's own files on one line, in which what would steer a terminal is spelled: `\u{1b}`.
pub fn spelled(text: &str) -> String {
    let spell = |c: char| if is_steering(c) { c.escape_unicode().to_string() } else { c.to_string() };
    text.chars().map(spell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_have_a_form() {
        for name in
            ["us-west-2", "us-gov-east-1", "us-iso-east-1", "eu-isoe-west-1", "eusc-de-east-1", "cn-north-1", "ap-southeast-12"]
        {
            assert!(is_region_name(name), "{name}");
        }
        for text in [
            "",
            "mars",
            "us-west",
            "us west 2",
            "us-west-2a",
            "US-WEST-2",
            "us-west-0",
            "us-west-222",
            "-west-2",
            "us--2",
            "us-west-2-",
        ] {
            assert!(!is_region_name(text), "{text}");
        }
    }

    #[test]
    fn what_steers_is_spelled() {
        assert_eq!(spelled("a\u{1b}[2Jb\u{202e}c\td\u{200f}é任"), r"a\u{1b}[2Jb\u{202e}c\u{9}d\u{200f}é任");
    }
}
