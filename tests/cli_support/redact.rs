//! What differs from one run to the next, replaced: times, durations, ids, the machine.

/// The text without them.
pub fn redacted(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let line = after_each(line, "alice@", "HOST", |c| c.is_ascii_alphanumeric() || "-._".contains(c));
        let line = after_each(&line, "bob@", "HOST", |c| c.is_ascii_alphanumeric() || "-._".contains(c));
        let line = after_each(&line, "(pid ", "N", |c| c.is_ascii_digit());
        let line = after_each(&line, "(request ", "ID", |c| c.is_ascii_hexdigit() || c == '-');
        let line = after_each(&line, "ecs-svc/", "N", |c| c.is_ascii_digit());
        let line = after_each(&line, "Digest: ", "HEX", |c| c.is_ascii_hexdigit());
        lines.push(without_durations(&without_instants(&line)).trim_end().to_owned());
    }
    lines.join("\n")
}

/// Replaces what follows each `mark`.
fn after_each(text: &str, mark: &str, word: &str, belongs: impl Fn(char) -> bool) -> String {
    let mut parts = text.split(mark);
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(&belongs);
        whole.push_str(mark);
        whole.push_str(if rest.len() < part.len() { word } else { "" });
        whole.push_str(rest);
    }
    whole
}

/// `2026-01-02 03:04:05Z` becomes `TIME`.
fn without_instants(line: &str) -> String {
    let like = |text: &str| {
        let shape = "dddd-dd-dd dd:dd:ddZ";
        text.len() >= shape.len()
            && shape
                .bytes()
                .zip(text.bytes())
                .all(|(shape, byte)| if shape == b'd' { byte.is_ascii_digit() } else { shape == byte })
    };
    let mut whole = String::new();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        if like(rest) {
            whole.push_str("TIME");
            rest = &rest[20..];
        } else {
            whole.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    whole
}

/// `1m 22s`, `0.4s` and `2h 03m` become `T`.
fn without_durations(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let mut kept: Vec<String> = Vec::new();
    let mut after_one = false;
    for word in words {
        let inner = word.trim_start_matches('(').trim_end_matches([')', ',', ':']);
        if !is_duration(inner) {
            kept.push(word.to_owned());
        } else if after_one {
            // The second half of one duration: only what closes it is kept.
            let closing = &word[word.find(inner).unwrap_or(0) + inner.len()..];
            if let Some(last) = kept.last_mut() {
                last.push_str(closing);
            }
        } else {
            kept.push(word.replacen(inner, "T", 1));
        }
        after_one = is_duration(inner) && word.ends_with(inner);
    }
    kept.join(" ")
}

fn is_duration(word: &str) -> bool {
    let number = word.trim_end_matches(['h', 'm', 's']);
    number.len() < word.len() && word.len() - number.len() <= 2 && number.parse::<f64>().is_ok()
}

#[test]
fn what_differs_is_replaced_and_nothing_else() {
    assert_eq!(
        redacted("  ✓ done  (2m 20s), held by alice@my-host.lan (pid 77), 2026-01-02 03:04:05Z (0.3s ago) in 8m 42s"),
        "  ✓ done  (T), held by alice@HOST (pid N), TIME (T ago) in T"
    );
    assert_eq!(redacted("keep its logs 7 days, stage 3/6, 1 of 2"), "keep its logs 7 days, stage 3/6, 1 of 2");
    assert_eq!(redacted("ecs-svc/123 (request ab-12)"), "ecs-svc/N (request ID)");
}
