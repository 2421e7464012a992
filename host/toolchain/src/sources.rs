//! The sources in a plugin's folder as they are at one moment: two moments can be compared. Contents are not
//! read; a file that was saved has another time.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

/// What is made, not written, and what is no part of the plugin. Cargo writes its lock file while it builds.
const NO_SOURCES: [&str; 6] = ["target", "node_modules", "__pycache__", "build", "cases", "Cargo.lock"];

/// Files with their times and sizes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources(BTreeMap<PathBuf, Option<(SystemTime, u64)>>);

impl Sources {
    /// Those below `folder`.
    pub(crate) fn of(folder: &Path) -> io::Result<Self> {
        let mut sources = Self::default();
        sources.walk(folder, folder)?;
        Ok(sources)
    }

    /// The same with these files, wherever they lie.
    pub(crate) fn and(mut self, files: &[PathBuf]) -> Self {
        files.iter().for_each(|file| self.add(file));
        self
    }

    /// The same with every file below `folder`, which need not be there.
    pub fn and_below(mut self, folder: &Path) -> io::Result<Self> {
        if folder.is_dir() {
            self.walk(folder, folder)?;
        }
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

    fn walk(&mut self, root: &Path, folder: &Path) -> io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let path = entry.path();
            if !path.strip_prefix(root).is_ok_and(is_source) || path.join("pyvenv.cfg").exists() {
                continue;
            }
            // A link to a folder may lead anywhere, back here too.
            match entry.file_type()?.is_dir() {
                true => self.walk(root, &path)?,
                false => self.add(&path),
            }
        }
        Ok(())
    }
}

/// Whether what lies at this path of a plugin's folder goes into it.
pub(crate) fn is_source(path: &Path) -> bool {
    let legal = |part: Component<'_>| {
        let name = part.as_os_str().to_string_lossy();
        (!name.starts_with('.') || name == ".cargo") && !NO_SOURCES.contains(&&*name)
    };
    let is_made = path.extension().is_some_and(|extension| extension == "wasm");
    path.components().all(legal) && !is_made
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
        ] {
            assert_eq!(is_source(Path::new(path)), expect, "{path}");
        }
    }
}
