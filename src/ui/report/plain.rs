//! Foreign text without what could act on a reader: control characters, marks that turn the direction of writing, characters that
//! nobody sees, and those that a document may not hold.

use crate::ui::text;

/// One harmless line, not yet escaped for any form.
pub(super) fn plain(foreign: &str) -> String {
    text::clean(foreign).chars().filter(|c| !is_unseen(*c)).collect()
}

/// What is not seen and could make a text look like another, and what XML does not take.
fn is_unseen(c: char) -> bool {
    let noncharacter = u32::from(c) & 0xfffe == 0xfffe || matches!(c, '\u{fdd0}'..='\u{fdef}');
    noncharacter
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{2064}' | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_unseen_is_left() {
        let hostile = "a\u{202e}b\u{200b}c\u{1b}[31md\u{feff}e\u{ffff}\u{200f} \u{2028}f\u{e0041}\tg\0";
        assert_eq!(plain(hostile), "abc[31mde f g");
        assert_eq!(plain("任务 jürgen 😀"), "任务 jürgen 😀");
    }
}
