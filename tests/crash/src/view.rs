//! What a reader has seen of a lake, and the rules that every further view has to keep: none is older than the
//! one before, no row is there twice, and what is there of a partition is all of it from its beginning to where
//! the log says. Views go in as plain data; nothing is read here.

use std::collections::{BTreeMap, BTreeSet};

/// Place of a row: partition and offset.
pub(crate) type Place = (i32, i64);

/// Folders of the tables that together hold each message once.
const GROUPS: [&[&str]; 2] = [&["raw/"], &["curated/", "dead_letters/"]];

/// What a log says at a moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listing {
    /// Number of its last entry.
    pub(crate) sequence: u64,
    /// Live files of all tables, with their number of rows.
    pub(crate) files: BTreeMap<String, u64>,
    /// Next offset of each partition.
    pub(crate) positions: BTreeMap<i32, i64>,
}

/// The last view.
#[derive(Default)]
pub(crate) struct View {
    sequence: u64,
    /// Rows of the live files, by path.
    files: BTreeMap<String, Vec<Place>>,
    /// Places of the rows, for each group of tables.
    places: [BTreeSet<Place>; 2],
}

impl View {
    /// Number of the last entry seen.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Files of a listing that the last one did not have, with their number of rows.
    pub(crate) fn unread(&self, listing: &Listing) -> Vec<(String, u64)> {
        let unread = listing.files.iter().filter(|(path, _)| !self.files.contains_key(*path));
        unread.map(|(path, rows)| (path.clone(), *rows)).collect()
    }

    /// Takes the next listing in, with the rows of its unread files; the error says which rule it breaks.
    pub(crate) fn advance(
        &mut self,
        listing: &Listing,
        mut unread: BTreeMap<String, Vec<Place>>,
    ) -> Result<(), String> {
        if listing.sequence < self.sequence {
            return Err(format!(
                "entry {} was seen, and now the log ends at {}",
                self.sequence, listing.sequence
            ));
        }
        self.sequence = listing.sequence;
        for (places, folders) in self.places.iter_mut().zip(GROUPS) {
            let of_group = |path: &str| folders.iter().any(|folder| path.starts_with(folder));
            let is_gone = |path: &str| of_group(path) && !listing.files.contains_key(path);
            for (_, rows) in self.files.extract_if(.., |path, _| is_gone(path)) {
                for place in &rows {
                    places.remove(place);
                }
            }
            for (path, rows) in unread.extract_if(.., |path, _| of_group(path)) {
                if let Some((partition, offset)) = rows.iter().find(|place| !places.insert(**place)) {
                    return Err(format!(
                        "the row of partition {partition}, offset {offset} is in {folders:?} twice, now in {path}"
                    ));
                }
                self.files.insert(path, rows);
            }
            whole(places, folders, listing)?;
        }
        Ok(())
    }
}

/// Checks that the rows of each partition are those from 0 to its position.
fn whole(places: &BTreeSet<Place>, folders: &[&str], listing: &Listing) -> Result<(), String> {
    let mut expected = 0;
    for (partition, end) in &listing.positions {
        let rows = places.range((*partition, 0)..(*partition, *end)).count() as i64;
        if rows != *end {
            return Err(format!(
                "partition {partition} of {folders:?} has {rows} of its {end} rows at entry {}",
                listing.sequence
            ));
        }
        expected += rows;
    }
    let beyond = places.len() as i64 - expected;
    if beyond == 0 {
        Ok(())
    } else {
        Err(format!("{folders:?} have {beyond} rows beyond where entry {} ends", listing.sequence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A listing of raw files whose curated twins have the same rows.
    fn listing(sequence: u64, end: i64, files: &[&str]) -> Listing {
        let files =
            files.iter().flat_map(|name| [(format!("raw/{name}"), 0), (format!("curated/{name}"), 0)]);
        Listing { sequence, files: files.collect(), positions: BTreeMap::from([(0, end)]) }
    }

    fn rows(name: &str, offsets: std::ops::Range<i64>) -> BTreeMap<String, Vec<Place>> {
        let places: Vec<_> = offsets.map(|offset| (0, offset)).collect();
        BTreeMap::from([(format!("raw/{name}"), places.clone()), (format!("curated/{name}"), places)])
    }

    /// Takes in rows 0 to 10, then what `next` says; expects these words in the rule that it breaks.
    fn check(next: Listing, unread: BTreeMap<String, Vec<Place>>, broken: Option<&str>) {
        let mut view = View::default();
        view.advance(&listing(5, 10, &["a"]), rows("a", 0..10)).unwrap();
        let result = view.advance(&next, unread);
        match (result, broken) {
            (Ok(()), None) => {}
            (Err(why), Some(words)) => assert!(why.contains(words), "{why}"),
            (result, broken) => panic!("{result:?}, expected {broken:?}"),
        }
    }

    #[test]
    fn rules_of_a_further_view() {
        check(listing(6, 20, &["a", "b"]), rows("b", 10..20), None);
        check(listing(5, 10, &["a"]), BTreeMap::new(), None);
        check(listing(6, 10, &["b"]), rows("b", 0..10), None);
        check(listing(4, 10, &["a"]), BTreeMap::new(), Some("now the log ends at 4"));
        check(listing(6, 20, &["a", "b"]), rows("b", 9..20), Some("offset 9 is in"));
        check(listing(6, 20, &["a", "b"]), rows("b", 11..20), Some("has 19 of its 20 rows"));
        check(listing(6, 20, &["b"]), rows("b", 10..20), Some("has 10 of its 20 rows"));
        check(listing(6, 20, &["a", "b"]), rows("b", 10..21), Some("1 rows beyond"));
    }

    #[test]
    fn a_message_is_curated_or_a_dead_letter() {
        let mut view = View::default();
        let mut next = listing(1, 2, &["a"]);
        next.files.insert("dead_letters/a".to_owned(), 1);
        let mut unread = rows("a", 0..2);
        unread.insert("dead_letters/a".to_owned(), vec![(0, 1)]);
        let why = view.advance(&next, unread).unwrap_err();
        assert!(why.contains("offset 1 is in"), "{why}");
    }
}
