//! `millstream plugin build`: makes the `.wasm` file of a plugin's folder, and for other verbs the file that
//! they work on. What compilers say goes to standard error, what was made to standard output.

use std::path::{Path, PathBuf};

use millstream_toolchain::{BuildError, Built, DroppedIn, FolderError, PluginFolder, drop_in};
use serde_json::json;

use crate::{args, out};

/// Length of a digest as it is shown to people.
const DIGITS_SHOWN: usize = 12;

/// Builds, and drops in what was built if the command line says so.
pub fn build(args: &args::Build) -> anyhow::Result<()> {
    let folder = PluginFolder::open(&args.folder).map_err(BuildError::from)?;
    let built = millstream_toolchain::build(&folder, args.out.as_deref(), &mut progress)?;
    let dropped = args.into.as_ref().map(|into| drop_in(&folder, &built, into)).transpose()?;
    if args.json {
        return out::line(json(&folder, &built, dropped.as_ref()));
    }
    out::line(said(&built))?;
    let dropped = dropped.iter().flat_map(|dropped| dropped.settings.iter().chain([&dropped.file]));
    dropped.into_iter().try_for_each(|file| out::line(format_args!("dropped in as {}", file.display())))
}

/// The plugin that a verb is about: the file that the command line names, else that of the folder.
pub async fn built(under: &args::PluginUnderTest) -> anyhow::Result<PathBuf> {
    match &under.wasm {
        Some(file) => Ok(file.clone()),
        None => of_folder(&under.folder).await,
    }
}

/// The plugin of a folder, built if a source is newer; of a folder without sources the one file that was built
/// elsewhere.
pub async fn of_folder(path: &Path) -> anyhow::Result<PathBuf> {
    let folder = match PluginFolder::open(path) {
        Ok(folder) => folder,
        Err(error @ FolderError::NoPlugin { .. }) => {
            return only_file(path).ok_or_else(|| BuildError::from(error).into());
        }
        Err(error) => return Err(BuildError::from(error).into()),
    };
    Ok(on_a_thread(folder).await?.file)
}

/// The `.wasm` file of a folder that has one and no other.
pub fn only_file(folder: &Path) -> Option<PathBuf> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files = files.filter(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    files.next().filter(|_| files.next().is_none())
}

/// Builds where compilers may take their time.
pub async fn on_a_thread(folder: PluginFolder) -> anyhow::Result<Built> {
    let build = move || millstream_toolchain::build(&folder, None, &mut progress);
    Ok(tokio::task::spawn_blocking(build).await??)
}

/// One line about what was made.
pub fn said(built: &Built) -> String {
    let Built { file, fresh, way, bytes, digest, duration } = built;
    let (file, digest) = (shown(file), &digest[..DIGITS_SHOWN.min(digest.len())]);
    let kib = bytes.div_ceil(1024);
    match fresh {
        true => format!("{file}: {kib} KiB, digest {digest}, nothing to do (made by {way})"),
        false => format!("{file}: {kib} KiB, digest {digest}, in {:.1} s by {way}", duration.as_secs_f64()),
    }
}

/// The path from the current folder on, where it lies there.
fn shown(file: &Path) -> String {
    let current = std::env::current_dir().and_then(|current| current.canonicalize());
    let within = current.ok().and_then(|current| file.strip_prefix(current).ok().map(Path::to_owned));
    within.as_deref().unwrap_or(file).display().to_string()
}

fn json(folder: &PluginFolder, built: &Built, dropped: Option<&DroppedIn>) -> serde_json::Value {
    json!({
        "plugin": folder.name(),
        "language": folder.language().to_string(),
        "file": built.file,
        "fresh": built.fresh,
        "way": built.way,
        "bytes": built.bytes,
        "digest": built.digest,
        "seconds": built.duration.as_secs_f64(),
        "dropped_in": dropped.map(|dropped| &dropped.file),
        "settings_dropped_in": dropped.and_then(|dropped| dropped.settings.as_ref()),
    })
}

/// Shows a step of the build on standard error, where nobody may be listening.
fn progress(step: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{step}");
}
