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
