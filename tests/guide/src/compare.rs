//! What a command printed against what the page shows: line by line, with `...` for any lines and `[..]` for any
//! text within one.

use similar::TextDiff;

/// How `found` differs from `expected`, as a unified diff; none if the one is as the other says.
pub fn difference(expected: &[String], found: &str) -> Option<String> {
    let lines: Vec<&str> = found.lines().map(str::trim_end).collect();
    if lines_match(expected, &lines) {
        return None;
    }
    let expected = expected.join("\n") + "\n";
    let found = lines.join("\n") + "\n";
    Some(TextDiff::from_lines(&expected, &found).unified_diff().header("the page", "the command").to_string())
}

fn lines_match(expected: &[String], found: &[&str]) -> bool {
    match expected.split_first() {
        None => found.is_empty(),
        Some((first, rest)) if first.trim() == "..." => {
            (0..=found.len()).any(|skipped| lines_match(rest, &found[skipped..]))
        }
        Some((first, rest)) => found
            .split_first()
            .is_some_and(|(line, found)| text_matches(first.trim_end(), line) && lines_match(rest, found)),
    }
}

fn text_matches(expected: &str, found: &str) -> bool {
    match expected.split_once("[..]") {
        None => expected == found,
        Some((before, after)) => found.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices()
                .map(|(at, _)| at)
                .chain([rest.len()])
                .any(|at| text_matches(after, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expected: &str, found: &str, is_same: bool) {
        let expected: Vec<String> = expected.lines().map(str::to_owned).collect();
        assert_eq!(difference(&expected, found).is_none(), is_same, "{expected:?} against {found:?}");
    }

    #[test]
    fn lines_are_compared_with_room_for_what_varies() {
        check("a\nb", "a\nb\n", true);
        check("a", "a\nb\n", false);
        check("a\nb", "a\n", false);
        check("a\n...\nd", "a\nb\nc\nd\n", true);
        check("a\n...", "a\n", true);
        check("...\nd", "a\nb\n", false);
        check("took [..] ms, [..]", "took 12 ms, ready", true);
        check("took [..] ms", "took 12 s", false);
        check("a", "a  ", true);
    }
}
