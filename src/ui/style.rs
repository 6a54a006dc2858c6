//! What the place where text is shown can do: colour, characters beyond ASCII, and how wide it is.

/// How text is dressed. The caller decides it once, from the environment and the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether colour may be used. Nothing relies on it.
    pub colour: bool,
    /// Whether signs beyond ASCII may be used.
    pub unicode: bool,
    /// Columns that text is wrapped to.
    pub width: usize,
}

/// What a piece of text wants to be seen as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Strong,
    Faint,
    Good,
    Bad,
    Warn,
}

/// A sign at the head of a line. Each has an ASCII form, and the words next to it say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Done,
    Failed,
    Doubt,
    Held,
    Left,
    Again,
    Busy,
    Idle,
}

/// Narrower than this, wrapping makes things worse.
const NARROWEST: usize = 40;
/// Wider than this, lines are hard to read.
const WIDEST: usize = 132;
/// The width where nobody told.
const USUAL: usize = 100;

impl Style {
    /// No colour and signs beyond ASCII, at the usual width: logs, files, pipes.
    pub fn plain() -> Self {
        Self { colour: false, unicode: true, width: USUAL }
    }

    /// Decides from the environment: `NO_COLOR` (set and not empty) and `TERM=dumb` turn colour off; a locale that is set and is
    /// not UTF-8 turns signs beyond ASCII off. `terminal` says whether the text goes to a terminal, `columns` its width if known.
    pub fn decide(terminal: bool, columns: Option<usize>, env: &dyn Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        let dumb = set("TERM").is_some_and(|term| term == "dumb");
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| set(name));
        let utf8 = locale.is_none_or(|locale| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        });
        Self {
            colour: terminal && !dumb && set("NO_COLOR").is_none(),
            unicode: utf8,
            width: Self::fitting(columns.unwrap_or(USUAL)),
        }
    }

    /// The width that text is wrapped to on a terminal of so many columns.
    pub(super) fn fitting(columns: usize) -> usize {
        columns.clamp(NARROWEST, WIDEST)
    }

    pub(super) fn paint(&self, tone: Tone, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Strong => "1",
            Tone::Faint => "2",
            Tone::Good => "32",
            Tone::Bad => "1;31",
            Tone::Warn => "33",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    pub(super) fn sign(&self, sign: Sign) -> String {
        let (fine, plain, tone) = match sign {
            Sign::Done => ("✓", "ok", Tone::Good),
            Sign::Failed => ("✗", "x", Tone::Bad),
            Sign::Doubt => ("?", "?", Tone::Warn),
            Sign::Held => ("‖", "=", Tone::Warn),
            Sign::Left => ("‖", "=", Tone::Faint),
            Sign::Again => ("↻", "~", Tone::Warn),
            Sign::Busy => ("▸", ">", Tone::Strong),
            Sign::Idle => ("·", ".", Tone::Faint),
        };
        self.paint(tone, if self.unicode { fine } else { plain })
    }

    pub(super) fn arrow(&self) -> &'static str {
        if self.unicode { "→" } else { "->" }
    }

    pub(super) fn ellipsis(&self) -> &'static str {
        if self.unicode { "…" } else { "..." }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(terminal: bool, columns: Option<usize>, vars: &[(&str, &str)]) -> Style {
        let vars: Vec<(String, String)> = vars.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Style::decide(terminal, columns, &|name| vars.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone()))
    }

    #[test]
    fn colour_only_on_a_terminal_that_wants_it() {
        assert!(decide(true, None, &[]).colour);
        assert!(!decide(false, None, &[]).colour);
        assert!(!decide(true, None, &[("NO_COLOR", "1")]).colour);
        assert!(decide(true, None, &[("NO_COLOR", "")]).colour, "an empty NO_COLOR does not count");
        assert!(!decide(true, None, &[("TERM", "dumb")]).colour);
    }

    #[test]
    fn ascii_where_the_locale_says_so() {
        assert!(decide(true, None, &[]).unicode);
        assert!(decide(true, None, &[("LANG", "de_DE.UTF-8")]).unicode);
        assert!(!decide(true, None, &[("LANG", "C")]).unicode);
        assert!(!decide(true, None, &[("LC_ALL", "POSIX"), ("LANG", "en_US.UTF-8")]).unicode, "LC_ALL wins");
    }

    #[test]
    fn width_is_kept_within_reason() {
        assert_eq!(decide(true, Some(80), &[]).width, 80);
        assert_eq!(decide(true, Some(7), &[]).width, NARROWEST);
        assert_eq!(decide(true, Some(400), &[]).width, WIDEST);
        assert_eq!(decide(false, None, &[]).width, USUAL);
    }

    #[test]
    fn without_colour_no_escape_is_written() {
        let style = Style::plain();
        assert_eq!(style.paint(Tone::Bad, "error:"), "error:");
        assert_eq!(style.sign(Sign::Done), "✓");
        let colourful = Style { colour: true, ..style };
        assert_eq!(colourful.paint(Tone::Good, "x"), "\u{1b}[32mx\u{1b}[0m");
    }
}
