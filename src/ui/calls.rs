//! A call to AWS as a line, for `--verbose`.

use std::time::Duration;

use crate::model::ApiCall;

use super::style::{Style, Tone};
use super::text;

/// The line, without a newline.
pub fn line(call: &ApiCall, style: &Style) -> String {
    let words = match call {
        ApiCall::Ended { service, operation, sent, status, code, request_id, took } => {
            let status = match (status, code) {
                (Some(status), Some(code)) => format!("{status} {}", text::clean(code)),
                (Some(status), None) => status.to_string(),
                (None, _) if *sent => "no answer".to_owned(),
                (None, _) => "not sent".to_owned(),
            };
            let id = request_id.as_ref().map(|id| format!(", request {}", text::clean(id))).unwrap_or_default();
            format!("{service} {operation}: {status} in {}{id}", short(*took))
        }
        ApiCall::Again { operation, next, most, after } => {
            format!("{operation} is tried again in {}, try {next} of at most {most}", short(*after))
        }
    };
    style.paint(Tone::Faint, &format!("aws: {words}"))
}

/// `34 ms`, `1.4 s`.
fn short(time: Duration) -> String {
    match time.as_millis() {
        millis @ 0..1_000 => format!("{millis} ms"),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(status: Option<u16>, code: Option<&str>, request_id: Option<&str>, millis: u64) -> String {
        let call = ApiCall::Ended {
            service: "ECS".to_owned(),
            operation: "UpdateService".to_owned(),
            sent: millis > 0,
            status,
            code: code.map(str::to_owned),
            request_id: request_id.map(str::to_owned),
            took: Duration::from_millis(millis),
        };
        line(&call, &Style::plain())
    }

    #[test]
    fn an_attempt_is_a_line() {
        assert_eq!(ended(Some(200), None, Some("4f1c"), 34), "aws: ECS UpdateService: 200 in 34 ms, request 4f1c");
        assert_eq!(
            ended(Some(400), Some("ThrottlingException"), Some("4f1d"), 1_440),
            "aws: ECS UpdateService: 400 ThrottlingException in 1.4 s, request 4f1d"
        );
        assert_eq!(ended(None, None, None, 15_000), "aws: ECS UpdateService: no answer in 15.0 s");
        assert_eq!(ended(None, None, None, 0), "aws: ECS UpdateService: not sent in 0 ms");
        assert_eq!(
            ended(Some(200), None, Some("a\u{1b}[2Jb"), 1),
            format!("aws: ECS UpdateService: 200 in 1 ms, request {}", text::clean("a\u{1b}[2Jb"))
        );
        assert!(!text::clean("a\u{1b}[2Jb").contains('\u{1b}'));
    }

    #[test]
    fn the_wait_before_the_next_is_one_too() {
        let again =
            ApiCall::Again { operation: "DescribeServices".to_owned(), next: 2, most: 12, after: Duration::from_millis(1_260) };
        assert_eq!(line(&again, &Style::plain()), "aws: DescribeServices is tried again in 1.3 s, try 2 of at most 12");
    }
}
