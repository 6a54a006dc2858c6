//! A question with a few answers, as text: shown whole, answered by a line. No cursor moves, so it is the same in a log, for a screen
//! reader and on a terminal that was resized, and it can be left standing when the answer comes from elsewhere.

use crate::ui::style::{Style, Tone};
use crate::ui::text;

/// A question with its answers. The last one is the cautious one: an empty line, a closed terminal and the end of the input mean it.
#[derive(Clone, Debug, PartialEq)]
pub struct Menu<T> {
    /// What is to be known before answering.
    pub above: String,
    /// The question, in a few words.
    pub question: String,
    /// The answers, each with the words for it.
    pub answers: Vec<(T, String)>,
    /// The command that answers it from another terminal.
    pub elsewhere: Option<String>,
}

/// What a typed line means.
#[derive(Clone, Debug, PartialEq)]
pub enum Picked<T> {
    /// This answer, in these words.
    Answer(T, String),
    /// None of them; what to say.
    Unclear(String),
}

impl<T: Clone> Menu<T> {
    /// What is printed before a line is read.
    pub fn render(&self, style: &Style) -> String {
        let mut lines = vec![String::new()];
        if !self.above.is_empty() {
            lines.push(self.above.clone());
        }
        lines.push(style.paint(Tone::Strong, &text::clean(&self.question)));
        let widest = self.answers.len().to_string().len();
        for (number, (_, words)) in self.answers.iter().enumerate() {
            let first = format!("  {:>widest$}  ", number + 1);
            lines.push(text::wrap(&text::clean(words), style.width, &first, 4 + widest));
        }
        if let Some(command) = &self.elsewhere {
            lines.push(text::wrap(&format!("from another terminal: `{command}`"), style.width, "  ", 4));
        }
        let n = self.answers.len();
        let how = format!("Type a number and Enter; Enter alone is {n}.");
        lines.push(style.paint(Tone::Faint, &how));
        lines.join("\n")
    }

    /// What a line means.
    pub fn pick(&self, line: &str) -> Picked<T> {
        let line = line.trim();
        if line.is_empty() {
            return self.cautious();
        }
        let found = line.parse::<usize>().ok().and_then(|number| self.answers.get(number.checked_sub(1)?));
        match found {
            Some((answer, words)) => Picked::Answer(answer.clone(), words.clone()),
            None => Picked::Unclear(format!("`{}` is none of 1 to {}.", text::clean(line), self.answers.len())),
        }
    }

    /// The answer of nobody.
    pub fn cautious(&self) -> Picked<T> {
        match self.answers.last() {
            Some((answer, words)) => Picked::Answer(answer.clone(), words.clone()),
            None => Picked::Unclear(String::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_number_is_an_answer_and_nothing_is_the_cautious_one() {
        let answers = vec![('a', "go on".to_owned()), ('b', "pause".to_owned())];
        let menu = Menu { above: String::new(), question: "What now?".to_owned(), answers, elsewhere: None };
        let answer = |answer, words: &str| Picked::Answer(answer, words.to_owned());
        assert_eq!(menu.pick(" 1 \n"), answer('a', "go on"));
        assert_eq!(menu.pick("2"), answer('b', "pause"));
        assert_eq!(menu.pick("\n"), answer('b', "pause"));
        for unclear in ["0", "3", "y", "go on", "-1", "1 2", "99999999999999999999999"] {
            assert!(matches!(menu.pick(unclear), Picked::Unclear(_)), "{unclear}");
        }
        assert_eq!(menu.pick("\u{1b}[31m"), Picked::Unclear("`[31m` is none of 1 to 2.".to_owned()));
    }
}
