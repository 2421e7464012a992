//! Every page of the guide, done command by command, and the book that they are bound to.

use std::collections::BTreeSet;
use std::path::PathBuf;

use millstream_tests::{program_folder, repository};

fn pages() -> PathBuf {
    repository().join("docs/guide")
}

fn follow(page: &str) {
    let folder = tempfile::tempdir().unwrap();
    let followed = millstream_guide::follow(&pages().join(page), folder.path(), program_folder());
    if let Err(error) = followed {
        panic!("{error:#}");
    }
}

/// One test for each page, and one that says if there is a page without.
macro_rules! pages {
    ($($test:ident: $page:literal,)*) => {
        $(#[test] fn $test() { follow($page) })*

        #[test]
        fn every_page_is_followed() {
            let followed = BTreeSet::from([$($page.to_owned()),*]);
            let there = std::fs::read_dir(pages()).unwrap();
            let there: BTreeSet<String> =
                there.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            assert_eq!(followed, there);
        }
    };
}

pages! {
    quick_start: "quick-start.md",
    model: "model.md",
    rust: "rust.md",
    python: "python.md",
    javascript: "javascript.md",
    c: "c.md",
    testing: "testing.md",
    debugging: "debugging.md",
    shipping: "shipping.md",
    limits: "limits.md",
    performance: "performance.md",
    abi: "abi.md",
}

/// The book lists each page of the guide and each reference page once, and nothing that is not there.
#[test]
fn the_summary_lists_every_page() {
    let docs = repository().join("docs");
    let summary = std::fs::read_to_string(docs.join("SUMMARY.md")).unwrap();
    let listed: Vec<&str> = summary.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    let mut there = BTreeSet::new();
    for folder in ["", "guide/", "adr/"] {
        for entry in std::fs::read_dir(docs.join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".md") && name != "SUMMARY.md" {
                there.insert(format!("{folder}{name}"));
            }
        }
    }
    let once: BTreeSet<String> = listed.iter().map(|page| (*page).to_owned()).collect();
    assert_eq!(once.len(), listed.len(), "a page is listed twice");
    assert_eq!(once, there);
}
