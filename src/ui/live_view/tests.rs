use super::*;
use crate::model::{RecordBody, StepClass, Wave};
use crate::ui::fixtures::{self, Story, id};

fn style(width: usize) -> Style {
    Style { width, ..Style::plain() }
}

fn shown(story: &Story, seen: &Seen, later: i64, width: usize, rows: usize) -> Vec<String> {
    let at = story.at + SignedDuration::from_secs(later);
    let lines = render(&story.view(), seen, at, Frame { rows, turn: 0, looks_on: false }, &style(width));
    for line in &lines {
        assert!(line.chars().count() < width, "wider than {width}: {line:?}");
    }
    assert!(lines.len() < rows.max(4), "{} lines on {rows} rows", lines.len());
    lines
}

fn rollout(running: i64) -> Progress {
    Progress::Rollout {
        desired: 2,
        pending: 2 - running,
        running,
        failed: 1,
        old: 2,
        revision: "nexus-ai-api-staging:3".to_owned(),
        replaces: "nexus-ai-api-staging:2".to_owned(),
    }
}

/// The API's own rollout is under way.
fn rolling() -> (Story, Seen) {
    let mut plan = fixtures::plan();
    let step = id(&plan, 5, 0, "rollout");
    for lane in plan.stages.iter_mut().flat_map(|stage| &mut stage.waves).flat_map(|wave| &mut wave.lanes) {
        for step in lane.steps.iter_mut().filter(|step| step.class == StepClass::Wait) {
            step.expected_s = Some(140);
        }
    }
    let mut story = Story::of(plan.clone());
    story.through(4);
    for name in ["register", "update"] {
        story.does(1, &id(&plan, 5, 0, name));
    }
    story.then(0, fixtures::started(&step, 1));
    let mut seen = Seen::default();
    seen.note(&step, &rollout(1));
    seen.note(&step, &Progress::Targets { healthy: 3, total: 4, draining: 1 });
    (story, seen)
}

#[test]
fn the_stages_with_the_one_under_way_in_full() {
    let (story, seen) = rolling();
    insta::assert_snapshot!(shown(&story, &seen, 72, 100, 40).join("\n"), @r"
    run r7k2  5m 26s of about 9 min  staging  111122223333 us-west-2
      ✓ 1/6 create-log-group          2s
      ✓ 2/6 register-task-definition  1s
      ✓ 3/6 create-service            2m 45s
      ✓ 4/6 register-dns              1m 24s
      ▸ 5/6 retarget-api-env          1m 14s
          ✓ register nexus-ai-api-staging with the new endpoint  1s
          ✓ point nexus-ai-api-staging at the new revision  1s
          ⠋ wait for the rollout of nexus-ai-api-staging  1m 12s of about 2m 20s, up to 30m
              ██████░░░░░░ 1 of 2 tasks running, 1 pending, 1 failed, 2 old still running
              nexus-ai-api-staging:3, replaces nexus-ai-api-staging:2
              █████████░░░ 3 of 4 targets healthy, 1 draining
          · check that spans arrive
      · 6/6 strip-sidecar
      Ctrl-C pauses after the present step; elsewhere: sidestep status r7k2 --watch
    ");
}

#[test]
fn on_eighty_columns_and_twenty_four_rows() {
    let (story, seen) = rolling();
    insta::assert_snapshot!(shown(&story, &seen, 72, 80, 24).join("\n"), @r"
    run r7k2  5m 26s of about 9 min  staging  111122223333 us-west-2
      ✓ 1/6 create-log-group          2s
      ✓ 2/6 register-task-definition  1s
      ✓ 3/6 create-service            2m 45s
      ✓ 4/6 register-dns              1m 24s
      ▸ 5/6 retarget-api-env          1m 14s
          ✓ register nexus-ai-api-staging with the new endpoint  1s
          ✓ point nexus-ai-api-staging at the new revision  1s
          ⠋ wait for the rollout of nexus-ai-api-staging  1m 12s of about 2m 20s
              ██████░░░░░░ 1 of 2 tasks running, 1 pending, 1 failed, 2 old still …
              nexus-ai-api-staging:3, replaces nexus-ai-api-staging:2
              █████████░░░ 3 of 4 targets healthy, 1 draining
          · check that spans arrive
      · 6/6 strip-sidecar
      Ctrl-C pauses after the present step; elsewhere: sidestep status r7k2 --watch
    ");
}

#[test]
fn on_sixty_columns_and_few_rows() {
    let (story, seen) = rolling();
    insta::assert_snapshot!(shown(&story, &seen, 1750, 60, 13).join("\n"), @r"
    run r7k2  33m 24s of about 9 min  staging  111122223333 us…
      ✓ 4 stages done
      ▸ 5/6 retarget-api-env          29m 12s
          ✓ 2 steps done
          ⠋ wait for the ro…  29m 10s of about 2m 20s, 50s left
              ██████░░░░░░ 1 of 2 tasks running, 1 pending, 1 …
              nexus-ai-api-staging:3, replaces nexus-ai-api-st…
              █████████░░░ 3 of 4 targets healthy, 1 draining
          · 1 step to come
      · 6/6 strip-sidecar
      Ctrl-C pauses after the present step; elsewhere: sideste…
    ");
}

#[test]
fn it_fits_whatever_the_size() {
    let (story, seen) = rolling();
    for rows in 1..30 {
        for width in [40, 60, 80, 132] {
            shown(&story, &seen, 10, width, rows);
        }
    }
}

#[test]
fn hundreds_of_lanes_are_folded() {
    let mut plan = fixtures::plan();
    let lane = plan.stages[4].waves[0].lanes[0].clone();
    let waves = (0..60).map(|wave| {
        let lanes = (0..5).map(|at| {
            let target = format!("api-{:03}", wave * 5 + at);
            let mut lane = lane.clone();
            lane.target.clone_from(&target);
            for step in &mut lane.steps {
                step.id = StepId::new(step.id.as_str().replace(fixtures::API, &target));
                step.title = step.title.replace(fixtures::API, &target);
            }
            lane
        });
        Wave { lanes: lanes.collect() }
    });
    plan.stages[4].waves = waves.collect();
    let mut story = Story::of(plan.clone());
    story.through(4);
    let lanes: Vec<Lane> = plan.stages[4].lanes().cloned().collect();
    for lane in &lanes[..200] {
        for step in &lane.steps {
            story.does(0, &step.id);
        }
    }
    for lane in &lanes[200..205] {
        story.does(0, &lane.steps[0].id);
        story.then(0, fixtures::started(&lane.steps[1].id, 1));
    }
    insta::assert_snapshot!(shown(&story, &Seen::default(), 3, 80, 24).join("\n"), @r"
    run r7k2  4m 15s of about 9 min  staging  111122223333 us-west-2
      ✓ 1/6 create-log-group          2s
      ✓ 2/6 register-task-definition  1s
      ✓ 3/6 create-service            2m 45s
      ✓ 4/6 register-dns              1m 24s
      ▸ 5/6 retarget-api-env          3s
          ████████░░░░ 200 of 300 lanes done, 95 to come
          ⠋ point api-200 at the new revision  3s
          ⠋ point api-201 at the new revision  3s
          ⠋ point api-202 at the new revision  3s
          ⠋ point api-203 at the new revision  3s
          ⠋ point api-204 at the new revision  3s
      · 6/6 strip-sidecar
      Ctrl-C pauses after the present step; elsewhere: sidestep status r7k2 --watch
    ");
    insta::assert_snapshot!(shown(&story, &Seen::default(), 3, 80, 12).join("\n"), @r"
    run r7k2  4m 15s of about 9 min  staging  111122223333 us-west-2
      ✓ 4 stages done
      ▸ 5/6 retarget-api-env          3s
          ████████░░░░ 200 of 300 lanes done, 95 to come
          ⠋ point api-200 at the new revision  3s
          ⠋ point api-201 at the new revision  3s
          ▸ 3 more lanes under way
      · 6/6 strip-sidecar
      Ctrl-C pauses after the present step; elsewhere: sidestep status r7k2 --watch
    ");
}

#[test]
fn who_looks_on_sees_what_is_asked_elsewhere() {
    let mut story = Story::of(fixtures::plan());
    story.through(4);
    let question = "Start stage retarget-api-env in staging?".to_owned();
    story.then(0, RecordBody::Asked { question, stage: None });
    let lines = shown(&story, &Seen::default(), 3, 80, 24);
    assert_eq!(lines.last().map(String::as_str), Some("  ‖ alice@bastion is asked: Start stage retarget-api-env in staging?"));
}

#[test]
fn a_time_of_watching_counts_down() {
    let mut plan = fixtures::plan();
    let mut lane = plan.stages[4].waves[0].lanes[0].clone();
    lane.target = "bake".to_owned();
    lane.steps.truncate(1);
    let step = &mut lane.steps[0];
    (step.action, step.class, step.expected_s) = (crate::model::GATE_BAKE.to_owned(), StepClass::Wait, Some(600));
    (step.id, step.title) = (StepId::new("retarget-api-env/bake/bake"), "watch that retarget-api-env stays well".to_owned());
    let bake = step.id.clone();
    plan.stages[4].waves.push(Wave { lanes: vec![lane] });
    let mut story = Story::of(plan.clone());
    story.through(4);
    for step in plan.stages[4].waves[0].lanes[0].steps.clone() {
        story.does(1, &step.id);
    }
    story.then(0, fixtures::started(&bake, 1));
    let mut seen = Seen::default();
    seen.note(&bake, &Progress::Countdown { left_s: 150, seen: "nexus-ai-api-staging: 2 of 2 tasks run".to_owned() });
    insta::assert_snapshot!(shown(&story, &seen, 450, 80, 24).join("\n"), @r"
    run r7k2  11m 46s of about 9 min  staging  111122223333 us-west-2
      ✓ 1/6 create-log-group          2s
      ✓ 2/6 register-task-definition  1s
      ✓ 3/6 create-service            2m 45s
      ✓ 4/6 register-dns              1m 24s
      ▸ 5/6 retarget-api-env          7m 34s
          ✓ register nexus-ai-api-staging with the new endpoint  1s
          ✓ point nexus-ai-api-staging at the new revision  1s
          ✓ wait for the rollout of nexus-ai-api-staging  1s
          ✓ check that spans arrive  1s
          ⠋ watch that retarget-api-env stays well  7m 30s of about 10m
              █████████░░░ 2m 30s to go, nexus-ai-api-staging: 2 of 2 tasks run
      · 6/6 strip-sidecar
      Ctrl-C pauses after the present step; elsewhere: sidestep status r7k2 --watch
    ");
}
