//! Rust, by cargo for `wasm32-unknown-unknown`: `scripts/wasm-cargo` finds a compiler and runs it, here as in
//! this project's own build. Its core module has its component type in it.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, IsTerminal as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{Made, read};
use crate::embedded::WASM_CARGO;
use crate::{BuildError, Language, PluginFolder, cache, process};

/// What `wasm-cargo` ends with when there is no compiler; cargo ends with 101.
const NO_COMPILER: i32 = 3;
/// What to do on a machine without what runs the script, and what the script finds.
const INSTALL_BASH: &str =
    "install bash (Debian: apt-get install bash; Fedora: dnf install bash; Homebrew: brew install bash)";
const INSTALL_RUST: &str = "https://rustup.rs, then `rustup target add wasm32-unknown-unknown`";

/// A line of cargo's standard output; of other kinds nothing is looked at.
#[derive(Deserialize)]
struct Message {
    reason: String,
    manifest_path: Option<PathBuf>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

pub(super) fn make(folder: &PluginFolder, say: &mut dyn FnMut(&str)) -> Result<Made, BuildError> {
    let mut cargo = command(folder)?;
    let mut child = cargo.spawn().map_err(|source| BuildError::io(folder.path(), source))?;
    let (way, file) = follow(&mut child, &folder.path().join("Cargo.toml"), say);
    let status = child.wait().map_err(|source| BuildError::io(folder.path(), source))?;
    if status.code() == Some(NO_COMPILER) {
        return Err(BuildError::Toolchain {
            language: Language::Rust,
            problem: "there is no compiler for wasm32-unknown-unknown".to_owned(),
            remedy: "install one as said above".to_owned(),
        });
    }
    if !status.success() {
        return Err(BuildError::Compile { name: folder.name().to_owned() });
    }
    let file = file.ok_or_else(|| BuildError::NoLibrary { manifest: folder.path().join("Cargo.toml") })?;
    let workspace = workspace_of(folder.path());
    let mut elsewhere = dependencies(&file.with_extension("d"));
    elsewhere.push(workspace.join("Cargo.toml"));
    elsewhere.push(workspace.join("Cargo.lock"));
    Ok(Made { wasm: read(&file)?, way, elsewhere })
}

fn command(folder: &PluginFolder) -> Result<Command, BuildError> {
    let bash = process::find("bash").ok_or_else(without_bash)?;
    let root = root_of(folder.path());
    let called = if root == folder.path() { folder.name() } else { "millstream" };
    let mut command = Command::new(bash);
    command.arg(script()?).arg("--folder").arg(folder.path());
    command.arg("--map").arg(format!("{}=/{called}", root.display()));
    command.args(["build", "--release", "--message-format=json-render-diagnostics"]);
    if !std::io::stderr().is_terminal() {
        command.arg("--quiet");
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    Ok(command)
}

/// A machine that has no bash may well have no Rust: what is missing is said at once.
fn without_bash() -> BuildError {
    let has_rust = ["cargo", "rustc"].into_iter().all(|program| process::find(program).is_some());
    let (problem, remedy) = match has_rust {
        true => ("bash was not found", INSTALL_BASH.to_owned()),
        false => {
            ("bash was not found, nor cargo and rustc", format!("{INSTALL_BASH}, and Rust: {INSTALL_RUST}"))
        }
    };
    BuildError::Toolchain { language: Language::Rust, problem: problem.to_owned(), remedy }
}

/// The script, in a folder of the cache: cargo finds it there by its name.
fn script() -> Result<PathBuf, BuildError> {
    let digest = hex::encode(&Sha256::digest(WASM_CARGO)[..6]);
    let folder = cache::once(&format!("wasm-cargo-{digest}"), |folder| {
        let path = folder.join("wasm-cargo");
        let written = std::fs::write(&path, WASM_CARGO)
            .and_then(|()| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)));
        written.map_err(|source| BuildError::io(&path, source))
    })?;
    Ok(folder.join("wasm-cargo"))
}

/// Reads what cargo says until it ends: the way that was taken, and the plugin's file.
fn follow(child: &mut Child, manifest: &Path, say: &mut dyn FnMut(&str)) -> (String, Option<PathBuf>) {
    let (mut way, mut file) = (String::new(), None);
    let stdout = child.stdout.take().expect("it is piped");
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        let Ok(message) = serde_json::from_str::<Message>(&line) else {
            if let Some((_, compiler)) = line.strip_prefix("way ").and_then(|rest| rest.split_once(": ")) {
                say(&format!("compiling with {compiler}"));
                way = compiler.split(" has ").next().unwrap_or_default().to_owned();
            }
            continue;
        };
        if message.reason == "compiler-artifact" && message.manifest_path.as_deref() == Some(manifest) {
            let mut files = message.filenames.into_iter();
            file = files.find(|file| file.extension().is_some_and(|extension| extension == "wasm")).or(file);
        }
    }
    (way, file)
}

/// The files that cargo says an artifact was made of: `OUT: FILE FILE…`, blanks within a name escaped.
fn dependencies(file: &Path) -> Vec<PathBuf> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let Some((_, names)) = text.split_once(": ") else { return Vec::new() };
    let names = names.trim_end().replace("\\ ", "\0");
    names.split_whitespace().map(|name| PathBuf::from(name.replace('\0', " "))).collect()
}

/// The folders outside `folder` that it takes crates from by path, and those that these take crates from.
pub(crate) fn path_dependencies(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut left = vec![folder.to_owned(), workspace_of(folder)];
    while let Some(base) = left.pop() {
        for path in dependencies_in(&manifest(&base)) {
            let Ok(path) = base.join(path).canonicalize() else { continue };
            if !path.starts_with(folder) && found.insert(path.clone()) {
                left.push(path);
            }
        }
    }
    found
}

/// The folder that holds everything which is compiled with the paths of this machine: the plugin's own, or the
/// one that holds its workspace and what that takes by path.
fn root_of(folder: &Path) -> PathBuf {
    let workspace = workspace_of(folder);
    let mut root = workspace.clone();
    for (base, manifest) in [(&workspace, manifest(&workspace)), (&folder.to_owned(), manifest(folder))] {
        for path in paths_in(&manifest) {
            let Ok(path) = base.join(path).canonicalize() else { continue };
            while !path.starts_with(&root) {
                root.pop();
            }
        }
    }
    root
}

fn manifest(folder: &Path) -> toml::Table {
    let text = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    // One that is damaged is for cargo to name.
    toml::from_str(&text).unwrap_or_default()
}

/// The workspace that a package belongs to, as cargo finds it.
fn workspace_of(folder: &Path) -> PathBuf {
    let own = manifest(folder);
    if own.contains_key("workspace") {
        return folder.to_owned();
    }
    let named = own.get("package").and_then(|package| package.get("workspace")).and_then(toml::Value::as_str);
    if let Some(path) = named.and_then(|named| folder.join(named).canonicalize().ok()) {
        return path;
    }
    let above = folder.ancestors().skip(1);
    let above =
        above.map(|above| (above, manifest(above))).find(|(_, above)| above.contains_key("workspace"));
    match above {
        Some((above, root)) if !is_excluded(above, &root, folder) => above.to_owned(),
        _ => folder.to_owned(),
    }
}

fn is_excluded(above: &Path, root: &toml::Table, folder: &Path) -> bool {
    let excluded = root["workspace"].get("exclude").and_then(toml::Value::as_array);
    let mut excluded = excluded.into_iter().flatten().filter_map(toml::Value::as_str);
    excluded.any(|path| folder.starts_with(above.join(path)))
}

/// Members of a workspace and dependencies by path, as they stand in a manifest; patterns without their end.
fn paths_in(manifest: &toml::Table) -> Vec<PathBuf> {
    let workspace = manifest.get("workspace").and_then(toml::Value::as_table);
    let members = workspace.and_then(|workspace| workspace.get("members")).and_then(toml::Value::as_array);
    let members = members.into_iter().flatten().filter_map(toml::Value::as_str);
    let members = members.map(|member| PathBuf::from(member.split('*').next().unwrap_or_default()));
    members.chain(dependencies_in(manifest)).collect()
}

/// Dependencies by path, as they stand in a manifest or in that of a workspace.
fn dependencies_in(manifest: &toml::Table) -> Vec<PathBuf> {
    let workspace = manifest.get("workspace").and_then(toml::Value::as_table);
    let tables = [Some(manifest), workspace].into_iter().flatten();
    let dependencies = tables.filter_map(|table| table.get("dependencies")?.as_table()).flatten();
    let paths = dependencies.filter_map(|(_, dependency)| dependency.get("path")?.as_str());
    paths.map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn the_root_holds_what_is_compiled_by_path() {
        let temporary = tempfile::tempdir().unwrap();
        let top = temporary.path().canonicalize().unwrap();
        let alone = "[package]\nname = \"a\"\n[dependencies]\nsdk = { path = \"sdk\" }\n[workspace]\n";
        write(&top.join("alone/Cargo.toml"), alone);
        write(&top.join("alone/sdk/Cargo.toml"), "");
        write(
            &top.join("all/plugins/Cargo.toml"),
            "[workspace]\nmembers = [\"p\", \"../sdk/rust\", \"x/*\"]\n",
        );
        write(&top.join("all/plugins/p/Cargo.toml"), "[package]\nname = \"p\"\n");
        write(&top.join("all/sdk/rust/Cargo.toml"), "");
        write(&top.join("beside/Cargo.toml"), "[package]\n[dependencies]\nc = { path = \"../common\" }\n");
        write(&top.join("common/Cargo.toml"), "");
        for (folder, expect) in [("alone", "alone"), ("all/plugins/p", "all"), ("beside", "")] {
            assert_eq!(
                root_of(&top.join(folder)),
                top.join(expect).components().collect::<PathBuf>(),
                "{folder}"
            );
        }
    }

    #[test]
    fn crates_by_path_are_followed_to_where_they_lie() {
        let temporary = tempfile::tempdir().unwrap();
        let top = temporary.path().canonicalize().unwrap();
        let plugin = "[workspace]\n[dependencies]\nsdk = { path = \"sdk\" }\nwords = { path = \"../words\" }\nserde = \"1\"\n";
        write(&top.join("p/Cargo.toml"), plugin);
        write(&top.join("p/sdk/Cargo.toml"), "");
        write(
            &top.join("words/Cargo.toml"),
            "[dependencies]\nunits = { path = \"../units\" }\nback = { path = \"../p\" }\n",
        );
        write(&top.join("units/Cargo.toml"), "[dependencies]\nwords = { path = \"../words\" }\n");
        let found: Vec<_> = path_dependencies(&top.join("p")).into_iter().collect();
        assert_eq!(found, [top.join("units"), top.join("words")]);
    }

    #[test]
    fn names_with_blanks_are_read() {
        let temporary = tempfile::tempdir().unwrap();
        let file = temporary.path().join("x.d");
        std::fs::write(&file, "/out/x.wasm: /a/b.rs /c\\ d/e.rs\n").unwrap();
        assert_eq!(dependencies(&file), [PathBuf::from("/a/b.rs"), PathBuf::from("/c d/e.rs")]);
    }
}
