//! Near-misses: which known name somebody probably meant.

/// The known name closest to `wanted`, if one is close enough to be what was meant: at most one edit for every three
/// characters, where swapped neighbours count as one edit and case does not count.
pub fn near_miss<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 80;
    let fold = |text: &str| text.to_lowercase().replace('-', "_").chars().collect::<Vec<_>>();
    let wanted = fold(wanted);
    if wanted.is_empty() || wanted.len() > LONGEST {
        return None;
    }
    let allowed = (wanted.len() / 3).max(1);
    known
        .into_iter()
        .filter(|name| name.chars().count() <= LONGEST)
        .map(|name| (distance(&wanted, &fold(name)), name))
        .filter(|(edits, name)| *edits <= allowed && *edits < name.chars().count())
        .min()
        .map(|(_, name)| name)
}

/// ``did you mean `NAME`?`` where there is a near-miss, else what there is.
pub(super) fn hint_among<'a>(wanted: &str, what: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(name) = near_miss(wanted, known.iter().copied()) {
        return Some(format!("did you mean `{name}`?"));
    }
    if known.is_empty() { Some(format!("there are no {what}")) } else { Some(format!("{what}: {}", known.join(", "))) }
}

/// Edits to get from one to the other: insert, delete, replace, swap neighbours (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(from != to)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *from == b[j - 1] && a[i - 1] == *to {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}
