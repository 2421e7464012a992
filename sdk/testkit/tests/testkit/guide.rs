//! The cases that the guide shows for guests that it cannot build: they pass as they stand there.

use millstream_testkit::assert_cases;

use crate::cases;

/// The files that the page on testing shows below the folder of a plugin's cases.
fn shown(guest: &str) -> Vec<(String, String)> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/testing.md");
    let page = std::fs::read_to_string(page).unwrap();
    let begin = format!("file={guest}/cases/");
    let blocks = page.split("```").filter_map(|block| {
        let (info, text) = block.split_once('\n')?;
        let (_, path) = info.split_once(&begin)?;
        Some((path.to_owned(), text.to_owned()))
    });
    blocks.collect()
}

#[test]
fn cases_in_the_guide_pass() {
    for guest in ["owner", "sample", "session-window", "interval-join"] {
        let files = shown(guest);
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        assert!(files.len() >= 3, "{guest}: {files:?}");
        let (_folder, cases) = cases(&files);
        assert_cases(&millstream_guests::wasm(guest), &cases);
    }
}
