//! C, by clang for wasm32 with wasi-libc, of which nothing is left that asks a system. The SDK brings the
//! bindings and the component type as C, so the core module that comes out is all that a host needs.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Made, elsewhere, read, scratch, sdk};
use crate::process::{Packages, ask, find, run};
use crate::{BuildError, Language, PluginFolder};

const OLDEST: u32 = 14;
const NEWEST_TRIED: u32 = 22;
const TARGET: &str = "--target=wasm32-wasi";
const PACKAGES: Packages = Packages {
    debian: &["clang", "lld", "wasi-libc", "libclang-rt-dev-wasm32"],
    fedora: "clang lld wasi-libc-devel wasi-libc-static compiler-rt",
    homebrew: "llvm lld wasi-libc wasi-runtimes",
};
/// Folders of the SDK whose C files are compiled with the plugin.
const SDK_SOURCES: [&str; 3] = ["src", "generated", "third_party/cjson"];
const SDK_HEADERS: [&str; 3] = ["include", "generated", "third_party/cjson"];
/// Lines for traps, vectors, and only those functions that are used.
const COMPILE: [&str; 14] = [
    TARGET,
    "-mexec-model=reactor",
    "-std=gnu17",
    "-O2",
    "-gline-tables-only",
    "-Wall",
    "-Wextra",
    "-msimd128",
    "-mbulk-memory",
    "-msign-ext",
    "-mnontrapping-fptoint",
    "-ffunction-sections",
    "-fdata-sections",
    "-fcolor-diagnostics",
];
/// An overflow of the stack traps instead of running into data; so does memory that is not to be had, for address 0 can
/// be written.
const LINK: [&str; 6] = [
    "-Wl,--stack-first",
    "-Wl,-z,stack-size=1048576",
    "-Wl,--wrap=malloc",
    "-Wl,--wrap=calloc",
    "-Wl,--wrap=realloc",
    "-Wl,--wrap=aligned_alloc",
];

pub(super) fn make(folder: &PluginFolder, say: &mut dyn FnMut(&str)) -> Result<Made, BuildError> {
    let sdk = sdk(folder)?;
    let compiler = compiler()?;
    let scratch = scratch()?;
    let out = scratch.path().join("plugin.wasm");
    say(&format!("compiling with {}", compiler.version));
    let mut clang = Command::new(&compiler.clang);
    clang.current_dir(folder.path()).args(COMPILE.iter().filter(|flag| is_wanted(flag)));
    // Paths of this machine stay out of it: the digest is that of the sources.
    clang.arg(format!("-fdebug-compilation-dir={}", folder.name()));
    clang.arg(format!("-ffile-prefix-map={}=/sdk/c", sdk.display()));
    clang.args(SDK_HEADERS.map(|headers| format!("-I{}", sdk.join(headers).display())));
    let own = sources(folder.path())?;
    clang.args(own.iter().filter_map(|path| path.file_name()));
    for folder in SDK_SOURCES {
        clang.args(sources(&sdk.join(folder))?);
    }
    if !run(clang.args(LINK).arg("-o").arg(&out))?.success() {
        return Err(BuildError::Compile { name: folder.name().to_owned() });
    }
    Ok(Made { wasm: read(&out)?, way: compiler.version, elsewhere: elsewhere(folder, &sdk)? })
}

fn is_wanted(flag: &str) -> bool {
    use std::io::IsTerminal as _;
    flag != "-fcolor-diagnostics" || std::io::stderr().is_terminal()
}

/// The C files that lie in a folder itself, in the order of their names.
fn sources(folder: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let fail = |source| BuildError::io(folder, source);
    let entries = std::fs::read_dir(folder).map_err(fail)?.collect::<Result<Vec<_>, _>>().map_err(fail)?;
    let is_c = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "c");
    let mut files: Vec<_> = entries.iter().map(std::fs::DirEntry::path).filter(is_c).collect();
    files.sort();
    Ok(files)
}

struct Compiler {
    clang: PathBuf,
    version: String,
}

fn compiler() -> Result<Compiler, BuildError> {
    usable().map_err(|problem| PACKAGES.missing(Language::C, problem))
}

/// The first of the compilers on the PATH that has everything, else what the first one lacks.
fn usable() -> Result<Compiler, String> {
    let versioned = (OLDEST..=NEWEST_TRIED).rev().map(|version| format!("clang-{version}"));
    let names = std::iter::once("clang".to_owned()).chain(versioned);
    let found: Vec<_> = names.filter_map(|name| find(&name)).map(complete).collect();
    let mut first_problem = None;
    for compiler in found {
        match compiler {
            Ok(compiler) => return Ok(compiler),
            Err(problem) => first_problem = first_problem.or(Some(problem)),
        }
    }
    Err(first_problem.unwrap_or_else(|| "clang was not found".to_owned()))
}

fn complete(clang: PathBuf) -> Result<Compiler, String> {
    let shown = clang.display().to_string();
    let says = ask(&clang, &["--version"]).unwrap_or_default();
    let version = says.lines().next().unwrap_or_default().to_owned();
    let number =
        version.split_once("version ").and_then(|(_, number)| number.split('.').next()?.parse().ok());
    match number {
        None::<u32> => return Err(format!("{shown} does not say its version")),
        Some(found) if found < OLDEST => {
            return Err(format!("{shown} is clang {found}, expected {OLDEST} or newer"));
        }
        Some(_) => {}
    }
    if !ask(&clang, &["--print-targets"]).is_some_and(|targets| targets.contains("wasm32")) {
        return Err(format!("{shown} does not know the target wasm32"));
    }
    for (flag, what) in [
        ("--print-prog-name=wasm-ld", "the linker wasm-ld"),
        ("--print-file-name=libc.a", "wasi-libc"),
        ("--print-libgcc-file-name", "the compiler's runtime library for wasm32"),
    ] {
        if !ask(&clang, &[TARGET, flag]).is_some_and(|path| is_there(&path)) {
            return Err(format!("{shown} has not {what}"));
        }
    }
    Ok(Compiler { clang, version })
}

/// Clang prints the path of what it finds, and the name of what it does not.
fn is_there(path: &str) -> bool {
    Path::new(path).is_absolute() && Path::new(path).exists() || find(path).is_some()
}
