//! The sources in a plugin's folder as they are at one moment: two moments can be compared. Contents are not
//! read; a file that was saved has another time.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

/// What is made, not written, and what is no part of the plugin, directly in its folder: further down these are
/// names like others. Cargo writes its lock file while it builds.
const NO_SOURCES_AT_TOP: [&str; 4] = ["target", "build", "cases", "Cargo.lock"];
/// What is made, wherever it lies.
const NO_SOURCES: [&str; 2] = ["node_modules", "__pycache__"];

/// Files with their times and sizes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources(BTreeMap<PathBuf, Option<(SystemTime, u64)>>);

impl Sources {
    /// Those below `folder`. One that is not there has none: folders go while others look into them.
    pub(crate) fn of(folder: &Path) -> io::Result<Self> {
        let mut sources = Self::default();
        sources.walk(folder, folder, is_source)?;
        Ok(sources)
    }

    /// The same with these files, wherever they lie. Those that are in already stay as they were seen.
    pub fn and(mut self, files: &[PathBuf]) -> Self {
        for file in files {
            if !self.0.contains_key(file) {
                self.add(file);
            }
        }
        self
    }

    /// The same with the sources below `folder`, which need not be there.
    pub fn and_below(mut self, folder: &Path) -> io::Result<Self> {
        self.walk(folder, folder, is_source)?;
        Ok(self)
    }

    /// The same with every file below a folder of cases, which may be called as they like, and need not be there.
    pub fn and_cases(mut self, folder: &Path) -> io::Result<Self> {
        self.walk(folder, folder, is_shown)?;
        Ok(self)
    }

    /// Their paths.
    pub(crate) fn into_files(self) -> Vec<PathBuf> {
        self.0.into_keys().collect()
    }

    /// A number that is another one when something was saved, made or deleted.
    pub(crate) fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for (path, state) in &self.0 {
            hash.update(path.as_os_str().as_encoded_bytes());
            hash.update(format!("{state:?}\0"));
        }
        hex::encode(hash.finalize())
    }

    fn add(&mut self, file: &Path) {
        let state = std::fs::metadata(file).and_then(|data| Ok((data.modified()?, data.len()))).ok();
        self.0.insert(file.to_owned(), state);
    }

    fn walk(&mut self, root: &Path, folder: &Path, is_wanted: fn(&Path) -> bool) -> io::Result<()> {
        let entries = match std::fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            let is_made = ["pyvenv.cfg", "CACHEDIR.TAG"].iter().any(|mark| path.join(mark).exists());
            if !path.strip_prefix(root).is_ok_and(is_wanted) || is_made {
                continue;
            }
            // A link to a folder may lead anywhere, back here too.
            match entry.file_type()?.is_dir() {
                true => self.walk(root, &path, is_wanted)?,
                false => self.add(&path),
            }
        }
        Ok(())
    }
}

/// Whether what lies at this path of a plugin's folder goes into it.
pub(crate) fn is_source(path: &Path) -> bool {
    let legal = |(depth, part): (usize, Component<'_>)| {
        let name = part.as_os_str().to_string_lossy();
        let is_at_top = depth == 0 && NO_SOURCES_AT_TOP.contains(&&*name);
        (!name.starts_with('.') || name == ".cargo") && !is_at_top && !NO_SOURCES.contains(&&*name)
    };
    let is_made = path.extension().is_some_and(|extension| extension == "wasm");
    path.components().enumerate().all(legal) && !is_made
}

/// Whether no part of this path is hidden, as what editors leave beside a file that is being written.
fn is_shown(path: &Path) -> bool {
    path.components().all(|part| !part.as_os_str().to_string_lossy().starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_no_source() {
        for (path, expect) in [
            ("src/lib.rs", true),
            ("Cargo.toml", true),
            (".cargo/config.toml", true),
            ("sdk/src/lib.rs", true),
            ("target/debug/x.rs", false),
            ("cases/one/input.jsonl", false),
            ("p.wasm", false),
            ("Cargo.lock", false),
            (".git/index", false),
            ("node_modules/x/index.js", false),
            ("src/build/mod.rs", true),
            ("src/cases/mod.rs", true),
            ("meters/target/__init__.py", true),
            ("meters/__pycache__/x.pyc", false),
            ("sdk/node_modules/x/index.js", false),
        ] {
            assert_eq!(is_source(Path::new(path)), expect, "{path}");
        }
    }

    #[test]
    fn cases_may_be_called_as_what_is_made() {
        for (path, expect) in
            [("target/input.jsonl", true), ("build/cases/input.jsonl", true), ("one/.input.jsonl.swp", false)]
        {
            assert_eq!(is_shown(Path::new(path)), expect, "{path}");
        }
    }

    #[test]
    fn a_folder_that_is_gone_is_empty() {
        let temporary = tempfile::tempdir().unwrap();
        assert_eq!(Sources::of(&temporary.path().join("gone")).unwrap(), Sources::default());
    }

    #[test]
    fn what_was_seen_before_a_build_stays_as_it_was_seen() {
        let temporary = tempfile::tempdir().unwrap();
        let file = temporary.path().join("lib.rs");
        std::fs::write(&file, "old").unwrap();
        let before = Sources::of(temporary.path()).unwrap();
        std::fs::write(&file, "saved while it was built").unwrap();
        assert_eq!(before.clone().and(std::slice::from_ref(&file)), before);
        assert_ne!(Sources::of(temporary.path()).unwrap(), before);
    }
}
