use std::io;
use std::sync::{Arc, Mutex};

use indicatif::TermLike;

use super::*;
use crate::model::Outcome;
use crate::ui::fixtures::{self, Story, id};

const WIDTH: usize = 80;

/// A terminal that keeps what was written: `lines` is what a person would see, scrolled back included.
#[derive(Clone, Debug, Default)]
struct Screen(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    lines: Vec<String>,
    row: usize,
    column: usize,
    gone: bool,
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

    fn change(&self, change: impl FnOnce(&mut Seen)) -> io::Result<()> {
        let mut seen = self.0.lock().expect("not poisoned");
        if seen.gone {
            return Err(io::Error::from(io::ErrorKind::BrokenPipe));
        }
        change(&mut seen);
        Ok(())
    }
}

impl Seen {
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
                    if self.column == WIDTH {
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
        WIDTH as u16
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
    insta::assert_snapshot!(screen.shows().join("\n"), @r#"
    run r7k2 jaeger-sidecar-to-shared: 6 stages, 17 steps, started by alice@bastion
    stage 1/6 create-log-group
      ✓ create log group /ecs/nexus-ai-jaeger-staging  (1s)
      ✓ keep its logs for 7 days  (1s)
    stage 2/6 register-task-definition
      ✓ register nexus-ai-jaeger-staging  (1s)
    stage 3/6 create-service
      ✓ create service nexus-ai-jaeger-staging  (1s)
      ⠙ wait for the rollout of nexus-ai-…  1m 12s  0 of 1 tasks running, 1 pending
      stage 3/6 create-service  4 of 17 steps done  1m 16s
    "#);
}

#[test]
fn a_quick_step_is_never_drawn() {
    let (story, _) = waiting();
    let (screen, mut live) = live();
    tell(&story, &mut live);
    live.tick(story.at + SignedDuration::from_millis(300));
    let shown = screen.shows();
    assert_eq!(shown.last().map(String::as_str), Some("  ✓ create service nexus-ai-jaeger-staging  (1s)"), "{shown:?}");
    live.tick(story.at + SignedDuration::from_millis(500));
    assert!(screen.shows().iter().any(|line| line.contains("wait for the rollout")));
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
    assert!(screen.shows().iter().any(|line| line.contains("steps done")));
    let during = live.suspend(|| screen.shows());
    assert!(!during.iter().any(|line| line.contains("steps done")), "{during:?}");
    assert!(during.iter().any(|line| line.contains("stage 3/6")), "the lines stay");
}

#[test]
fn rows_are_cut_to_the_width() {
    let (mut story, step) = waiting();
    let (screen, mut live) = live();
    tell(&story, &mut live);
    let event =
        story.sees(90, &step, Progress::Retry { operation: "DescribeServices".to_owned(), why: "x".repeat(200), after_s: 3 });
    let before = screen.shows().len();
    live.event(&story.view(), &event);
    let shown = screen.shows();
    let row = shown[before..].iter().find(|line| line.contains('⠙') || line.contains('⠋')).expect("the row");
    assert!(row.chars().count() < WIDTH, "{row}");
    assert!(row.ends_with('…'), "{row}");
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
