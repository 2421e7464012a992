//! Writes the folder of a new plugin: the template of its language with the plugin's name in it, and the SDK
//! beside. It is there complete or not at all.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use crate::embedded::{self, CARGO_LOCK, File};
use crate::{Language, folder};

/// Words that cannot name a crate, and crates that a plugin cannot be called like.
const RUST_RESERVED: [&str; 57] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "self",
    "Self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

/// A plugin that is to be written.
#[derive(Clone, Debug)]
pub struct NewPlugin<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its language.
    pub language: Language,
    /// The folder to write, which must not be there yet; none: the name, in the current folder.
    pub path: Option<&'a Path>,
}

/// A plugin that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its folder.
    pub folder: PathBuf,
    /// All files, by path within the folder and in this order; those of the SDK lie in `sdk/`.
    pub files: Vec<String>,
}

/// A plugin was not written. All but [`NewError::Io`] are for the author to mend.
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    /// It cannot be called so.
    #[error("`{name}` {problem}")]
    Name {
        /// The name.
        name: String,
        /// Why not, and what is expected.
        problem: String,
    },
    /// A folder of another name, in a language whose plugins have no other name than their folder's.
    #[error(
        "a plugin in {language} is called as its folder: the last part of {} is not `{name}`; call the plugin so, or write \
         --path {}", path.display(), path.join(name).display()
    )]
    Path {
        /// The folder.
        path: PathBuf,
        /// The plugin's name.
        name: String,
        /// The language.
        language: Language,
    },
    /// There is something already.
    #[error("{} is there already: choose another name, or another folder with --path", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// This build of millstream has no template of the language.
    #[error("this build of millstream has no template for {language}: it was compiled without sdk/{}", language.folder())]
    NoTemplate {
        /// The language.
        language: Language,
    },
    /// A file or folder could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Writes a new plugin.
pub fn new(plugin: &NewPlugin<'_>) -> Result<Written, NewError> {
    check_name(plugin.name, plugin.language)?;
    let folder = plugin.path.unwrap_or(Path::new(plugin.name)).to_owned();
    if plugin.language == Language::C && folder.file_name() != Some(OsStr::new(plugin.name)) {
        let name = plugin.name.to_owned();
        return Err(NewError::Path { path: folder, name, language: plugin.language });
    }
    // A link that leads nowhere is there as well.
    if folder.symlink_metadata().is_ok() {
        return Err(NewError::Exists { path: folder });
    }
    let template = embedded::template(plugin.language);
    if template.is_empty() {
        return Err(NewError::NoTemplate { language: plugin.language });
    }
    let above = match folder.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(above).map_err(|source| fail(above, source))?;
    let unfinished = tempfile::Builder::new()
        .prefix(".millstream-new-")
        .tempdir_in(above)
        .map_err(|source| fail(above, source))?;
    // Others may read it, as they may what `mkdir` makes.
    let content = unfinished.path().join("plugin");
    let files = write_all(plugin, template, &content)?;
    std::fs::rename(&content, &folder).map_err(|source| fail(&folder, source))?;
    Ok(Written { folder, files })
}

fn check_name(name: &str, language: Language) -> Result<(), NewError> {
    let fail = |problem: &str| Err(NewError::Name { name: name.to_owned(), problem: problem.to_owned() });
    if let Err(problem) = folder::check_name(name) {
        return fail(problem);
    }
    if language != Language::Rust {
        return Ok(());
    }
    let krate = name.replace('-', "_");
    if RUST_RESERVED.contains(&&*krate) {
        return fail("means something else in Rust and cannot be the name of a crate: choose another name");
    }
    let is_taken = |line: &str| line == format!("name = \"{name}\"") || line == format!("name = \"{krate}\"");
    if CARGO_LOCK.lines().any(is_taken) {
        return fail("is the name of a crate that plugins are made of: choose another name");
    }
    Ok(())
}

fn write_all(plugin: &NewPlugin<'_>, template: &[File], folder: &Path) -> Result<Vec<String>, NewError> {
    let mut files = Vec::new();
    for file in template {
        let name = filled(file.name, plugin.name);
        let bytes = match std::str::from_utf8(file.bytes) {
            Ok(text) => filled(text, plugin.name).into_bytes(),
            Err(_) => file.bytes.to_vec(),
        };
        write(&folder.join(&name), &bytes)?;
        files.push(name);
    }
    for file in embedded::sdk(plugin.language) {
        let name = format!("sdk/{}", file.name);
        match file.name.ends_with("Cargo.toml") {
            true => write(&folder.join(&name), standalone(file.bytes).as_bytes())?,
            false => write(&folder.join(&name), file.bytes)?,
        }
        files.push(name);
    }
    if plugin.language == Language::Rust {
        // The versions that this build was tested with; cargo takes out what the plugin does not use.
        write(&folder.join("Cargo.lock"), third_party(CARGO_LOCK).as_bytes())?;
        files.push("Cargo.lock".to_owned());
    }
    files.sort();
    Ok(files)
}

fn filled(text: &str, name: &str) -> String {
    text.replace("{{name}}", name).replace("{{name_snake}}", &name.replace('-', "_"))
}

/// A manifest of the SDK, for a workspace that is not this repository's.
fn standalone(manifest: &[u8]) -> String {
    let text = String::from_utf8_lossy(manifest);
    text.lines()
        .filter(|line| !line.starts_with("workspace = "))
        .fold(String::new(), |text, line| text + line + "\n")
}

/// A lock file with the packages of registries alone: the others are this repository's own.
fn third_party(lock: &str) -> String {
    let mut packages = lock.split("\n[[package]]\n");
    let head = packages.next().unwrap_or_default().to_owned();
    packages
        .filter(|package| package.contains("\nsource = "))
        .fold(head, |lock, package| format!("{lock}\n[[package]]\n{package}"))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), NewError> {
    let above = path.parent().unwrap_or(path);
    std::fs::create_dir_all(above).map_err(|source| fail(above, source))?;
    std::fs::write(path, bytes).map_err(|source| fail(path, source))
}

fn fail(path: &Path, source: io::Error) -> NewError {
    NewError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, language: Language, expect: &str) {
        let path = Path::new("/nonexistent/never");
        let plugin = NewPlugin { name, language, path: Some(path) };
        let error =
            check_name(plugin.name, plugin.language).err().map_or(String::new(), |error| error.to_string());
        assert!(error.contains(expect) && error.is_empty() == expect.is_empty(), "{name}: {error}");
    }

    #[test]
    fn bad_names_are_refused() {
        check("speed-check", Language::Rust, "");
        check("speed check", Language::Rust, "expected letters, digits");
        check("../x", Language::C, "expected letters, digits");
        check("2fast", Language::Python, "beginning with a letter");
        check("größe", Language::Rust, "expected letters, digits");
        check("", Language::Rust, "expected letters, digits");
        check(&"x".repeat(65), Language::Javascript, "too long");
        check("yield", Language::Rust, "means something else in Rust");
        check("yield", Language::Python, "");
        check("proc-macro", Language::Rust, "means something else in Rust");
        check("serde_json", Language::Rust, "a crate that plugins are made of");
        check("millstream-sdk", Language::Rust, "a crate that plugins are made of");
    }
}
