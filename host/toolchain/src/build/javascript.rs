//! JavaScript and TypeScript, by componentize-js and esbuild from npm: in a folder of the cache, with all that they need in
//! the versions and with the digests of a lock file, run by the SDK's `build.mjs`, which says in the SDK's README what it
//! does.

use std::path::PathBuf;
use std::process::Command;

use sha2::{Digest as _, Sha256};

use super::{Made, elsewhere, read, scratch, sdk};
use crate::embedded::{NPM_LOCK, NPM_MANIFEST};
use crate::process::{Packages, ask, find, run};
use crate::{BuildError, Language, PluginFolder, cache};

const COMPONENTIZE_JS: &str = "0.23.0";
const ESBUILD: &str = "0.28.2";
const OLDEST_NODE: u64 = 20;
const PACKAGES: Packages =
    Packages { debian: &["nodejs", "npm"], fedora: "nodejs nodejs-npm", homebrew: "node" };

pub(super) fn make(folder: &PluginFolder, say: &mut dyn FnMut(&str)) -> Result<Made, BuildError> {
    let sdk = sdk(folder)?;
    let (node, npm) = programs()?;
    let tools = tools(npm, say)?;
    let scratch = scratch()?;
    let out = scratch.path().join("plugin.wasm");
    let way = format!("componentize-js {COMPONENTIZE_JS}");
    say(&format!("building with {way}"));
    let mut build = Command::new(node);
    build.arg(sdk.join("build.mjs")).arg("--folder").arg(folder.path());
    build.arg("--tools").arg(tools).arg("--out").arg(&out);
    if !run(&mut build)?.success() {
        return Err(BuildError::Compile { name: folder.name().to_owned() });
    }
    Ok(Made { wasm: read(&out)?, way, elsewhere: elsewhere(folder, &sdk)? })
}

/// The folder with the `node_modules` of both programs.
fn tools(npm: PathBuf, say: &mut dyn FnMut(&str)) -> Result<PathBuf, BuildError> {
    // Another lock is another folder.
    let lock = hex::encode(&Sha256::digest(NPM_LOCK)[..6]);
    cache::once(&format!("componentize-js-{COMPONENTIZE_JS}-{lock}"), |folder| {
        let packages = format!("@bytecodealliance/componentize-js@{COMPONENTIZE_JS} and esbuild@{ESBUILD}");
        say(&format!("installing {packages} from npm, once"));
        for (name, text) in [("package.json", NPM_MANIFEST), ("package-lock.json", NPM_LOCK)] {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(|source| BuildError::io(&path, source))?;
        }
        let mut install = Command::new(npm);
        // Not `npm ci`: it refuses a lock that lacks the optional packages of other platforms.
        install.arg("install").arg("--prefix").arg(folder);
        install.args(["--no-audit", "--no-fund", "--loglevel=error"]);
        // Without a network that is said soon.
        install.args(["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"]);
        match run(&mut install)?.success() {
            true => Ok(()),
            false => Err(BuildError::Install { client: "npm", packages }),
        }
    })
}

fn programs() -> Result<(PathBuf, PathBuf), BuildError> {
    usable().map_err(|problem| PACKAGES.missing(Language::Javascript, problem))
}

fn usable() -> Result<(PathBuf, PathBuf), String> {
    let node = find("node").ok_or("node was not found")?;
    let version = ask(&node, &["--version"]).unwrap_or_default();
    let number = version.strip_prefix('v').and_then(|version| semver::Version::parse(version).ok());
    let shown = node.display();
    match number {
        None => Err(format!("{shown} does not say its version")),
        Some(found) if found.major < OLDEST_NODE => {
            Err(format!("{shown} is Node.js {found}, expected {OLDEST_NODE} or newer"))
        }
        Some(_) => Ok((node, find("npm").ok_or("npm was not found")?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_has_the_versions_that_are_told() {
        let lock: serde_json::Value = serde_json::from_str(NPM_LOCK).unwrap();
        let version = |name: &str| &lock["packages"][format!("node_modules/{name}")]["version"];
        assert_eq!(version("@bytecodealliance/componentize-js"), COMPONENTIZE_JS);
        assert_eq!(version("esbuild"), ESBUILD);
    }
}
