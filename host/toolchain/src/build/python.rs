//! Python, by componentize-py from PyPI: in a virtual environment of its own in the cache folder, run by the
//! SDK's `build.py`, which says in the SDK's README what it does.

use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};

use super::{Made, elsewhere, read, scratch, sdk};
use crate::process::{Packages, ask, find, run};
use crate::{BuildError, Language, PluginFolder, cache};

const COMPONENTIZE_PY: &str = "0.25.1";
const OLDEST: (u32, u32) = (3, 9);
const PACKAGES: Packages =
    Packages { debian: &["python3", "python3-venv"], fedora: "python3", homebrew: "python" };

pub(super) fn make(folder: &PluginFolder, say: &mut dyn FnMut(&str)) -> Result<Made, BuildError> {
    let sdk = sdk(folder)?;
    let python = environment(say)?;
    let scratch = scratch()?;
    let out = scratch.path().join("plugin.wasm");
    let way = format!("componentize-py {COMPONENTIZE_PY}");
    say(&format!("building with {way}"));
    let mut build = Command::new(python);
    build.arg(sdk.join("build.py")).arg(folder.path()).arg("--out").arg(&out);
    // Nothing is left behind in a folder that is not the cache's.
    build.env("PYTHONDONTWRITEBYTECODE", "1").env_remove("PYTHONPATH").env_remove("PYTHONHOME");
    if !run(&mut build)?.success() {
        return Err(BuildError::Compile { name: folder.name().to_owned() });
    }
    Ok(Made { wasm: read(&out)?, way, elsewhere: elsewhere(folder, &sdk)? })
}

/// The Python that has componentize-py.
fn environment(say: &mut dyn FnMut(&str)) -> Result<PathBuf, BuildError> {
    let python = interpreter()?;
    // Another interpreter needs another environment.
    let version = ask(&python, &["-VV"]).unwrap_or_default();
    let key = hex::encode(&Sha256::digest(format!("{version}\0{}", python.display()))[..6]);
    let folder = cache::once(&format!("componentize-py-{COMPONENTIZE_PY}-{key}"), |folder| {
        let package = format!("componentize-py=={COMPONENTIZE_PY}");
        say(&format!("installing {package} from PyPI, once"));
        install(&python, folder, &package)
    })?;
    Ok(folder.join("bin/python"))
}

fn install(python: &Path, folder: &Path, package: &str) -> Result<(), BuildError> {
    if !run(Command::new(python).args(["-m", "venv"]).arg(folder))?.success() {
        return Err(
            PACKAGES.missing(Language::Python, "python3 cannot make a virtual environment".to_owned())
        );
    }
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--retries=1",
        "--only-binary=:all:",
        package,
    ]);
    match run(&mut pip)?.success() {
        true => Ok(()),
        false => Err(BuildError::Install { client: "pip", packages: package.to_owned() }),
    }
}

/// A Python that is new enough and can make environments.
fn interpreter() -> Result<PathBuf, BuildError> {
    usable().map_err(|problem| PACKAGES.missing(Language::Python, problem))
}

fn usable() -> Result<PathBuf, String> {
    let python = find("python3").ok_or("python3 was not found")?;
    let version = ask(&python, &["-c", "import sys; print('%d.%d' % sys.version_info[:2])"]);
    let numbers = version.as_deref().and_then(|version| version.split_once('.'));
    let numbers = numbers.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    let shown = python.display();
    match numbers {
        None => Err(format!("{shown} does not say its version")),
        Some(found) if found < OLDEST => {
            let ((major, minor), (oldest_major, oldest_minor)) = (found, OLDEST);
            Err(format!("{shown} is Python {major}.{minor}, expected {oldest_major}.{oldest_minor} or newer"))
        }
        Some(_) if ask(&python, &["-c", "import venv, ensurepip"]).is_none() => {
            Err(format!("{shown} has no venv with pip"))
        }
        Some(_) => Ok(python),
    }
}
