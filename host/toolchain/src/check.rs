//! What a plugin imports. A host gives it `millstream:plugin` and nothing else, so whatever else is there would
//! be refused at load; here its author hears of it, with where it comes from.

use std::collections::BTreeSet;
use std::fmt;

use wasmparser::{Parser, Payload};

const PACKAGE: &str = "millstream:plugin/";
/// What wit-bindgen asks for on behalf of resources that the component itself exports.
const OWN_EXPORTS: &str = "[export]millstream:plugin/";
const SHOWN_MAX: usize = 5;

/// Imports that no host gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportProblem {
    /// `module.function` of a core module, names of instances of a component; ordered.
    pub imports: Vec<String>,
}

impl fmt::Display for ImportProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.imports.iter().take(SHOWN_MAX).map(|import| format!("`{import}`"));
        let more = self.imports.len().saturating_sub(SHOWN_MAX);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        write!(f, "it imports {}{more}, which no host gives: ", shown.collect::<Vec<_>>().join(", "))?;
        let from = |start: &str| self.imports.iter().any(|import| import.starts_with(start));
        f.write_str(if from("wasi") {
            "it or a package that it uses asks the system for files, time, random numbers or the like; \
             a plugin has the batch and its configuration alone"
        } else if from("__wbindgen") {
            "a crate that it uses is made for browsers (wasm-bindgen); `cargo tree -i wasm-bindgen` says which, \
             often a feature such as `js` or `wasmbind` can be switched off"
        } else if from("env.") {
            "functions that are declared but nowhere defined; compile and link them with the plugin"
        } else {
            "leave out the package that asks for it"
        })
    }
}

/// Checks the bytes of a component or of a core module.
pub(crate) fn imports(wasm: &[u8]) -> Result<(), ImportProblem> {
    let mut found = BTreeSet::new();
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(wasm) {
        // What cannot be read is for the host to say: it does so with more words.
        let Ok(payload) = payload else { break };
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ImportSection(imports) if depth == 0 => {
                let imports = imports.into_imports().flatten();
                found.extend(
                    imports.filter(|i| !is_ours(i.module)).map(|i| format!("{}.{}", i.module, i.name)),
                );
            }
            Payload::ComponentImportSection(imports) if depth == 0 => {
                let names = imports.into_iter().flatten().map(|import| import.name.name.to_owned());
                found.extend(names.filter(|name| !is_ours(name)));
            }
            _ => {}
        }
    }
    if found.is_empty() { Ok(()) } else { Err(ImportProblem { imports: found.into_iter().collect() }) }
}

fn is_ours(name: &str) -> bool {
    name.starts_with(PACKAGE) || name.starts_with(OWN_EXPORTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A core module that imports one function.
    fn module(from: &str, name: &str) -> Vec<u8> {
        let text = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
        let import = [&[1], &*text(from), &*text(name), &[0, 0]].concat();
        let import = [&[2, import.len() as u8], &*import].concat();
        [&b"\0asm\x01\0\0\0"[..], &[1, 4, 1, 0x60, 0, 0], &*import].concat()
    }

    fn check(from: &str, name: &str, expect: &str) {
        let problem = imports(&module(from, name)).err().map_or(String::new(), |problem| problem.to_string());
        assert!(problem.contains(expect) && problem.is_empty() == expect.is_empty(), "{from}: {problem}");
    }

    #[test]
    fn an_import_that_no_host_gives_is_told_with_where_it_comes_from() {
        check("millstream:plugin/log@0.1.0", "log", "");
        check("[export]millstream:plugin/plugin@0.1.0", "x", "");
        check(
            "wasi_snapshot_preview1",
            "clock_time_get",
            "`wasi_snapshot_preview1.clock_time_get`, which no host gives: it or a package that it uses asks the system",
        );
        check("__wbindgen_placeholder__", "now", "`cargo tree -i wasm-bindgen`");
        check("env", "missing", "declared but nowhere defined");
        check("other:package/thing@1.0.0", "f", "leave out the package");
    }
}
