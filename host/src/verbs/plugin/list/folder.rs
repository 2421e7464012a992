//! The plugins that lie in a plugin folder: what each is, whether it could run, and how it stands to the steps.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use millstream_engine::Engine;
use millstream_http::admin::model::{State as CandidateState, Step};
use millstream_model::Digest;
use millstream_pipeline::config::Config;
use millstream_signing::Signatures;
use serde::Serialize;

use super::table;
use crate::units::bytes;
use crate::verbs::plugin::signature::{Signature, State};
use crate::verbs::plugin::workbench;

/// A plugin's file.
#[derive(Serialize)]
pub(super) struct InFolder {
    file: PathBuf,
    /// The name that steps call it by: the file's.
    plugin: String,
    /// What it calls itself, and its version; none if it is broken.
    name: Option<String>,
    version: Option<String>,
    digest: Option<Digest>,
    size_bytes: Option<usize>,
    signature: Option<Signature>,
    /// How it stands to the steps that run, or would run, a plugin of its name.
    state: Vec<String>,
    /// Why no step can run it.
    problem: Option<String>,
}

/// The `.wasm` files in `folder`, by name; `steps` are those of the running process, if one is.
pub(super) fn look(
    folder: &Path,
    config: Option<&Config>,
    steps: Option<&[Step]>,
) -> anyhow::Result<Vec<InFolder>> {
    let cannot = || format!("cannot read the plugin folder {}", folder.display());
    let entries = std::fs::read_dir(folder).with_context(cannot)?;
    let entries = entries.collect::<Result<Vec<_>, _>>().with_context(cannot)?;
    let mut files: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "wasm"));
    files.sort();
    let engine = workbench::engine(config)?;
    let signatures = config.map(|config| config.signatures.as_ref().clone()).unwrap_or_default();
    Ok(files.into_iter().map(|file| of_file(&engine, &signatures, config, steps, file)).collect())
}

fn of_file(
    engine: &Engine,
    signatures: &Signatures,
    config: Option<&Config>,
    steps: Option<&[Step]>,
    file: PathBuf,
) -> InFolder {
    let plugin = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let loaded = match workbench::load(engine, &file) {
        Ok(loaded) => loaded,
        Err(error) => return broken(file, plugin, &error),
    };
    let (signature, unreadable) = match Signature::of(signatures, &plugin, &file, &loaded.bytes) {
        Ok(signature) => (Some(signature), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let refused = signature.as_ref().filter(|signature| signature.state == State::Refused);
    let about = loaded.plugin.about();
    let digest = loaded.plugin.digest();
    InFolder {
        name: Some(about.name.clone()),
        version: Some(about.version.clone()),
        digest: Some(digest),
        size_bytes: Some(loaded.plugin.size()),
        state: state(&plugin, digest, config, steps),
        problem: refused.map(Signature::words).or(unreadable),
        signature,
        plugin,
        file,
    }
}

fn broken(file: PathBuf, plugin: String, error: &dyn std::error::Error) -> InFolder {
    InFolder {
        file,
        plugin,
        name: None,
        version: None,
        digest: None,
        size_bytes: None,
        signature: None,
        state: Vec::new(),
        problem: Some(error.to_string()),
    }
}

/// How a file stands to the steps that are called to run it, by a running process or else the configuration.
fn state(plugin: &str, digest: Digest, config: Option<&Config>, steps: Option<&[Step]>) -> Vec<String> {
    if let Some(steps) = steps {
        return steps.iter().filter(|step| step.plugin == plugin).map(|step| to_step(digest, step)).collect();
    }
    let streams = config.into_iter().flat_map(|config| &config.streams);
    let steps = streams.flat_map(|stream| stream.steps.iter().map(move |step| (&stream.name, step)));
    let own = steps.filter(|(_, step)| step.plugin == plugin);
    own.map(|(stream, step)| format!("for {stream}/{}", step.name)).collect()
}

fn to_step(digest: Digest, step: &Step) -> String {
    let name = format!("{}/{}", step.stream, step.step);
    let candidate = step.candidate.as_ref().filter(|candidate| candidate.digest == Some(digest));
    let running = step.digest.short();
    match candidate.map(|candidate| candidate.state) {
        _ if step.digest == digest => format!("runs in {name}"),
        Some(CandidateState::Refused) => format!("refused by {name}, which runs {running}"),
        Some(_) => format!("waits as the candidate of {name}, which runs {running}"),
        None => format!("differs from what {name} runs ({running})"),
    }
}

/// The files for people; `has_steps`: it is known which steps there are.
pub(super) fn text(files: &[InFolder], has_steps: bool) -> String {
    let titles = ["plugin", "version", "digest", "signature", "state", "size"];
    let row = |file: &InFolder| {
        let state = match (&file.problem, file.state.is_empty()) {
            (Some(_), _) => "broken".to_owned(),
            (None, true) if has_steps => "no step runs it".to_owned(),
            (None, _) => file.state.join(", "),
        };
        let signature = file.signature.as_ref().map_or("", |signature| signature.state.word());
        let cells = vec![
            file.plugin.clone(),
            file.version.clone().unwrap_or_default(),
            file.digest.map_or(String::new(), |digest| digest.short()),
            signature.to_owned(),
            state,
            file.size_bytes.map_or(String::new(), |size| bytes(size as u64)),
        ];
        (cells, file.problem.iter().cloned().collect())
    };
    table::text(&titles, 5, files.iter().map(row).collect())
}
