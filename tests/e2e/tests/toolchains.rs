//! `plugin build` on machines that lack something: what is missing is named, with what to install. The machines are
//! folders of programs, made up or real, that stand alone on the PATH.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use millstream_tests::{Command, Output};

/// A machine: its programs, a plugin in each language, a cache of its own.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        let files = [
            ("rust/Cargo.toml", "[package]\nname = \"rust\"\nedition = \"2024\"\n[workspace]\n"),
            ("rust/src/lib.rs", ""),
            ("python/pyproject.toml", "[project]\nname = \"python\"\nversion = \"1\"\n"),
            ("python/sdk/build.py", ""),
            ("javascript/package.json", "{\"name\": \"javascript\"}"),
            ("javascript/sdk/build.mjs", ""),
            ("c/plugin.c", "int x = ;\n"),
            ("c/sdk/src/sdk.c", ""),
            ("c/sdk/generated/bindings.c", ""),
            ("c/sdk/third_party/cjson/cJSON.c", ""),
        ];
        for (name, text) in files {
            machine.write(name, text);
        }
        std::fs::create_dir(machine.path("bin")).unwrap();
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Gives it a program that prints `says` to whatever it is asked.
    fn with(self, program: &str, says: &str) -> Self {
        self.with_script(program, &format!("#!/bin/sh\necho '{says}'\n"))
    }

    fn with_script(self, program: &str, script: &str) -> Self {
        let path = self.path("bin").join(program);
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    /// Gives it programs of this machine.
    fn with_real(self, programs: &[&str]) -> Self {
        for program in programs {
            let found = std::env::var("PATH").unwrap();
            let found =
                found.split(':').map(|folder| Path::new(folder).join(program)).find(|path| path.exists());
            symlink(found.expect("scripts/setup installs it"), self.path("bin").join(program)).unwrap();
        }
        self
    }

    fn build(&self, language: &str, environment: &[(&str, &str)]) -> Output {
        let command = Command::millstream(["plugin", "build", language]).in_folder(self.0.path());
        let command = command.env("PATH", self.path("bin").to_str().unwrap());
        let command = command.env("MILLSTREAM_CACHE", self.path("cache").to_str().unwrap());
        environment.iter().fold(command, |command, (name, value)| command.env(name, value)).run()
    }

    /// The build ends with this code and these words, and leaves no plugin.
    #[track_caller]
    fn check(&self, language: &str, environment: &[(&str, &str)], code: i32, expect: &[&str]) {
        let output = self.build(language, environment);
        assert_eq!(output.code, Some(code), "{}", output.stderr);
        for part in expect {
            assert!(output.stderr.contains(part), "`{part}` is not in: {}", output.stderr);
        }
        assert!(!self.path(language).join(format!("{language}.wasm")).exists());
    }
}

#[test]
fn an_empty_machine_is_told_what_each_language_needs() {
    let machine = Machine::new();
    let expect = [
        "cannot build a plugin in Rust: bash was not found, nor cargo and rustc; install bash (Debian: apt-get install \
         bash; Fedora: dnf",
        "https://rustup.rs, then `rustup target add wasm32-unknown-unknown`",
    ];
    machine.check("rust", &[], 2, &expect);
    let machine = machine.with("cargo", "").with("rustc", "");
    machine.check(
        "rust",
        &[],
        2,
        &["Rust: bash was not found; install bash (Debian: apt-get install bash; "],
    );
    let expect =
        ["cannot build a plugin in Python: python3 was not found", "apt-get install python3 python3-venv"];
    machine.check("python", &[], 2, &expect);
    let expect =
        ["JavaScript: node was not found", "Fedora: dnf install nodejs", "Homebrew: brew install node"];
    machine.check("javascript", &[], 2, &expect);
    let expect = ["C: clang was not found", "apt-get install clang lld wasi-libc"];
    machine.check("c", &[], 2, &expect);
}

#[test]
fn a_toolchain_that_is_too_old_or_incomplete_is_named() {
    let expect = ["bin/python3 is Python 3.8, expected 3.9 or newer", "python3-venv"];
    Machine::new().with("python3", "3.8").check("python", &[], 2, &expect);
    let without_venv = "#!/bin/sh\ncase \"$2\" in *venv*) exit 1;; esac\necho 3.11\n";
    let machine = Machine::new().with_script("python3", without_venv);
    machine.check("python", &[], 2, &["bin/python3 has no venv with pip"]);
    let machine = Machine::new().with("node", "v18.19.0");
    machine.check("javascript", &[], 2, &["bin/node is Node.js 18.19.0, expected 20 or newer"]);
    Machine::new().with("node", "v22.1.0").check("javascript", &[], 2, &["npm was not found"]);
    let machine = Machine::new().with("clang", "Debian clang version 11.0.1-2");
    machine.check("c", &[], 2, &["bin/clang is clang 11, expected 14 or newer"]);
    let machine = Machine::new().with("clang", "Ubuntu clang version 18.1.3 (1)");
    machine.check("c", &[], 2, &["bin/clang does not know the target wasm32"]);
    let without_linker = "#!/bin/sh\necho 'clang version 15.0.0 wasm32'\n";
    let machine = Machine::new().with_script("clang", without_linker);
    machine.check("c", &[], 2, &["bin/clang has not the linker wasm-ld", "dnf install clang lld"]);
    let machine = Machine::new().with_real(&["bash", "dirname", "cat"]);
    let only = [("MILLSTREAM_WASM_TOOLCHAIN", "rustup")];
    let expect =
        ["rustup target add wasm32-unknown-unknown", "there is no compiler for wasm32-unknown-unknown"];
    machine.check("rust", &only, 2, &expect);
}

#[test]
fn a_package_that_cannot_be_had_is_named_and_nothing_half_is_kept() {
    let nowhere = "http://127.0.0.1:9/";
    let machine = Machine::new().with_real(&["node", "npm", "sh", "env"]);
    let npm =
        [("npm_config_registry", nowhere), ("npm_config_fetch_retries", "0"), ("npm_config_cache", "npm")];
    let expect =
        ["npm could not install @bytecodealliance/componentize-js@", "over the network or from a mirror"];
    machine.check("javascript", &npm, 2, &expect);
    let pip = [
        ("PIP_INDEX_URL", nowhere),
        ("PIP_RETRIES", "0"),
        ("PIP_FIND_LINKS", ""),
        ("PIP_CONFIG_FILE", "/dev/null"),
    ];
    let script = "#!/bin/sh\nexec /usr/bin/python3 \"$@\"\n";
    let machine = machine.with_script("python3", script);
    machine.check("python", &pip, 2, &["pip could not install componentize-py==", "see its message above"]);
    let left = std::fs::read_dir(machine.path("cache")).unwrap().map(|entry| entry.unwrap().file_name());
    let left = left.map(|name| name.into_string().unwrap());
    let whole: Vec<_> = left.filter(|name| !name.ends_with(".lock")).collect();
    assert_eq!(whole, Vec::<String>::new());
}

#[test]
fn a_mistake_of_the_author_is_shown_as_the_compiler_says_it() {
    let machine = Machine::new().with_real(&["clang", "wasm-ld"]);
    let expect = [
        "plugin.c:1:9: error: expected expression",
        "plugin `c` was not built: its compiler's messages are above",
    ];
    machine.check("c", &[], 1, &expect);
}
