//! The forms: that each says what the report says, and is sound.

use serde_json::json;

use crate::model::{Disposition, Outcome};
use crate::ui::fixtures::{self, Story};

use super::stories::{done, eventful, pretty, told};
use super::well_formed::problems;

#[test]
fn every_page_is_sound() {
    let mut stopped = Story::of(fixtures::plan());
    stopped.through(3);
    let mut nothing = fixtures::plan();
    nothing.stages.iter_mut().for_each(|stage| {
        stage.waves.clear();
        stage.resources.iter_mut().for_each(|resource| resource.disposition = Disposition::AlreadySo);
    });
    let mut empty = Story::of(nothing);
    empty.then(0, fixtures::ended(Outcome::Done, ""));
    for story in [done(), eventful(), stopped, empty, Story::of(fixtures::plan_with_lanes())] {
        let page = super::super::html(&told(&story));
        assert_eq!(problems(&page), Vec::<String>::new());
    }
}

/// A section of an eventful run's Markdown.
fn section(name: &str) -> String {
    let text = super::super::markdown(&told(&eventful()));
    let (_, rest) = text.split_once(&format!("## {name}\n\n")).expect("the section");
    rest.split("\n\n## ").next().unwrap_or_default().to_owned()
}

#[test]
fn the_head_and_the_stages_in_markdown() {
    let text = super::super::markdown(&told(&eventful()));
    let (head, _) = text.split_once("\n\n## ").expect("sections");
    insta::assert_snapshot!(head, @r#"
    # Run r7k2: jaeger-sidecar-to-shared in staging

    **paused**: 4 of 6 stages done

    | | |
    | --- | --- |
    | Environment | staging |
    | Account and Region | 111122223333, us-west-2 |
    | Cluster | `nexus-ai-cluster-staging` |
    | Services | `nexus-ai-api-staging` |
    | Planned as | `arn:aws:sts::111122223333:assumed-role/deployer/alice` |
    | Operators | alice@bastion<br>bob@laptop |
    | Started (UTC) | 2026-01-02 03:04:05Z |
    | Last record | 2026-01-02 03:49:48Z |
    | Took | 45m 43s, 5m 42s of it at work, 40m 00s unattended<br>predicted: 8m 40s |
    | Digest of the plan | `7a508f8bd049d20efe881194969859e4fe9ef4be82338dd4a93ebc594bc6668a` |
    "#);
    insta::assert_snapshot!(section("Stages"), @r#"
    The stages, and how long a step of each was under way:

    | Stage | State | Began | Predicted | Took |
    | --- | --- | --- | ---: | ---: |
    | 1/6 create-log-group | done | 2026-01-02 03:04:05Z |  | 2s |
    | 2/6 register-task-definition | done | 2026-01-02 03:04:07Z |  | 1s |
    | 3/6 create-service | done | 2026-01-02 03:04:08Z | 1m 40s | 4m 16s |
    | 4/6 register-dns | done | 2026-01-02 03:18:24Z | 2m 20s | 1m 23s |
    | 5/6 retarget-api-env | not begun |  | 2m 20s |  |
    | 6/6 strip-sidecar | not begun |  | 2m 20s |  |
    "#);
}

#[test]
fn decisions_and_plans_in_markdown() {
    insta::assert_snapshot!(section("Decisions"), @r#"
    What people decided:

    | When | Who | What | In their words |
    | --- | --- | --- | --- |
    | 2026-01-02 03:04:05Z | alice@bastion | agreed to the plan and started the run (digest 20e2cb42b7e01ce0) |  |
    | 2026-01-02 03:15:39Z | bob@laptop<br>`arn:aws:iam::111122223333:user/bob` | agreed to an amended plan (digest 7a508f8bd049d20e) |  |
    "#);
    insta::assert_snapshot!(section("Plans"), @r#"
    The plans that were in force, in order:

    | Plan | Adopted | Why | Size | Digest (SHA-256) |
    | --- | --- | --- | --- | --- |
    | 1 | 2026-01-02 03:04:05Z<br>alice@bastion | the run's start | 6 stages, 17 steps | `20e2cb42b7e01ce09df8dc4fb1e2563610162421934f4a894a80878171307c0b` |
    | 2 | 2026-01-02 03:15:39Z<br>bob@laptop | amended<br>image: "a:1" → "a:2" | 6 stages, 17 steps | `7a508f8bd049d20efe881194969859e4fe9ef4be82338dd4a93ebc594bc6668a` |

    What the first plan said of capacity:

    - freed: 512 CPU units and 1024 MiB that 2 sidecars reserve in nexus-ai-api-staging, whose tasks keep their size (4096 CPU units, 8192 MiB)
    - taken: 1024 CPU units and 2048 MiB by nexus-ai-jaeger-staging (1 task)
    "#);
}

#[test]
fn the_timeline_in_markdown() {
    insta::assert_snapshot!(section("Timeline"), @r#"
    Everything that happened, by the time at which it began:

    | Began | What | Kind | Took |
    | --- | --- | --- | ---: |
    | **the run** |  |  |  |
    | 2026-01-02 03:04:05Z | plan agreed to by alice@bastion: 6 stages, 17 steps | plan |  |
    | 2026-01-02 03:04:05Z | alice@bastion (pid 4711) works on the run | taken up |  |
    | **create-log-group** |  |  |  |
    | 2026-01-02 03:04:05Z | create log group /ecs/nexus-ai-jaeger-staging | done | 1s |
    | 2026-01-02 03:04:06Z | keep its logs for 7 days | done | 1s |
    | **register-task-definition** |  |  |  |
    | 2026-01-02 03:04:07Z | register nexus-ai-jaeger-staging | done | 1s |
    | **create-service** |  |  |  |
    | 2026-01-02 03:04:08Z | create service nexus-ai-jaeger-staging | done | 1s |
    | 2026-01-02 03:04:09Z | wait for the rollout of nexus-ai-jaeger-staging<br>the rollout of `nexus-ai-api-staging` failed<br>deployment ecs-svc/0412 was rolled back by the circuit breaker<br>3 tasks stopped: CannotPullContainerError | failed | 1m 30s |
    | **the run** |  |  |  |
    | 2026-01-02 03:05:39Z | alice@bastion (pid 4711) left: done | left |  |
    | 2026-01-02 03:15:39Z | bob@laptop (pid 99) took the run up, after 10m 00s | taken up |  |
    | 2026-01-02 03:15:39Z | plan amended by bob@laptop: 6 stages, 17 steps<br>image: "a:1" → "a:2" | plan |  |
    | **create-service** |  |  |  |
    | 2026-01-02 03:15:39Z | create service nexus-ai-jaeger-staging | done | 1s |
    | 2026-01-02 03:15:40Z | wait for the rollout of nexus-ai-jaeger-staging | done | 1m 22s |
    | 2026-01-02 03:17:02Z | wait until its task is healthy in nexus-ai-jaeger-tg-staging | done | 1m 22s |
    | **register-dns** |  |  |  |
    | 2026-01-02 03:18:24Z | create Cloud Map service jaeger.nexus-ai.local | cut off |  |
    | **the run** |  |  |  |
    | 2026-01-02 03:18:24Z | bob@laptop (pid 99) ended without leaving in order<br>this is its last sign of life in the journal | crash |  |
    | 2026-01-02 03:48:24Z | alice@bastion (pid 4711) took the run up, after 30m 00s | taken up |  |
    | **register-dns** |  |  |  |
    | 2026-01-02 03:48:25Z | create Cloud Map service jaeger.nexus-ai.local: looked at in AWS: its effect is there | looked at |  |
    | 2026-01-02 03:48:25Z | attach it to nexus-ai-jaeger-staging | done | 1s |
    | 2026-01-02 03:48:26Z | wait for a healthy instance | done | 1m 22s |
    | **the run** |  |  |  |
    | 2026-01-02 03:49:48Z | alice@bastion (pid 4711) left: done | left |  |
    "#);
    insta::assert_snapshot!(section("Sessions and requests"), @r#"
    The processes that worked on the run:

    | Process | From | Last seen | How it ended | Requests |
    | --- | --- | --- | --- | ---: |
    | alice@bastion (pid 4711) | 2026-01-02 03:04:05Z | 2026-01-02 03:05:39Z | left: done | 30 |
    | bob@laptop (pid 99) | 2026-01-02 03:15:39Z | 2026-01-02 03:18:24Z | ended without leaving in order | not known |
    | alice@bastion (pid 4711) | 2026-01-02 03:48:24Z | 2026-01-02 03:49:48Z | left: done | 12 |

    42 requests to AWS were counted; the first plan expected about 198. Those of 1 session are not known: a process counts when it leaves in order.

    Requests by action, the most frequent first:

    | Action | Requests |
    | --- | ---: |
    | `ecs:DescribeServices` | 42 |

    ---

    From the 29 records of the run's journal, the last of 2026-01-02 03:49:48Z. All times are in UTC, by the clock of the machine that worked on the run.

    <!-- sidestep-report -->
    "#);
}

#[test]
fn the_page_of_a_run_that_is_done() {
    let page = super::super::html(&told(&done()));
    let part = |from: &str, to: &str| {
        let (_, rest) = page.split_once(from).expect("its beginning");
        format!("{from}{}", rest.split_once(to).map_or(rest, |(part, _)| part))
    };
    insta::assert_snapshot!(part("<header>", "<nav"), @r#"
    <header><p class="brand">sidestep report</p>
    <h1>Run r7k2: jaeger-sidecar-to-shared in staging</h1>
    <p class="outcome"><span class="tag good">done</span> 6 of 6 stages done: all stages are done</p>
    <dl><div><dt>Environment</dt><dd>staging</dd>
    </div>
    <div><dt>Account and Region</dt><dd>111122223333, us-west-2</dd>
    </div>
    <div><dt>Cluster</dt><dd><code>nexus-ai-cluster-staging</code></dd>
    </div>
    <div><dt>Services</dt><dd><code>nexus-ai-api-staging</code></dd>
    </div>
    <div><dt>Planned as</dt><dd><code>arn:aws:<wbr/>sts::111122223333:<wbr/>assumed-role/<wbr/>deployer/<wbr/>alice</code></dd>
    </div>
    <div><dt>Operators</dt><dd>alice@bastion</dd>
    </div>
    <div><dt>Started (UTC)</dt><dd><time datetime="2026-01-02T03:04:05Z">2026-01-02 03:04:05Z</time></dd>
    </div>
    <div><dt>Ended</dt><dd><time datetime="2026-01-02T03:12:39Z">2026-01-02 03:12:39Z</time></dd>
    </div>
    <div><dt>Took</dt><dd>8m 34s, 8m 34s of it at work</dd>
    <dd>predicted: 8m 40s</dd>
    </div>
    <div><dt>Digest of the plan</dt><dd><code>20be084daa3c617e5cc2781a49068fcde96770b90fa66a102d2869b8228f4069</code></dd>
    </div>
    </dl></header>
    "#);
    insta::assert_snapshot!(part("<section id=\"stages\"", "<section id=\"state\""), @r#"
    <section id="stages" aria-labelledby="stages-heading"><h2 id="stages-heading">Stages</h2>
    <table role="table"><caption>The stages, and how long a step of each was under way</caption>
    <thead role="rowgroup"><tr role="row"><th scope="col" role="columnheader" class="text">Stage</th><th scope="col" role="columnheader" class="text">State</th><th scope="col" role="columnheader" class="text">Began</th><th scope="col" role="columnheader" class="number">Predicted</th><th scope="col" role="columnheader" class="number">Took</th><th scope="col" role="columnheader" class="text">Bars (outlined: predicted)</th></tr>
    </thead>
    <tbody role="rowgroup"><tr role="row"><th scope="row" role="rowheader" class="text"><div>1/6 create-log-group</div>
    </th><td role="cell" class="text" data-column="State"><div><span class="tag good">done</span></div>
    </td><td role="cell" class="text" data-column="Began"><div><time datetime="2026-01-02T03:04:05Z">2026-01-02 03:04:05Z</time></div>
    </td><td role="cell" class="empty" data-column="Predicted"><div></div>
    </td><td role="cell" class="number" data-column="Took"><div>2s</div>
    </td><td role="cell" class="text" data-column="Bars (outlined: predicted)"><div><span class="bars" aria-hidden="true"><span class="took" style="inline-size: 1.2%"></span></span></div>
    </td></tr>
    <tr role="row"><th scope="row" role="rowheader" class="text"><div>2/6 register-task-definition</div>
    </th><td role="cell" class="text" data-column="State"><div><span class="tag good">done</span></div>
    </td><td role="cell" class="text" data-column="Began"><div><time datetime="2026-01-02T03:04:07Z">2026-01-02 03:04:07Z</time></div>
    </td><td role="cell" class="empty" data-column="Predicted"><div></div>
    </td><td role="cell" class="number" data-column="Took"><div>1s</div>
    </td><td role="cell" class="text" data-column="Bars (outlined: predicted)"><div><span class="bars" aria-hidden="true"><span class="took" style="inline-size: 0.6%"></span></span></div>
    </td></tr>
    <tr role="row"><th scope="row" role="rowheader" class="text"><div>3/6 create-service</div>
    </th><td role="cell" class="text" data-column="State"><div><span class="tag good">done</span></div>
    </td><td role="cell" class="text" data-column="Began"><div><time datetime="2026-01-02T03:04:08Z">2026-01-02 03:04:08Z</time></div>
    </td><td role="cell" class="number" data-column="Predicted"><div>1m 40s</div>
    </td><td role="cell" class="number" data-column="Took"><div>2m 45s</div>
    </td><td role="cell" class="text" data-column="Bars (outlined: predicted)"><div><span class="bars" aria-hidden="true"><span class="predicted" style="inline-size: 60.2%"></span><span class="took" style="inline-size: 99.4%"></span></span></div>
    </td></tr>
    <tr role="row"><th scope="row" role="rowheader" class="text"><div>4/6 register-dns</div>
    </th><td role="cell" class="text" data-column="State"><div><span class="tag good">done</span></div>
    </td><td role="cell" class="text" data-column="Began"><div><time datetime="2026-01-02T03:06:53Z">2026-01-02 03:06:53Z</time></div>
    </td><td role="cell" class="number" data-column="Predicted"><div>2m 20s</div>
    </td><td role="cell" class="number" data-column="Took"><div>1m 24s</div>
    </td><td role="cell" class="text" data-column="Bars (outlined: predicted)"><div><span class="bars" aria-hidden="true"><span class="predicted" style="inline-size: 84.3%"></span><span class="took" style="inline-size: 50.6%"></span></span></div>
    </td></tr>
    <tr role="row"><th scope="row" role="rowheader" class="text"><div>5/6 retarget-api-env</div>
    </th><td role="cell" class="text" data-column="State"><div><span class="tag good">done</span></div>
    </td><td role="cell" class="text" data-column="Began"><div><time datetime="2026-01-02T03:08:17Z">2026-01-02 03:08:17Z</time></div>
    </td><td role="cell" class="number" data-column="Predicted"><div>2m 20s</div>
    </td><td role="cell" class="number" data-column="Took"><div>1m 36s</div>
    </td><td role="cell" class="text" data-column="Bars (outlined: predicted)"><div><span class="bars" aria-hidden="true"><span class="predicted" style="inline-size: 84.3%"></span><span class="took" style="inline-size: 57.8%"></span></span></div>
    </td></tr>
    <tr role="row"><th scope="row" role="rowheader" class="text"><div>6/6 strip-sidecar</div>
    </th><td role="cell" class="text" data-column="State"><div><span class="tag good">done</span></div>
    </td><td role="cell" class="text" data-column="Began"><div><time datetime="2026-01-02T03:09:53Z">2026-01-02 03:09:53Z</time></div>
    </td><td role="cell" class="number" data-column="Predicted"><div>2m 20s</div>
    </td><td role="cell" class="number" data-column="Took"><div>2m 46s</div>
    </td><td role="cell" class="text" data-column="Bars (outlined: predicted)"><div><span class="bars" aria-hidden="true"><span class="predicted" style="inline-size: 84.3%"></span><span class="took" style="inline-size: 100.0%"></span></span></div>
    </td></tr>
    </tbody>
    </table>
    </section>
    "#);
}

#[test]
fn json_says_what_it_is() {
    let value = super::super::json(&told(&eventful()));
    assert_eq!((value["format"].as_str(), value["version"].as_u64()), (Some("sidestep-report"), Some(1)));
    let members: Vec<&String> = value.as_object().expect("an object").keys().collect();
    insta::assert_debug_snapshot!(members, @r#"
    [
        "calls",
        "changes",
        "decisions",
        "findings",
        "format",
        "outcome",
        "passages",
        "plans",
        "records",
        "remains",
        "resources",
        "run",
        "runbook",
        "sessions",
        "started",
        "status",
        "target",
        "timeline",
        "times",
        "updated",
        "version",
    ]
    "#);
    insta::assert_snapshot!(pretty(&json!(value["passages"][0]["stages"][2])), @r#"
    {
      "atWorkSeconds": 256.0,
      "from": "2026-01-02T03:04:08Z",
      "lanes": [
        {
          "atWorkSeconds": 256.0,
          "done": 3,
          "steps": 3,
          "target": "nexus-ai-jaeger-staging"
        }
      ],
      "number": 3,
      "predictedSeconds": 100.0,
      "stage": "create-service",
      "state": "done",
      "to": "2026-01-02T03:18:24Z"
    }
    "#);
    insta::assert_snapshot!(pretty(&json!(value["sessions"][1])), @r#"
    {
      "end": {
        "kind": "crashed"
      },
      "from": "2026-01-02T03:15:39Z",
      "holder": {
        "actor": {
          "host": "laptop",
          "identity": "arn:aws:iam::111122223333:user/bob",
          "user": "bob"
        },
        "fence": 2,
        "pid": 99
      },
      "to": "2026-01-02T03:18:24Z"
    }
    "#);
    let failed = value["timeline"].as_array().and_then(|all| all.iter().find(|entry| entry["kind"] == "failed"));
    insta::assert_snapshot!(pretty(&json!(failed)), @r#"
    {
      "at": "2026-01-02T03:04:09Z",
      "details": [
        "the rollout of `nexus-ai-api-staging` failed",
        "deployment ecs-svc/0412 was rolled back by the circuit breaker",
        "3 tasks stopped: CannotPullContainerError"
      ],
      "kind": "failed",
      "lane": "nexus-ai-jaeger-staging",
      "seq": 11,
      "stage": "create-service",
      "step": "create-service/nexus-ai-jaeger-staging/rollout",
      "tookSeconds": 90.0,
      "what": "wait for the rollout of nexus-ai-jaeger-staging"
    }
    "#);
    assert_eq!(value["plans"][0]["plan"]["format"], "sidestep-plan");
}
