use super::*;
use crate::aws::scripted::{Scripted, Server, over_sockets};

const SINCE: i64 = 1_764_000_000;

/// A name, what a server answers, and what is made of it.
type Case<'a, T> = (&'a str, Vec<(&'a str, Scripted)>, Result<T, String>);

fn json(body: &str) -> Scripted {
    Scripted::json(body)
}

fn error(status: u16, message: &str) -> Scripted {
    let body = format!(r#"{{"error":{{"httpCode":{status},"message":"{message}"}}}}"#);
    Scripted::Answer(status, "application/json", body)
}

fn status(status: u16) -> Scripted {
    Scripted::Answer(status, "text/plain", "secret words".to_owned())
}

/// What a v3 answer says of traces: ids and when their spans began, in seconds after the time asked for.
fn newer(spans: &[(&str, i64)]) -> String {
    let span = |(trace, after): &(&str, i64)| {
        let at = (SINCE + after) * 1_000_000_000;
        format!(r#"{{"scopeSpans":[{{"spans":[{{"traceId":"{trace}","startTimeUnixNano":"{at}"}}]}}]}}"#)
    };
    let spans: Vec<String> = spans.iter().map(span).collect();
    format!(r#"{{"result":{{"resourceSpans":[{}]}}}}"#, spans.join(","))
}

fn older(traces: &[&[i64]]) -> String {
    let span = |after: &i64| format!(r#"{{"startTime":{}}}"#, (SINCE + after) * 1_000_000);
    let trace = |(at, spans): (usize, &&[i64])| {
        format!(r#"{{"traceID":"t{at}","spans":[{}]}}"#, spans.iter().map(span).collect::<Vec<_>>().join(","))
    };
    let traces: Vec<String> = traces.iter().enumerate().map(trace).collect();
    format!(r#"{{"data":[{}],"total":0,"errors":null}}"#, traces.join(","))
}

#[tokio::test]
async fn services_are_read_from_either_api_and_from_nothing_else() {
    let aws = over_sockets();
    let not = "something answers, but not as Jaeger's query API does: /api/v3/services gave ";
    let cases: &[Case<'_, &[&str]>] = &[
        ("both", vec![(NEWER_SERVICES, json(r#"{"services":["api","jaeger"]}"#))], Ok(&["api", "jaeger"])),
        (
            "the older one alone, on an image without a base path",
            vec![(OLDER_SERVICES, json(r#"{"data":["api"],"total":1,"errors":null}"#)), ("*", Scripted::html())],
            Ok(&["api"]),
        ),
        ("none yet, older", vec![(OLDER_SERVICES, json(r#"{"data":null,"errors":null}"#))], Ok(&[])),
        ("none yet, newer alone", vec![(NEWER_SERVICES, json("{}"))], Ok(&[])),
        (
            "none yet by the newer, which the older knows better",
            vec![(NEWER_SERVICES, json(r#"{"services":[]}"#)), (OLDER_SERVICES, json(r#"{"data":["api"]}"#))],
            Ok(&["api"]),
        ),
        (
            "a start page for everything: a base path that is missing",
            vec![("*", Scripted::html())],
            Err(format!(
                "{not}HTTP 200, text/html, /api/services gave HTTP 200, text/html; a page where the API should be may mean \
                 another base path"
            )),
        ),
        (
            "somebody else's JSON",
            vec![("*", json(r#"{"message":"hello"}"#))],
            Err(format!("{not}HTTP 200, application/json, /api/services gave HTTP 200, application/json")),
        ),
        (
            "somebody else's JSON that is empty",
            vec![("*", json("{}"))],
            Err("something answers, but not as Jaeger's query API does: /api/services gave HTTP 200, application/json".to_owned()),
        ),
        (
            "no JSON in spite of its type",
            vec![("*", json("<html>"))],
            Err(format!("{not}HTTP 200, application/json, /api/services gave HTTP 200, application/json")),
        ),
        ("nothing there", vec![], Err(format!("{not}HTTP 404, text/plain, /api/services gave HTTP 404, text/plain"))),
        (
            "errors",
            vec![(NEWER_SERVICES, status(500)), (OLDER_SERVICES, status(503))],
            Err(format!("{not}HTTP 500, text/plain, /api/services gave HTTP 503, text/plain")),
        ),
        (
            "a login in between",
            vec![("*", Scripted::To(302, "https://login.example.com/authorize?state=secret".to_owned()))],
            Err(format!("{not}HTTP 302 to https://login.example.com, /api/services gave HTTP 302 to https://login.example.com")),
        ),
        ("silence", vec![("*", Scripted::Hang)], Err("no answer within 5 s".to_owned())),
        (
            "an answer without end",
            vec![("*", Scripted::Raw(format!("HTTP/1.1 200 OK\r\n\r\n{}", " ".repeat(5 << 20)).into_bytes()))],
            Err(
                "something answers, but not as Jaeger's query API does: an answer of more than 4 MiB, an answer of more than 4 MiB"
                    .to_owned(),
            ),
        ),
    ];
    for (name, script, wanted) in cases {
        let server = Server::of(script).await;
        let found = JaegerQuery.services(&aws, &server.url()).await;
        let wanted = wanted.clone().map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(found, wanted, "{name}");
    }
    assert_eq!(JaegerQuery.services(&aws, "http://127.0.0.1:1").await, Err("no connection".to_owned()));
}

#[tokio::test]
async fn the_base_path_and_its_redirects_are_part_of_the_address() {
    let aws = over_sockets();
    let script = [
        ("/jaeger/api/v3/services", Scripted::To(307, "/jaeger/api/v3/services/".to_owned())),
        ("/jaeger/api/v3/services/", json(r#"{"services":["api"]}"#)),
    ];
    let server = Server::of(&script).await;
    for base in ["/jaeger", "/jaeger/"] {
        let found = JaegerQuery.services(&aws, &format!("{}{base}", server.url())).await;
        assert_eq!(found, Ok(vec!["api".to_owned()]), "{base}");
    }
    assert!(JaegerQuery.services(&aws, &server.url()).await.is_err(), "without it nothing is there");
}

#[tokio::test]
async fn a_trace_counts_when_all_of_it_began_since() {
    let aws = over_sockets();
    let since = Timestamp::from_second(SINCE).expect("a time");
    let not = "something answers, but not as Jaeger's query API does: ";
    let cases: &[Case<'_, bool>] = &[
        ("since", vec![(NEWER_TRACES, json(&newer(&[("a", 0)])))], Ok(true)),
        ("before, with a span since", vec![(NEWER_TRACES, json(&newer(&[("a", 5), ("a", -1)])))], Ok(false)),
        ("one before and one since", vec![(NEWER_TRACES, json(&newer(&[("a", -1), ("b", 1)])))], Ok(true)),
        ("streamed one by one", vec![(NEWER_TRACES, json(&format!("{}\n{}", newer(&[("a", -1)]), newer(&[("b", 1)]))))], Ok(true)),
        ("none", vec![(NEWER_TRACES, error(404, "No traces found"))], Ok(false)),
        ("an empty result", vec![(NEWER_TRACES, json(r#"{"result":{}}"#))], Ok(false)),
        (
            "times that do not read",
            vec![(NEWER_TRACES, json(&newer(&[("a", 1)]).replace("\"startTimeUnixNano\"", "\"x\"")))],
            Ok(false),
        ),
        ("older, since", vec![(OLDER_TRACES, json(&older(&[&[1]])))], Ok(true)),
        ("older, before, with a span since", vec![(OLDER_TRACES, json(&older(&[&[1, -1]])))], Ok(false)),
        ("older, one before and one since", vec![(OLDER_TRACES, json(&older(&[&[-1], &[1]]))), ("*", Scripted::html())], Ok(true)),
        ("older, none", vec![(OLDER_TRACES, json(r#"{"data":null}"#))], Ok(false)),
        ("the newer one refuses", vec![(NEWER_TRACES, error(400, "malformed")), (OLDER_TRACES, json(&older(&[&[1]])))], Ok(true)),
        (
            "both refuse",
            vec![(NEWER_TRACES, error(400, "malformed")), (OLDER_TRACES, status(500))],
            Err(format!("{not}/api/v3/traces gave HTTP 400, application/json, /api/traces gave HTTP 500, text/plain")),
        ),
        (
            "another's 404",
            vec![],
            Err(format!("{not}/api/v3/traces gave HTTP 404, text/plain, /api/traces gave HTTP 404, text/plain")),
        ),
        ("silence", vec![("*", Scripted::Hang)], Err("no answer within 5 s".to_owned())),
    ];
    for (name, script, wanted) in cases {
        let server = Server::of(script).await;
        assert_eq!(JaegerQuery.has_trace_since(&aws, &server.url(), "api", since).await, *wanted, "{name}");
    }
}

#[tokio::test]
async fn a_search_names_service_time_and_number_and_makes_do_with_less_when_that_is_too_much() {
    let aws = over_sockets();
    let since = Timestamp::from_microsecond(SINCE * 1_000_000 + 500_000).expect("a time");
    let server = Server::of(&[(NEWER_TRACES, error(404, "No traces found"))]).await;
    assert_eq!(JaegerQuery.has_trace_since(&aws, &server.url(), "a b&c", since).await, Ok(false));
    assert_eq!(
        server.asked(),
        ["/api/v3/traces?query.service_name=a+b%26c&query.start_time_min=2025-11-24T16:00:00.5Z\
          &query.start_time_max=2025-12-25T16:00:00.5Z&query.num_traces=20"]
    );
    let long = format!("HTTP/1.1 200 OK\r\n\r\n{}", " ".repeat(5 << 20)).into_bytes();
    let server = Server::of(&[("*", Scripted::Raw(long))]).await;
    let found = JaegerQuery.has_trace_since(&aws, &server.url(), "api", since).await;
    assert!(found.as_ref().is_err_and(|why| why.contains("an answer of more than 4 MiB")), "{found:?}");
    let limits: Vec<String> = server.asked().iter().filter_map(|path| path.rsplit('=').next().map(str::to_owned)).collect();
    assert_eq!(limits, ["20", "1", "1"], "the newest alone, then the same of the older API");
}
