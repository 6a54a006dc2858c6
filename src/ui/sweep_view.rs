//! What a crash sweep found, as a table, and how far it has come meanwhile.

use indicatif::{ProgressBar, ProgressStyle};

use super::style::{Style, Tone};
use super::text::{self, Column};

/// One stage of a sweep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SweepRow {
    /// The stage; none for the time before the first.
    pub stage: Option<String>,
    /// Crash points.
    pub points: usize,
    /// Those that differ in journal or world, with the run in the journal.
    pub distinct: usize,
    /// Tried and failed, resumed from there.
    pub resumed: (usize, usize),
    /// Tried and failed, rolled back from there.
    pub rolled_back: (usize, usize),
}

/// The table of one sweep under its heading.
pub fn render(heading: &str, rows: &[SweepRow], total: &SweepRow, style: &Style) -> String {
    let mut cells = vec![["stage", "points", "distinct", "resumed", "rolled back"].map(str::to_owned).to_vec()];
    let row = |name: &str, row: &SweepRow| {
        vec![text::clean(name), row.points.to_string(), row.distinct.to_string(), tries(row.resumed), tries(row.rolled_back)]
    };
    cells.extend(rows.iter().map(|entry| row(entry.stage.as_deref().unwrap_or("(before the first)"), entry)));
    cells.push(row("total", total));
    let columns = [Column::Left, Column::Right, Column::Right, Column::Right, Column::Right];
    format!("{}\n{}", style.paint(Tone::Strong, heading), text::table(&cells, &columns, 2))
}

/// Numbers under a heading, each with what it counts.
pub fn numbers(heading: &str, rows: &[(String, usize)], style: &Style) -> String {
    let cells: Vec<Vec<String>> = rows.iter().map(|(what, number)| vec![text::clean(what), number.to_string()]).collect();
    format!("{}\n{}", style.paint(Tone::Strong, heading), text::table(&cells, &[Column::Left, Column::Right], 2))
}

/// `12 of 12`: how many ended as they must.
fn tries((tried, failed): (usize, usize)) -> String {
    if tried == 0 { "-".to_owned() } else { format!("{} of {tried}", tried - failed) }
}

/// A bar on a terminal; nothing elsewhere.
pub struct Counting(Option<ProgressBar>);

impl Counting {
    /// Begins at nothing. `shown`: somebody watches.
    pub fn new(label: &str, shown: bool) -> Self {
        let bar = shown.then(|| {
            let plain = ProgressStyle::default_bar();
            let style = ProgressStyle::with_template("  {msg} {wide_bar} {pos}/{len}").unwrap_or(plain);
            ProgressBar::new(0).with_style(style).with_message(label.to_owned())
        });
        Self(bar)
    }

    /// So many are done, of so many.
    pub fn at(&self, done: usize, of: usize) {
        if let Some(bar) = &self.0 {
            bar.set_length(of as u64);
            bar.set_position(done as u64);
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_says_how_many_ended_as_they_must() {
        let first = SweepRow { points: 40, ..SweepRow::default() };
        let stage =
            SweepRow { stage: Some("create-service".to_owned()), points: 30, distinct: 9, resumed: (9, 0), rolled_back: (9, 2) };
        let total = SweepRow { points: 70, ..stage.clone() };
        insta::assert_snapshot!(render("The way there", &[first, stage], &total, &Style::plain()), @r"
        The way there
          stage               points  distinct  resumed  rolled back
          (before the first)      40         0        -            -
          create-service          30         9   9 of 9       7 of 9
          total                   70         9   9 of 9       7 of 9
        ");
    }
}
