use aws_sdk_cloudwatchlogs::Client;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::sim::tests::account;

const GROUP: &str = "/ecs/nexus-ai-api-staging";

#[tokio::test(start_paused = true)]
async fn lines_are_found_by_pattern_stream_and_time_over_pages() {
    let (connector, config) = account();
    connector.sim().with(|state| {
        state.assume.control.events_scanned = 3;
        for n in 0..10 {
            let stream = if n % 2 == 0 { "api/api/a" } else { "jaeger/jaeger/b" };
            let word = if n == 8 { "ERROR boom" } else { "fine" };
            state.logs.append(GROUP, stream, 1_000 + n, &format!("{word} {n}"));
        }
    });
    let logs = Client::new(&config);
    let filter = |pattern: &str, prefix: &str| {
        let call = logs.filter_log_events().log_group_name(GROUP).filter_pattern(pattern).log_stream_name_prefix(prefix);
        let mut pages = call.start_time(1_002).into_paginator().send();
        async move {
            let (mut lines, mut empty) = (Vec::new(), 0);
            while let Some(page) = pages.next().await {
                let page = page.expect("a page");
                empty += usize::from(page.events().is_empty() && page.next_token().is_some());
                lines.extend(page.events().iter().filter_map(|event| event.message()).map(str::to_owned));
            }
            (lines, empty)
        }
    };
    assert_eq!(
        filter("ERROR", "api/").await,
        (vec!["ERROR boom 8".to_owned()], 1),
        "an empty page comes before the one with the line"
    );
    assert_eq!(filter("fine -8", "jaeger/").await.0, ["fine 3", "fine 5", "fine 7", "fine 9"]);
    assert_eq!(filter("?ERROR ?3", "").await.0, ["fine 3", "ERROR boom 8"]);
}

#[tokio::test(start_paused = true)]
async fn one_streams_lines_are_read_from_both_ends() {
    let (connector, config) = account();
    connector.sim().with(|state| (0..5).for_each(|n| state.logs.append(GROUP, "api/api/a", n, &n.to_string())));
    let logs = Client::new(&config);
    let get = |head: bool, token: Option<String>| {
        let call = logs
            .get_log_events()
            .log_group_name(GROUP)
            .log_stream_name("api/api/a")
            .limit(2)
            .start_from_head(head)
            .set_next_token(token);
        async move {
            let page = call.send().await.expect("a page");
            let lines: Vec<String> = page.events().iter().filter_map(|event| event.message()).map(str::to_owned).collect();
            (lines, page.next_forward_token, page.next_backward_token)
        }
    };
    let (latest, _, back) = get(false, None).await;
    assert_eq!(latest, ["3", "4"]);
    assert_eq!(get(false, back).await.0, ["1", "2"]);
    let (first, on, _) = get(true, None).await;
    assert_eq!(first, ["0", "1"]);
    assert_eq!(get(true, on).await.0, ["2", "3"]);
    let gone = logs.get_log_events().log_group_name(GROUP).log_stream_name("none").send().await.expect_err("no such stream");
    assert_eq!(gone.message(), Some("The specified log stream does not exist."));
}

#[tokio::test(start_paused = true)]
async fn groups_with_a_common_prefix_are_listed_in_pages_by_name() {
    let (_, config) = account();
    let logs = Client::new(&config);
    for name in ["/ecs/jaeger-old", "/ecs/jaeger", "/ecs/jaeger2"] {
        logs.create_log_group().log_group_name(name).send().await.expect("a new name");
    }
    let mut pages = logs.describe_log_groups().log_group_name_prefix("/ecs/jaeger").limit(2).into_paginator().send();
    let mut names = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.expect("a page");
        assert!(page.log_groups().len() <= 2);
        names.extend(page.log_groups().iter().filter_map(|group| group.log_group_name()).map(str::to_owned));
    }
    assert_eq!(names, ["/ecs/jaeger", "/ecs/jaeger-old", "/ecs/jaeger2"]);
}

#[tokio::test(start_paused = true)]
async fn names_that_aws_would_refuse_are_refused() {
    let (_, config) = account();
    let logs = Client::new(&config);
    for name in ["with space", "aws/mine", "ä"] {
        let refused = logs.create_log_group().log_group_name(name).send().await.expect_err(name);
        assert_eq!(refused.code(), Some("InvalidParameterException"), "{name}");
    }
    let star =
        logs.list_tags_for_resource().resource_arn("arn:aws:logs:us-west-2:111122223333:log-group:/ecs/nexus-ai-api-staging:*");
    assert_eq!(star.send().await.expect_err("with :*").code(), Some("InvalidParameterException"));
}
