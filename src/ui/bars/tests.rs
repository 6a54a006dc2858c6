use std::io;
use std::sync::{Arc, Mutex};

use indicatif::TermLike;
use jiff::SignedDuration;

use super::*;
use crate::model::{Outcome, StepId};
use crate::ui::fixtures::{self, Story, id};

const WIDTH: usize = 80;

/// A terminal that keeps what was written: `lines` is what a person would see, scrolled back included.
#[derive(Clone, Debug, Default)]
struct Screen(Arc<Mutex<Page>>);

#[derive(Debug)]
struct Page {
    lines: Vec<String>,
    row: usize,
    column: usize,
    width: usize,
    gone: bool,
}

impl Default for Page {
    fn default() -> Self {
        Self { lines: Vec::new(), row: 0, column: 0, width: WIDTH, gone: false }
    }
}

impl Screen {
    fn shows(&self) -> Vec<String> {
        let seen = self.0.lock().expect("not poisoned");
        let lines: Vec<String> = seen.lines.iter().map(|line| line.trim_end().to_owned()).collect();
        let used = lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
        lines[..used].to_vec()
    }

    fn go(&self) {
        self.0.lock().expect("not poisoned").gone = true;
    }

    /// Makes it narrower; what does not fit is broken into more rows, as terminals do.
    fn narrow(&self, width: usize) {
        let mut page = self.0.lock().expect("not poisoned");
        page.width = width;
        let (row, lines) = (page.row, std::mem::take(&mut page.lines));
        for (at, line) in lines.iter().enumerate() {
            let cells: Vec<char> = line.trim_end().chars().collect();
            let rows =
                if cells.is_empty() { vec![String::new()] } else { cells.chunks(width).map(|row| row.iter().collect()).collect() };
            page.lines.extend(rows);
            if at == row {
                page.row = page.lines.len() - 1;
                page.column = cells.len() % width;
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut Page)) -> io::Result<()> {
        let mut seen = self.0.lock().expect("not poisoned");
        if seen.gone {
            return Err(io::Error::from(io::ErrorKind::BrokenPipe));
        }
        change(&mut seen);
        Ok(())
    }
}

impl Page {
    fn line(&mut self) -> &mut String {
        while self.lines.len() <= self.row {
            self.lines.push(String::new());
        }
        &mut self.lines[self.row]
    }

    fn put(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '\n' => (self.row, self.column) = (self.row + 1, 0),
                '\r' => self.column = 0,
                c => {
                    // As terminals do: a full line goes on in the next one when the next character comes.
                    if self.column == self.width {
                        (self.row, self.column) = (self.row + 1, 0);
                    }
                    let at = self.column;
                    let mut cells: Vec<char> = self.line().chars().collect();
                    cells.resize(cells.len().max(at + 1), ' ');
                    cells[at] = c;
                    *self.line() = cells.into_iter().collect();
                    self.column += 1;
                }
            }
        }
        self.line();
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        u16::try_from(self.0.lock().expect("not poisoned").width).expect("a width")
    }
    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.change(|seen| seen.row = seen.row.saturating_sub(n))
    }
    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.change(|seen| seen.row += n)
    }
    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.change(|seen| seen.column += n)
    }
    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.change(|seen| seen.column = seen.column.saturating_sub(n))
    }
    fn write_line(&self, text: &str) -> io::Result<()> {
        self.change(|seen| seen.put(&format!("{text}\n")))
    }
    fn write_str(&self, text: &str) -> io::Result<()> {
        self.change(|seen| seen.put(text))
    }
    fn clear_line(&self) -> io::Result<()> {
        self.change(|seen| {
            seen.line().clear();
            seen.column = 0;
        })
    }
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

fn live() -> (Screen, LiveScreen) {
    let screen = Screen::default();
    let style = Style { width: WIDTH, ..Style::plain() };
    // As often as it likes: a test must not depend on how fast it runs.
    (screen.clone(), LiveScreen::on(style, Box::new(screen), None))
}

fn tell(story: &Story, live: &mut LiveScreen) {
    for (view, event) in story.told() {
        live.event(&view, &event);
    }
}

/// A story in which the rollout of stage 3 is under way.
fn waiting() -> (Story, StepId) {
    let plan = fixtures::plan();
    let mut story = Story::of(plan.clone());
    story.through(2);
    story.does(1, &id(&plan, 3, 0, "create"));
    let step = id(&plan, 3, 0, "rollout");
    story.then(0, fixtures::started(&step, 1));
    (story, step)
}

#[test]
fn a_step_under_way_stands_below_the_lines_with_the_whole() {
    let (mut story, step) = waiting();
    let (screen, mut live) = live();
    tell(&story, &mut live);
    let progress = Progress::Rollout {
        desired: 1,
        pending: 1,
        running: 0,
        failed: 0,
        old: 0,
        revision: String::new(),
        replaces: String::new(),
    };
    let event = story.sees(72, &step, progress);
    live.event(&story.view(), &event);
    insta::assert_snapshot!(screen.shows().join("\n"), @r"
    run r7k2 jaeger-sidecar-to-shared: 6 stages, 17 steps, started by alice@bastion
    stage 1/6 create-log-group
      ✓ create log group /ecs/nexus-ai-jaeger-staging  (1s)
      ✓ keep its logs for 7 days  (1s)
    stage 2/6 register-task-definition
      ✓ register nexus-ai-jaeger-staging  (1s)
    stage 3/6 create-service
      ✓ create service nexus-ai-jaeger-staging  (1s)
    run r7k2  1m 16s of about 9 min  staging  111122223333 us-west-2
      ✓ 1/6 create-log-group          2s
      ✓ 2/6 register-task-definition  1s
      ▸ 3/6 create-service            1m 13s
          ✓ create service nexus-ai-jaeger-staging  1s
          ⠹ wait for the rollout of nexus-ai-jaeger-staging  1m 12s, up to 30m
              ░░░░░░░░░░░░ 0 of 1 tasks running, 1 pending
          · wait until its task is healthy in nexus-ai-jaeger-tg-staging
      · 4/6 register-dns
      · 5/6 retarget-api-env
      · 6/6 strip-sidecar
      Ctrl-C pauses after the present step; elsewhere: sidestep status r7k2 --watch
    ");
}

#[test]
fn what_is_left_at_the_end_are_the_lines_alone() {
    let mut story = Story::of(fixtures::plan());
    story.through(6);
    story.then(0, fixtures::ended(Outcome::Done, ""));
    let (screen, mut live) = live();
    for (view, event) in story.told() {
        live.event(&view, &event);
        live.tick(view.updated_at + SignedDuration::from_secs(1));
    }
    live.finish();
    let mut printer = LinePrinter::for_rehearsal(Style { width: WIDTH, ..Style::plain() });
    let lines: Vec<String> = story
        .told()
        .iter()
        .flat_map(|(view, event)| printer.event(view, event))
        .flat_map(|line| line.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert_eq!(screen.shows(), lines);
}

#[test]
fn a_question_has_the_screen_to_itself() {
    let (story, _) = waiting();
    let (screen, mut live) = live();
    tell(&story, &mut live);
    live.tick(story.at + SignedDuration::from_secs(5));
    assert!(screen.shows().iter().any(|line| line.contains("Ctrl-C pauses")));
    let during = live.suspend(|| screen.shows());
    assert!(!during.iter().any(|line| line.contains("Ctrl-C pauses")), "{during:?}");
    assert!(during.iter().any(|line| line.contains("stage 3/6")), "the lines stay");
}

#[test]
fn rows_are_cut_to_the_width() {
    let (mut story, step) = waiting();
    let (screen, mut live) = live();
    tell(&story, &mut live);
    let event =
        story.sees(90, &step, Progress::Retry { operation: "DescribeServices".to_owned(), why: "x".repeat(200), after_s: 3 });
    live.event(&story.view(), &event);
    let shown = screen.shows();
    let row = shown.iter().rfind(|line| line.contains("DescribeServices")).expect("the row");
    assert!(row.chars().count() < WIDTH && row.ends_with('…'), "{row}");
}

#[test]
fn a_terminal_that_is_made_narrower_keeps_nothing_of_the_old_block() {
    let (story, _) = waiting();
    let (screen, mut live) = live();
    tell(&story, &mut live);
    live.tick(story.at + SignedDuration::from_secs(5));
    screen.narrow(50);
    live.tick(story.at + SignedDuration::from_secs(6));
    let shown = screen.shows();
    let heads = shown.iter().filter(|line| line.starts_with("run r7k2  ")).count();
    assert_eq!(heads, 1, "{}", shown.join("\n"));
    let before = shown.iter().position(|line| line.starts_with("run r7k2  ")).expect("the block");
    assert_eq!(shown[before - 1], "  ✓ create service nexus-ai-jaeger-staging  (1s)", "what was said before stays");
    live.finish();
    assert!(!screen.shows().iter().any(|line| line.contains("6/6")), "{}", screen.shows().join("\n"));
}

#[test]
fn a_terminal_that_is_gone_stops_nothing() {
    let (mut story, step) = waiting();
    let (screen, mut live) = live();
    tell(&story, &mut live);
    screen.go();
    live.tick(story.at + SignedDuration::from_secs(5));
    let event = story.then(9, fixtures::succeeded(&step));
    live.event(&story.view(), &event);
    assert_eq!(live.suspend(|| 7), 7);
    live.finish();
}
