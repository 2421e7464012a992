//! Which files of a folder are new or changed, and whole. A look compares the folder with what was seen before,
//! so that no event is needed to be right: files that come by renaming, over a network, in pieces or many at
//! once, and a folder that goes away and comes back, are all the same to it.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

/// How long a file must stay as it is before it counts as written.
pub(super) const QUIET: Duration = Duration::from_millis(200);

/// What tells one content of a file from another without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    modified: Option<SystemTime>,
    identity: (u64, u64, i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self {
            bytes: metadata.len(),
            modified: metadata.modified().ok(),
            identity: (metadata.dev(), metadata.ino(), metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// A folder that is looked at.
pub(super) struct Folder {
    path: PathBuf,
    wanted: Box<dyn Fn(&str) -> bool + Send>,
    /// Files as they were when they were last handed out.
    known: BTreeMap<String, Stamp>,
    /// Files that are being written, with the time of their last change.
    unsettled: BTreeMap<String, (Stamp, Instant)>,
}

impl Folder {
    /// A folder of which the files whose names are `wanted` count, all of them as new.
    pub(super) fn new(path: PathBuf, wanted: impl Fn(&str) -> bool + Send + 'static) -> Self {
        Self { path, wanted: Box::new(wanted), known: BTreeMap::new(), unsettled: BTreeMap::new() }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &PathBuf {
        &self.path
    }

    /// Names of the files that have changed and are whole. A file that is deleted is nothing, and when it comes
    /// back it is new; a folder that cannot be read has not changed.
    pub(super) fn look(&mut self, now: Instant) -> Vec<String> {
        let Some(found) = self.stamps() else { return Vec::new() };
        self.known.retain(|name, _| found.contains_key(name));
        self.unsettled.retain(|name, _| found.contains_key(name));
        let mut settled = Vec::new();
        for (name, stamp) in found {
            if self.known.get(&name) == Some(&stamp) {
                self.unsettled.remove(&name);
                continue;
            }
            let (last, since) = self.unsettled.entry(name.clone()).or_insert_with(|| (stamp.clone(), now));
            if *last != stamp {
                (*last, *since) = (stamp, now);
            } else if now.duration_since(*since) >= QUIET {
                self.unsettled.remove(&name);
                self.known.insert(name.clone(), stamp);
                settled.push(name);
            }
        }
        settled
    }

    /// True if a file is being written.
    pub(super) fn is_unsettled(&self) -> bool {
        !self.unsettled.is_empty()
    }

    fn stamps(&self) -> Option<BTreeMap<String, Stamp>> {
        let mut stamps = BTreeMap::new();
        for entry in std::fs::read_dir(&self.path).ok()? {
            let Ok(name) = entry.ok()?.file_name().into_string() else { continue };
            if name.starts_with('.') || !(self.wanted)(&name) {
                continue;
            }
            // Follows links; a file may be gone again.
            if let Ok(metadata) = std::fs::metadata(self.path.join(&name))
                && metadata.is_file()
            {
                stamps.insert(name, Stamp::of(&metadata));
            }
        }
        Some(stamps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Test {
        at: tempfile::TempDir,
        folder: Folder,
        now: Instant,
    }

    impl Test {
        fn new() -> Self {
            let at = tempfile::tempdir().unwrap();
            std::fs::create_dir(at.path().join("plugins")).unwrap();
            let folder = Folder::new(at.path().join("plugins"), |name| name.ends_with(".wasm"));
            Self { at, folder, now: Instant::now() }
        }

        fn write(&self, name: &str, content: &str) {
            std::fs::write(self.at.path().join("plugins").join(name), content).unwrap();
        }

        fn settle(&mut self) {
            self.look(0);
            assert!(!self.look(300).is_empty() && !self.folder.is_unsettled());
        }

        /// Looks after so many milliseconds.
        fn look(&mut self, millis: u64) -> Vec<String> {
            self.now += Duration::from_millis(millis);
            self.folder.look(self.now)
        }
    }

    #[test]
    fn a_file_counts_once_it_has_been_quiet() {
        let mut test = Test::new();
        test.write("a.wasm", "1");
        assert!(test.look(0).is_empty() && test.folder.is_unsettled());
        test.write("a.wasm", "12");
        assert!(test.look(250).is_empty(), "it was still being written");
        assert!(test.look(150).is_empty());
        assert_eq!(test.look(60), ["a.wasm"]);
        assert!(test.look(1000).is_empty() && !test.folder.is_unsettled());
    }

    #[test]
    fn names_that_are_not_wanted_and_deleted_files_are_nothing() {
        let mut test = Test::new();
        for name in [".a.wasm", "a.wasm.part", "a.wasm~", "b.wasm", "c.wasm"] {
            test.write(name, "1");
        }
        std::fs::create_dir(test.at.path().join("plugins/d.wasm")).unwrap();
        assert!(test.look(0).is_empty());
        std::fs::remove_file(test.at.path().join("plugins/c.wasm")).unwrap();
        assert_eq!(test.look(300), ["b.wasm"]);
        std::fs::remove_file(test.at.path().join("plugins/b.wasm")).unwrap();
        assert!(test.look(300).is_empty() && !test.folder.is_unsettled());
    }

    #[test]
    fn a_renamed_file_of_the_same_size_is_a_change() {
        let mut test = Test::new();
        test.write("a.wasm", "1");
        test.settle();
        test.write("a.wasm.part", "2");
        let plugins = test.at.path().join("plugins");
        std::fs::rename(plugins.join("a.wasm.part"), plugins.join("a.wasm")).unwrap();
        assert!(test.look(10).is_empty());
        assert_eq!(test.look(300), ["a.wasm"]);
    }

    #[test]
    fn a_folder_that_vanishes_and_returns_has_not_changed_by_that() {
        let mut test = Test::new();
        test.write("a.wasm", "1");
        test.settle();
        let (here, there) = (test.at.path().join("plugins"), test.at.path().join("elsewhere"));
        std::fs::rename(&here, &there).unwrap();
        assert!(test.look(300).is_empty());
        std::fs::rename(&there, &here).unwrap();
        test.write("b.wasm", "1");
        assert!(test.look(300).is_empty());
        assert_eq!(test.look(300), ["b.wasm"]);
    }
}
