//! In which keys two texts of a configuration differ.

use std::collections::BTreeSet;

use toml::{Table, Value};

/// Dotted keys whose values differ, or that only one of the texts has; none if one of them is no TOML. A table
/// that only one has is named as a whole, an array that differs is named once.
pub fn differing_keys(before: &str, after: &str) -> Option<BTreeSet<String>> {
    let (before, after) = (before.parse::<Table>().ok()?, after.parse::<Table>().ok()?);
    let mut keys = BTreeSet::new();
    compare("", &before, &after, &mut keys);
    Some(keys)
}

fn compare(place: &str, before: &Table, after: &Table, keys: &mut BTreeSet<String>) {
    for key in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let dotted = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
        match (before.get(key), after.get(key)) {
            (Some(Value::Table(before)), Some(Value::Table(after))) => compare(&dotted, before, after, keys),
            (before, after) if before == after => {}
            _ => drop(keys.insert(dotted)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_differ_are_named() {
        let check = |before: &str, after: &str, expected: &[&str]| {
            let keys = differing_keys(before, after).unwrap();
            assert_eq!(keys.iter().map(String::as_str).collect::<Vec<_>>(), expected);
        };
        check("a = 1\n[b]\nc = 2", "# moved\n\n[b]\nc = 2 # same\n", &["a"]);
        check("[a]\nb = 1\nc = 1", "[a]\nb = 2\nd = 1", &["a.b", "a.c", "a.d"]);
        check("[s.x]\nt = 1", "[s.x]\nt = 1\n[s.y]\nt = 1", &["s.y"]);
        check("[[s]]\nt = 1", "[[s]]\nt = 2", &["s"]);
        check("a = 1", "a = 1", &[]);
        assert_eq!(differing_keys("a = 1", "a = "), None);
    }
}
