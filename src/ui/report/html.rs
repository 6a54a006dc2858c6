//! A report as one HTML page: no script, nothing to load, readable on a phone and on paper, in light and dark.
//!
//! Its content security policy lets a browser load nothing at all; only its own style sheet applies.

use super::MARK;
use super::document::{Bars, Block, Cell, Document, Line, Mood, Piece, Row, Section, Table, Tag};
use super::page::Page;
use crate::ui::text;

/// The style sheet.
const STYLE: &str = include_str!("report.css");
/// What the page may do: nothing but show itself.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The whole page, without a newline at its end.
pub(super) fn render(document: &Document) -> String {
    let mut page = Page::new();
    page.open("html", &[("lang", "en")]);
    head(&mut page, document);
    page.open("body", &[]);
    page.leaf("a", &[("class", "skip"), ("href", "#main")], "Skip to the content");
    page.open("header", &[]);
    page.leaf("p", &[("class", "brand")], "sidestep report");
    page.leaf("h1", &[], &document.title);
    page.open("p", &[("class", "outcome")]);
    tag(&mut page, &document.badge);
    page.text(" ");
    words(&mut page, &document.outcome);
    page.close();
    page.open("dl", &[]);
    for (name, lines) in &document.facts {
        page.open("div", &[]);
        page.leaf("dt", &[], name);
        for each in lines {
            page.open("dd", &[]);
            line(&mut page, each);
            page.close();
        }
        page.close();
    }
    page.close();
    page.close();
    contents(&mut page, &document.sections);
    page.open("main", &[("id", "main")]);
    for each in &document.sections {
        section(&mut page, each);
    }
    page.close();
    page.open("footer", &[]);
    page.open("p", &[]);
    line(&mut page, &document.foot);
    page.end()
}

fn head(page: &mut Page, document: &Document) {
    page.open("head", &[]);
    page.void("meta", &[("charset", "utf-8")]);
    page.void("meta", &[("http-equiv", "Content-Security-Policy"), ("content", POLICY)]);
    page.void("meta", &[("name", "generator"), ("content", MARK)]);
    page.void("meta", &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")]);
    page.void("meta", &[("name", "color-scheme"), ("content", "light dark")]);
    page.void("meta", &[("name", "referrer"), ("content", "no-referrer")]);
    page.void("meta", &[("name", "robots"), ("content", "noindex")]);
    page.leaf("title", &[], &format!("{} ({})", document.title, document.badge.word));
    page.style(STYLE);
    page.close();
}

fn contents(page: &mut Page, sections: &[Section]) {
    page.open("nav", &[("aria-label", "Sections")]);
    page.open("ul", &[]);
    for section in sections {
        page.open("li", &[]);
        page.leaf("a", &[("href", &format!("#{}", section.id))], section.heading);
        page.close();
    }
    page.close();
    page.close();
}

fn section(page: &mut Page, section: &Section) {
    let heading = format!("{}-heading", section.id);
    page.open("section", &[("id", section.id), ("aria-labelledby", &heading)]);
    page.leaf("h2", &[("id", &heading)], section.heading);
    for block in &section.blocks {
        match block {
            Block::Para(pieces) => {
                page.open("p", &[]);
                line(page, pieces);
                page.close();
            }
            Block::List(head, items) => {
                page.leaf("p", &[("class", "lead")], head);
                page.open("ul", &[]);
                for item in items {
                    page.open("li", &[]);
                    line(page, item);
                    page.close();
                }
                page.close();
            }
            Block::Table(each) => table(page, each),
        }
    }
    page.close();
}

/// On a phone the rows stand one below the other, each cell under its column's name. That takes a table's meaning from it for those
/// who hear the page: the roles give it back.
fn table(page: &mut Page, table: &Table) {
    page.open("table", &[("role", "table")]);
    page.leaf("caption", &[], &table.caption);
    page.open("thead", &[("role", "rowgroup")]);
    page.open("tr", &[("role", "row")]);
    for column in &table.columns {
        let class = if column.number { "number" } else { "text" };
        page.leaf("th", &[("scope", "col"), ("role", "columnheader"), ("class", class)], column.head);
    }
    page.close();
    page.close();
    page.open("tbody", &[("role", "rowgroup")]);
    let columns = table.columns.len().to_string();
    for row in &table.rows {
        match row {
            Row::Group(head) => {
                page.open("tr", &[("role", "row"), ("class", "group")]);
                page.open("th", &[("scope", "colgroup"), ("role", "rowheader"), ("colspan", &columns)]);
                line(page, head);
                page.close();
                page.close();
            }
            Row::Cells(cells) => {
                page.open("tr", &[("role", "row")]);
                for (at, each) in cells.iter().enumerate() {
                    let Some(column) = table.columns.get(at) else { continue };
                    cell(page, each, at == 0, column.head, column.number);
                }
                page.close();
            }
        }
    }
    page.close();
    page.close();
}

fn cell(page: &mut Page, cell: &Cell, is_head: bool, column: &str, number: bool) {
    let class = match (number, cell.lines.is_empty() && cell.bars.is_none()) {
        (_, true) => "empty",
        (true, false) => "number",
        (false, false) => "text",
    };
    if is_head {
        page.open("th", &[("scope", "row"), ("role", "rowheader"), ("class", class)]);
    } else {
        page.open("td", &[("role", "cell"), ("class", class), ("data-column", column)]);
    }
    // What a phone shows beside the column's name.
    page.open("div", &[]);
    if let Some(drawn) = &cell.bars {
        bars(page, drawn);
    }
    for (at, each) in cell.lines.iter().enumerate() {
        if at > 0 {
            page.void("br", &[]);
        }
        line(page, each);
    }
    page.close();
    page.close();
}

/// Two bars, one below the other: an outline as long as predicted, and a full one as long as it took. The numbers stand beside them.
fn bars(page: &mut Page, bars: &Bars) {
    page.open("span", &[("class", "bars"), ("aria-hidden", "true")]);
    let percent = |part: f64| format!("inline-size: {:.1}%", part.clamp(0.0, 1.0) * 100.0);
    if let Some(predicted) = bars.predicted {
        page.leaf("span", &[("class", "predicted"), ("style", &percent(predicted))], "");
    }
    page.leaf("span", &[("class", "took"), ("style", &percent(bars.took))], "");
    page.close();
}

fn line(page: &mut Page, pieces: &Line) {
    for piece in pieces {
        match piece {
            Piece::Text(text) => words(page, text),
            Piece::Code(text) => {
                page.open("code", &[]);
                page.breakable(text);
                page.close();
            }
            Piece::Time(at) => page.leaf("time", &[("datetime", &at.to_string())], &text::time(*at)),
            Piece::Tag(each) => tag(page, each),
        }
    }
}

/// Words, kept from changing how the words around them are arranged.
fn words(page: &mut Page, words: &str) {
    if words.is_ascii() { page.text(words) } else { page.leaf("bdi", &[], words) }
}

fn tag(page: &mut Page, tag: &Tag) {
    let class = match tag.mood {
        Mood::Good => "tag good",
        Mood::Bad => "tag bad",
        Mood::Warn => "tag warn",
        Mood::Calm => "tag calm",
    };
    page.leaf("span", &[("class", class)], &tag.word);
}
