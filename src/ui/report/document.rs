//! A report as a document: headings, paragraphs, lists and tables of pieces of text. The forms for people are made of it, so that
//! they say the same; a form decides how a piece looks and escapes it.

use jiff::Timestamp;

/// The whole document.
pub(super) struct Document {
    /// What it is about.
    pub(super) title: String,
    /// Where it stands, in a word.
    pub(super) badge: Tag,
    /// The same in a sentence.
    pub(super) outcome: String,
    /// What, where, when and who: a name and lines each.
    pub(super) facts: Vec<(&'static str, Vec<Line>)>,
    /// The sections.
    pub(super) sections: Vec<Section>,
    /// The last line.
    pub(super) foot: Line,
}

/// A section under a heading.
pub(super) struct Section {
    /// What links lead to.
    pub(super) id: &'static str,
    /// The heading.
    pub(super) heading: &'static str,
    /// What is in it.
    pub(super) blocks: Vec<Block>,
}

/// A part of a section.
pub(super) enum Block {
    /// A paragraph.
    Para(Line),
    /// A list under a few words.
    List(&'static str, Vec<Line>),
    /// A table.
    Table(Table),
}

/// A table whose first cell of each row names the row.
pub(super) struct Table {
    /// What it shows.
    pub(super) caption: String,
    /// What its columns show; the last ones may hold numbers.
    pub(super) columns: Vec<Column>,
    /// Its rows.
    pub(super) rows: Vec<Row>,
}

/// A column.
#[derive(Clone, Copy)]
pub(super) struct Column {
    /// What it shows.
    pub(super) head: &'static str,
    /// Whether it holds numbers.
    pub(super) number: bool,
}

/// A row.
pub(super) enum Row {
    /// What the rows below are about.
    Group(Line),
    /// The cells: as many as there are columns.
    Cells(Vec<Cell>),
}

/// A cell: lines one below the other, and perhaps a pair of bars.
#[derive(Clone, Default)]
pub(super) struct Cell {
    /// The lines.
    pub(super) lines: Vec<Line>,
    /// The bars, for forms that can draw them; the numbers stand in other cells.
    pub(super) bars: Option<Bars>,
}

/// Two lengths, as parts of the longest in the table.
#[derive(Clone, Copy)]
pub(super) struct Bars {
    /// As predicted.
    pub(super) predicted: Option<f64>,
    /// As it was.
    pub(super) took: f64,
}

/// A line of pieces, which stand next to one another as they are.
pub(super) type Line = Vec<Piece>;

/// A piece of text.
#[derive(Clone)]
pub(super) enum Piece {
    /// Words.
    Text(String),
    /// A name, an id, a value or a command: to be copied as it is.
    Code(String),
    /// A moment.
    Time(Timestamp),
    /// A word that says how something stands.
    Tag(Tag),
}

/// A word that says how something stands, with how that is meant.
#[derive(Clone)]
pub(super) struct Tag {
    /// The word.
    pub(super) word: String,
    /// How it is meant.
    pub(super) mood: Mood,
}

/// How a word is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    /// As it should be.
    Good,
    /// Something is wrong.
    Bad,
    /// Somebody should look.
    Warn,
    /// Neither.
    Calm,
}

/// Words.
pub(super) fn words(text: impl Into<String>) -> Piece {
    Piece::Text(text.into())
}

/// Something to be copied.
pub(super) fn code(text: impl Into<String>) -> Piece {
    Piece::Code(text.into())
}

/// A word that says how something stands.
pub(super) fn tag(word: impl Into<String>, mood: Mood) -> Piece {
    Piece::Tag(Tag { word: word.into(), mood })
}

/// A column of text.
pub(super) const fn column(head: &'static str) -> Column {
    Column { head, number: false }
}

/// A column of numbers.
pub(super) const fn numbers(head: &'static str) -> Column {
    Column { head, number: true }
}

impl Cell {
    /// One line.
    pub(super) fn of(line: Line) -> Self {
        Self { lines: vec![line], bars: None }
    }

    /// Several.
    pub(super) fn lines(lines: Vec<Line>) -> Self {
        Self { lines, bars: None }
    }

    /// Words alone; none make an empty cell.
    pub(super) fn words(text: impl Into<String>) -> Self {
        let text: String = text.into();
        if text.is_empty() { Self::default() } else { Self::of(vec![words(text)]) }
    }
}
