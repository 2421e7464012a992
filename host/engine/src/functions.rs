//! Compiled functions on disk, for components of interpreters: two plugins in Python differ in their data, not in
//! the functions of the interpreter, so all but a few of the second one's are here already. One file, read before
//! such a component is compiled and written after; like compiled plugins it is run as native code.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use wasmtime::CacheStore;

use crate::cache::{read_whole, write_whole};

/// Components from this size on hold an interpreter: what a compiler makes of a plugin's own code is smaller.
const INTERPRETER_BYTES: usize = 4 << 20;
/// Bytes that are kept at most; two interpreters have about 60 MB of functions.
const BYTES_MAX: usize = 96 << 20;

/// Compiled functions by what they were compiled from.
#[derive(Debug, Default)]
pub(crate) struct FunctionStore {
    /// Held while a component with an interpreter is compiled: the compiler uses all cores for one.
    turn: Mutex<()>,
    known: RwLock<Option<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    functions: HashMap<Vec<u8>, Vec<u8>>,
    bytes: usize,
    /// There are more than the file has.
    grown: bool,
}

impl FunctionStore {
    /// Runs `compile` with the functions of `file` at hand, if `component` holds an interpreter, and keeps those
    /// that it adds. A file that is not there or damaged costs only time.
    pub(crate) fn during<T>(&self, file: &Path, component: &[u8], compile: impl FnOnce() -> T) -> T {
        if component.len() < INTERPRETER_BYTES {
            return compile();
        }
        let turn: MutexGuard<'_, ()> = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        *self.write() = Some(Known::read(file));
        let compiled = compile();
        let known = self.write().take();
        if let Some(known) = known.filter(|known| known.grown) {
            known.write(file);
        }
        drop(turn);
        compiled
    }

    fn read(&self) -> RwLockReadGuard<'_, Option<Known>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Option<Known>> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CacheStore for FunctionStore {
    fn get(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        self.read().as_ref()?.functions.get(key).cloned().map(Cow::Owned)
    }

    fn insert(&self, key: &[u8], value: Vec<u8>) -> bool {
        self.write().as_mut().is_some_and(|known| known.add(key.to_vec(), value))
    }
}

impl Known {
    fn add(&mut self, key: Vec<u8>, value: Vec<u8>) -> bool {
        let bytes = self.bytes + key.len() + value.len();
        if bytes > BYTES_MAX || self.functions.contains_key(&key) {
            return false;
        }
        self.bytes = bytes;
        self.grown = true;
        self.functions.insert(key, value);
        true
    }

    fn read(file: &Path) -> Self {
        let mut known = Self::default();
        let Some(bytes) = read_whole(file) else { return known };
        let mut rest = bytes.as_slice();
        while let Some((key, value)) = part(&mut rest).and_then(|key| Some((key, part(&mut rest)?))) {
            known.add(key, value);
        }
        // A full file is begun again, so that what nobody uses any more goes.
        if known.bytes > BYTES_MAX / 10 * 9 {
            known = Self::default();
        }
        known.grown = false;
        known
    }

    fn write(self, file: &Path) {
        let mut bytes = Vec::with_capacity(self.bytes + self.functions.len() * 8);
        for part in self.functions.iter().flat_map(|(key, value)| [key, value]) {
            bytes.extend_from_slice(&(part.len() as u32).to_le_bytes());
            bytes.extend_from_slice(part);
        }
        if let Err(error) = write_whole(file, &bytes) {
            tracing::warn!(file = %file.display(), %error, "compiled functions could not be kept");
        }
    }
}

/// The next part of a file: its length, then its bytes.
fn part(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let (length, behind) = rest.split_first_chunk::<4>()?;
    let (part, behind) = behind.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *rest = behind;
    Some(part.to_vec())
}

/// The file in the folder of compiled plugins.
pub(crate) fn file_in(folder: &Path, compatibility: u64) -> PathBuf {
    folder.join(format!("functions-{compatibility:016x}.bin"))
}

/// True for each file that [`file_in`] names.
pub(crate) fn is_file_of_functions(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with("functions-") && name.ends_with(".bin"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_an_interpreter_are_there_for_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let file = file_in(folder.path(), 7);
        let interpreter = vec![0; INTERPRETER_BYTES];
        let store = FunctionStore::default();
        assert!(!store.insert(b"a", b"1".to_vec()), "nothing is kept outside");
        store.during(&file, &interpreter[1..], || assert!(!store.insert(b"a", b"1".to_vec())));
        store.during(&file, &interpreter, || assert!(store.insert(b"a", b"1".to_vec())));
        let other = FunctionStore::default();
        other.during(&file, &interpreter, || {
            assert_eq!(other.get(b"a").as_deref(), Some(b"1".as_slice()));
            assert!(other.get(b"b").is_none());
        });
        assert!(other.get(b"a").is_none());
        let whole = std::fs::read(&file).unwrap();
        std::fs::write(&file, &whole[..whole.len() - 1]).unwrap();
        other.during(&file, &interpreter, || assert!(other.get(b"a").is_none(), "a damaged file is none"));
    }
}
