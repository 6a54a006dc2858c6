//! What a report says, in the order in which a reader asks for it: how it ended, how long it took, what is different now, what can
//! be taken back, who decided, and then everything that happened.

use crate::model::{Adoption, Change, Direction, Disposition, Severity};
use crate::ui::text;

use super::decisions::who;
use super::document::{
    Bars, Block, Cell, Column, Document, Line, Mood, Piece, Row, Section, Table, Tag, code, column, numbers, tag, words,
};
use super::value::{
    ChangeRow, Entry, EntryKind, Fate, Passage, PlanRow, Report, ResourceRow, SessionEnd, StageRow, Standing, Took,
};

/// The report as a document.
pub(super) fn of(report: &Report) -> Document {
    let target = &report.target;
    let sections = [
        Section { id: "stages", heading: "Stages", blocks: stages(report) },
        Section { id: "state", heading: "Before and after", blocks: state(report) },
        Section { id: "changes", heading: "Changes in AWS", blocks: changes(report) },
        Section { id: "remains", heading: "What stands, and the way back", blocks: remains(report) },
        Section { id: "decisions", heading: "Decisions", blocks: decisions(report) },
        Section { id: "findings", heading: "Findings", blocks: findings(report) },
        Section { id: "plans", heading: "Plans", blocks: plans(report) },
        Section { id: "timeline", heading: "Timeline", blocks: timeline(report) },
        Section { id: "calls", heading: "Sessions and requests", blocks: calls(report) },
    ];
    Document {
        title: format!("Run {}: {} in {}", report.run, report.runbook, target.environment),
        badge: Tag { word: report.status.replace('-', " "), mood: mood(&report.status) },
        outcome: report.outcome.clone(),
        facts: facts(report),
        sections: sections.into_iter().filter(|section| !section.blocks.is_empty()).collect(),
        foot: vec![words(format!(
            "From the {} of the run's journal, the last of {}. All times are in UTC, by the clock of the machine that worked on the run.",
            text::count(usize::try_from(report.records).unwrap_or(usize::MAX), "record", "records"),
            text::time(report.updated)
        ))],
    }
}

fn mood(status: &str) -> Mood {
    match status {
        "done" => Mood::Good,
        "stuck" | "stopped" => Mood::Bad,
        "rolled-back" | "running" | "paused" => Mood::Calm,
        _ => Mood::Warn,
    }
}

fn facts(report: &Report) -> Vec<(&'static str, Vec<Line>)> {
    let target = &report.target;
    let text = |value: &str| vec![vec![words(value)]];
    let last = if ["done", "rolled-back", "abandoned"].contains(&report.status.as_str()) { "Ended" } else { "Last record" };
    let mut took = format!("{}, {} of it at work", text::duration(report.times.elapsed.0), text::duration(report.times.at_work.0));
    if report.times.unattended > Took::default() {
        took.push_str(&format!(", {} unattended", text::duration(report.times.unattended.0)));
    }
    let predicted = report.times.predicted.map(|predicted| format!("predicted: {}", text::duration(predicted.0)));
    let mut people: Vec<String> = Vec::new();
    for actor in
        report.decisions.iter().map(|decision| &decision.by).chain(report.sessions.iter().map(|session| &session.holder.actor))
    {
        let name = who(actor);
        if !people.contains(&name) {
            people.push(name);
        }
    }
    let mut facts = vec![
        ("Environment", text(&target.environment)),
        ("Account and Region", text(&format!("{}, {}", target.account, target.region))),
        ("Cluster", vec![vec![code(&target.cluster)]]),
        ("Services", target.services.iter().map(|service| vec![code(service)]).collect()),
        ("Planned as", vec![vec![code(&target.identity)]]),
        ("Operators", people.into_iter().map(|name| vec![words(name)]).collect()),
        ("Started (UTC)", vec![vec![Piece::Time(report.started)]]),
        (last, vec![vec![Piece::Time(report.updated)]]),
        ("Took", std::iter::once(took).chain(predicted).map(|line| vec![words(line)]).collect()),
    ];
    if let Some(plan) = report.plans.last() {
        facts.push(("Digest of the plan", vec![vec![code(&plan.digest)]]));
    }
    if let Some(endpoint) = &target.endpoint {
        facts.push(("Endpoint", vec![vec![code(endpoint)]]));
    }
    facts.retain(|(_, lines)| !lines.is_empty());
    facts
}

// ----- stages -----

fn stages(report: &Report) -> Vec<Block> {
    report.passages.iter().map(|passage| Block::Table(passage_table(passage, report.passages.len() > 1))).collect()
}

fn passage_table(passage: &Passage, several: bool) -> Table {
    let seconds = |took: Took| took.0.as_secs_f64();
    let all = passage.stages.iter().flat_map(|stage| [Some(stage.at_work), stage.predicted]).flatten();
    let longest = all.map(seconds).fold(1.0, f64::max);
    let forward = passage.direction == Direction::Forward;
    let predicted = passage.stages.iter().any(|stage| stage.predicted.is_some());
    let mut columns: Vec<Column> = vec![column("Stage"), column("State"), column("Began")];
    if predicted {
        columns.push(numbers("Predicted"));
    }
    columns.extend([numbers("Took"), column(if predicted { "Bars (outlined: predicted)" } else { "Bar" })]);
    let row = |stage: &StageRow| {
        let mut cells = vec![stage_name(stage, passage.stages.len()), Cell::of(vec![state_tag(&stage.state)])];
        cells.push(stage.from.map_or_else(Cell::default, |from| Cell::of(vec![Piece::Time(from)])));
        if predicted {
            cells.push(stage.predicted.map_or_else(Cell::default, |took| Cell::words(text::duration(took.0))));
        }
        cells.push(if stage.from.is_some() { Cell::words(text::duration(stage.at_work.0)) } else { Cell::default() });
        let parts = Bars { predicted: stage.predicted.map(|took| seconds(took) / longest), took: seconds(stage.at_work) / longest };
        let drawn = stage.from.is_some() || stage.predicted.is_some();
        cells.push(Cell { lines: Vec::new(), bars: drawn.then_some(parts) });
        Row::Cells(cells)
    };
    let caption = match (forward, several) {
        (true, false) => "The stages, and how long a step of each was under way",
        (true, true) => "Forward: the stages, and how long a step of each was under way",
        (false, _) => "Back: the stages, and how long a step of each was under way",
    };
    Table { caption: caption.to_owned(), columns, rows: passage.stages.iter().map(row).collect() }
}

fn stage_name(stage: &StageRow, of: usize) -> Cell {
    let mut lines = vec![vec![words(format!("{}/{of} {}", stage.number, stage.stage))]];
    if stage.lanes.len() > 1 {
        let lane = |lane: &super::value::LaneRow| {
            let took = text::duration(lane.at_work.0);
            vec![code(&lane.target), words(format!(" {} of {}, {took}", lane.done, text::count(lane.steps, "step", "steps")))]
        };
        lines.extend(stage.lanes.iter().map(lane));
    }
    Cell::lines(lines)
}

fn state_tag(state: &str) -> Piece {
    let mood = match state {
        "done" => Mood::Good,
        "stopped" => Mood::Bad,
        "held" | "under way" => Mood::Warn,
        state if state.starts_with("undone") => Mood::Good,
        _ => Mood::Calm,
    };
    tag(state, mood)
}

// ----- before and after -----

fn state(report: &Report) -> Vec<Block> {
    let mut rows = Vec::new();
    for resource in &report.resources {
        rows.push(Row::Group(resource_head(resource)));
        rows.extend(resource.changes.iter().map(|each| Row::Cells(change_cells(each, resource.disposition))));
    }
    if rows.is_empty() {
        return Vec::new();
    }
    let columns = vec![column("Member"), column("Before"), column("As planned")];
    vec![
        Block::Para(vec![words(
            "What the plan set out to change, resource by resource, and how each stands now by the journal. Values of environment \
             variables other than the planned ones are not part of it.",
        )]),
        Block::Table(Table { caption: "Resources, member by member".to_owned(), columns, rows }),
    ]
}

fn resource_head(resource: &ResourceRow) -> Line {
    let what = match resource.disposition {
        Disposition::Create => "to be created",
        Disposition::Update => "to be changed",
        Disposition::Adopt => "adopted",
        Disposition::AlreadySo => "nothing to do",
        Disposition::Foreign => "not the run's to change",
        Disposition::Delete => "to be removed",
    };
    let now = match resource.now {
        Standing::AsItWas => tag("as it was", Mood::Calm),
        Standing::AsPlanned => tag("now as planned", Mood::Good),
        Standing::InPart => tag("now changed in part", Mood::Warn),
        Standing::TakenBack => tag("taken back: as before", Mood::Calm),
        Standing::NotReached => tag("not reached: as before", Mood::Calm),
    };
    vec![words(format!("{} ", resource.kind)), code(&resource.name), words(format!(" ({}, {what}) ", resource.stage)), now]
}

fn change_cells(change: &Change, disposition: Disposition) -> Vec<Cell> {
    let value = |value: &serde_json::Value| Cell::of(vec![code(value.as_str().map_or_else(|| value.to_string(), str::to_owned))]);
    let (before, after) = match (&change.from, &change.to) {
        (None, None) => (Cell::words("not shown"), Cell::words("changed, not shown")),
        (None, Some(to)) => (Cell::words(if disposition == Disposition::Create { "" } else { "none" }), value(to)),
        (Some(from), None) => (value(from), Cell::words("removed")),
        (Some(from), Some(to)) => (value(from), value(to)),
    };
    vec![Cell::of(vec![code(&change.path)]), before, after]
}

// ----- changes -----

fn changes(report: &Report) -> Vec<Block> {
    if report.changes.is_empty() {
        return vec![Block::Para(vec![words("The run has changed nothing.")])];
    }
    let columns = vec![
        column("Change, and when it was begun"),
        column("What became of it"),
        column("Before → after"),
        column("AWS identifiers and request"),
    ];
    let mut rows = Vec::new();
    let mut group = None;
    for change in &report.changes {
        if group != Some((change.direction, &change.stage)) {
            let way = if change.direction == Direction::Back { "back: " } else { "" };
            rows.push(Row::Group(vec![words(format!("{way}{}", change.stage))]));
            group = Some((change.direction, &change.stage));
        }
        rows.push(Row::Cells(change_row(change)));
    }
    vec![Block::Table(Table { caption: "Every change that was begun, each one request to AWS".to_owned(), columns, rows })]
}

fn change_row(change: &ChangeRow) -> Vec<Cell> {
    let attempt = if change.attempt > 1 { format!(" (attempt {})", change.attempt) } else { String::new() };
    let (word, mood) = match change.fate {
        Fate::Stands => ("stands", Mood::Good),
        Fate::Undone => ("undone", Mood::Calm),
        Fate::Undid => ("done", Mood::Good),
        Fate::TakenBack => ("taken back", Mood::Warn),
        Fate::AlreadySo => ("nothing sent", Mood::Calm),
        Fate::NoEffect => ("no effect", Mood::Bad),
        Fate::Unknown => ("not known", Mood::Warn),
    };
    let mut fate = vec![vec![tag(word, mood)]];
    if !change.why.is_empty() {
        fate.push(prose(&change.why));
    }
    let effect = |effect: &super::value::Effect| {
        vec![words(format!("{}: ", effect.of)), code(&effect.before), words(" → "), code(&effect.after)]
    };
    let mut names: Vec<Line> =
        change.identifiers.iter().map(|known| vec![words(format!("{} ", known.of)), code(&known.id)]).collect();
    if change.operation.is_some() || change.request_id.is_some() {
        let operation = change.operation.as_deref().unwrap_or("request");
        names.push(match &change.request_id {
            Some(id) => vec![words(format!("{operation}, request ")), code(id)],
            None => vec![words(format!("{operation}, without a request id"))],
        });
    }
    vec![
        Cell::lines(vec![vec![words(format!("{}{attempt}", change.title))], vec![Piece::Time(change.at)]]),
        Cell::lines(fate),
        Cell::lines(change.effects.iter().map(effect).collect()),
        Cell::lines(names),
    ]
}

// ----- what stands -----

fn remains(report: &Report) -> Vec<Block> {
    let remains = &report.remains;
    let mut blocks = Vec::new();
    if remains.standing.is_empty() {
        blocks.push(Block::Para(vec![words("Nothing that the run did stands in AWS and is still to be undone.")]));
    } else {
        let row = |left: &crate::model::Remainder| {
            let mut why = vec![prose(&left.why)];
            if left.harmless {
                why.push(vec![words("nothing depends on it")]);
            }
            Row::Cells(vec![
                Cell::of(vec![words(format!("{} ", left.kind)), code(&left.name)]),
                Cell::lines(vec![vec![words(left.stage.to_string())], vec![Piece::Time(left.made)]]),
                Cell::lines(why),
                Cell::of(vec![code(&left.remove)]),
            ])
        };
        let columns =
            vec![column("What stands"), column("Made"), column("Why"), column("By hand it is removed, or put back, with")];
        let caption = "What the run made or changed, the last first".to_owned();
        blocks.push(Block::Table(Table { caption, columns, rows: remains.standing.iter().map(row).collect() }));
    }
    let mut list = |head: &'static str, items: Vec<Line>| {
        if !items.is_empty() {
            blocks.push(Block::List(head, items));
        }
    };
    let way_back = remains.way_back.iter();
    list("How a rollback takes it back:", way_back.map(|back| vec![words(format!("{}: {}", back.stage, back.how))]).collect());
    list("What nothing brings back:", remains.for_good.iter().map(|line| prose(line)).collect());
    list("Claims:", remains.claims.iter().map(|line| prose(line)).collect());
    list("Next:", remains.next.iter().map(|line| prose(line)).collect());
    blocks
}

/// A text in which what stands between backticks is a name, a value or a command.
fn prose(text: &str) -> Line {
    if text.matches('`').count() % 2 == 1 {
        return vec![words(text)];
    }
    let pieces = text.split('`').enumerate();
    pieces.filter(|(_, piece)| !piece.is_empty()).map(|(at, piece)| if at % 2 == 1 { code(piece) } else { words(piece) }).collect()
}

// ----- who decided what -----

fn decisions(report: &Report) -> Vec<Block> {
    let row = |decision: &super::value::Decision| {
        let mut by = vec![vec![words(who(&decision.by))]];
        by.extend(decision.by.identity.iter().map(|identity| vec![code(identity)]));
        let comment =
            if decision.comment.is_empty() { Cell::default() } else { Cell::words(format!("“{}”", decision.comment)) };
        Row::Cells(vec![Cell::of(vec![Piece::Time(decision.at)]), Cell::lines(by), Cell::words(&decision.what), comment])
    };
    let columns = vec![column("When"), column("Who"), column("What"), column("In their words")];
    let rows = report.decisions.iter().map(row).collect();
    vec![Block::Table(Table { caption: "What people decided".to_owned(), columns, rows })]
}

fn findings(report: &Report) -> Vec<Block> {
    if report.findings.is_empty() {
        return Vec::new();
    }
    let row = |row: &super::value::FindingRow| {
        let finding = &row.finding;
        let severity = match finding.severity {
            Severity::Blocker => tag("blocker", Mood::Bad),
            Severity::Warning => tag("warning", Mood::Warn),
            Severity::Note => tag("note", Mood::Calm),
        };
        let accepted = match (&row.accepted, finding.severity) {
            (Some(accepted), _) => Cell::lines(vec![vec![words(who(&accepted.by))], vec![Piece::Time(accepted.at)]]),
            (None, Severity::Blocker) => Cell::words("no"),
            (None, _) => Cell::default(),
        };
        Row::Cells(vec![
            Cell::lines(vec![vec![code(&finding.id)], vec![severity]]),
            Cell::lines(vec![vec![code(&finding.resource)], prose(&finding.found)]),
            Cell::of(prose(&finding.consequence)),
            Cell::of(prose(&finding.fix)),
            accepted,
        ])
    };
    let columns = vec![column("Finding"), column("Found"), column("Consequence"), column("Repair"), column("Accepted by")];
    let caption = "What was noticed while planning, the worst first".to_owned();
    vec![Block::Table(Table { caption, columns, rows: report.findings.iter().map(row).collect() })]
}

fn plans(report: &Report) -> Vec<Block> {
    let row = |plan: &PlanRow| {
        let mut why = match &plan.adoption {
            Adoption::Start => vec![vec![words("the run's start")]],
            Adoption::Amendment { .. } => vec![vec![words("amended")]],
            Adoption::Rollback(extent) => vec![vec![words(format!("back {extent}"))]],
            Adoption::Forward => vec![vec![words("forward again")]],
        };
        if let Adoption::Amendment { changes } = &plan.adoption {
            why.extend(changes.iter().map(|change| vec![words(change)]));
        }
        let size = format!("{}, {}", text::count(plan.stages, "stage", "stages"), text::count(plan.steps, "step", "steps"));
        Row::Cells(vec![
            Cell::words(plan.epoch.to_string()),
            Cell::lines(vec![vec![Piece::Time(plan.at)], vec![words(who(&plan.by))]]),
            Cell::lines(why),
            Cell::words(size),
            Cell::of(vec![code(&plan.digest)]),
        ])
    };
    let columns = vec![column("Plan"), column("Adopted"), column("Why"), column("Size"), column("Digest (SHA-256)")];
    let rows = report.plans.iter().map(row).collect();
    let mut blocks = vec![Block::Table(Table { caption: "The plans that were in force, in order".to_owned(), columns, rows })];
    let capacity = report.plans.first().and_then(|plan| plan.plan["outlook"]["capacity"].as_array());
    let capacity: Vec<Line> = capacity.into_iter().flatten().filter_map(|line| Some(vec![words(line.as_str()?)])).collect();
    if !capacity.is_empty() {
        blocks.push(Block::List("What the first plan said of capacity:", capacity));
    }
    blocks
}

// ----- what happened -----

fn timeline(report: &Report) -> Vec<Block> {
    let mut rows = Vec::new();
    let mut group: Option<Option<String>> = None;
    for entry in &report.timeline {
        let stage = entry.stage.as_ref().map(ToString::to_string);
        if group.as_ref() != Some(&stage) {
            rows.push(Row::Group(vec![words(stage.clone().unwrap_or_else(|| "the run".to_owned()))]));
            group = Some(stage);
        }
        rows.push(Row::Cells(entry_row(entry)));
    }
    let columns = vec![column("Began"), column("What"), column("Kind"), numbers("Took")];
    vec![Block::Table(Table { caption: "Everything that happened, by the time at which it began".to_owned(), columns, rows })]
}

fn entry_row(entry: &Entry) -> Vec<Cell> {
    let (word, mood) = match entry.kind {
        EntryKind::Plan => ("plan", Mood::Calm),
        EntryKind::TakenUp => ("taken up", Mood::Calm),
        EntryKind::Left => ("left", Mood::Calm),
        EntryKind::Crash => ("crash", Mood::Bad),
        EntryKind::TakeOver => ("taken over", Mood::Warn),
        EntryKind::UnderWay => ("under way", Mood::Warn),
        EntryKind::Done => ("done", Mood::Good),
        EntryKind::Failed => ("failed", Mood::Bad),
        EntryKind::InDoubt => ("not known", Mood::Warn),
        EntryKind::CutOff => ("cut off", Mood::Bad),
        EntryKind::Paused => ("paused", Mood::Calm),
        EntryKind::Held => ("held", Mood::Warn),
        EntryKind::LookedAt => ("looked at", Mood::Calm),
        EntryKind::Asked => ("asked", Mood::Calm),
        EntryKind::Decision => ("decided", Mood::Calm),
        EntryKind::Claim => ("claim", Mood::Calm),
        EntryKind::End => ("end", Mood::Calm),
    };
    let mut what = vec![prose(&entry.what)];
    if let Some(lane) = entry.lane.as_ref().filter(|_| entry.among_several) {
        what[0].extend([words(" in lane "), code(lane)]);
    }
    what.extend(entry.details.iter().map(|line| prose(line)));
    vec![
        Cell::of(vec![Piece::Time(entry.at)]),
        Cell::lines(what),
        Cell::of(vec![tag(word, mood)]),
        entry.took.map_or_else(Cell::default, |took| Cell::words(text::duration(took.0))),
    ]
}

fn calls(report: &Report) -> Vec<Block> {
    let session = |session: &super::value::Session| {
        let end = match &session.end {
            SessionEnd::Left(why) => Cell::of(prose(&format!("left: {why}"))),
            SessionEnd::TakenOver => Cell::words("the run was taken from it"),
            SessionEnd::Crashed => Cell::words("ended without leaving in order"),
            SessionEnd::Holds => Cell::words("holds the run now"),
        };
        let calls = session.calls.as_ref().map(|calls| calls.values().sum::<u64>().to_string());
        let sent = Cell::words(calls.unwrap_or_else(|| "not known".to_owned()));
        Row::Cells(vec![
            Cell::words(format!("{} (pid {})", who(&session.holder.actor), session.holder.pid)),
            Cell::of(vec![Piece::Time(session.from)]),
            Cell::of(vec![Piece::Time(session.to)]),
            end,
            sent,
        ])
    };
    let columns = vec![column("Process"), column("From"), column("Last seen"), column("How it ended"), numbers("Requests")];
    let rows = report.sessions.iter().map(session).collect();
    let mut blocks = vec![Block::Table(Table { caption: "The processes that worked on the run".to_owned(), columns, rows })];
    let calls = &report.calls;
    let mut said = format!("{} requests to AWS were counted", calls.total);
    if calls.predicted > 0 {
        said.push_str(&format!("; the first plan expected about {}", calls.predicted));
    }
    said.push('.');
    if calls.uncounted_sessions > 0 {
        let sessions = text::count(calls.uncounted_sessions, "session", "sessions");
        said.push_str(&format!(" Those of {sessions} are not known: a process counts when it leaves in order."));
    }
    blocks.push(Block::Para(vec![words(said)]));
    let mut actions: Vec<(&String, &u64)> = calls.by_action.iter().collect();
    actions.sort_by_key(|(name, times)| (std::cmp::Reverse(**times), (*name).clone()));
    let row = |(action, times): (&String, &u64)| Row::Cells(vec![Cell::of(vec![code(action)]), Cell::words(times.to_string())]);
    if !actions.is_empty() {
        let columns = vec![column("Action"), numbers("Requests")];
        let caption = "Requests by action, the most frequent first".to_owned();
        blocks.push(Block::Table(Table { caption, columns, rows: actions.into_iter().map(row).collect() }));
    }
    blocks
}
