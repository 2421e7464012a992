//! What shows in a plugin's bytes without running it: imports, exports, memory, debug information and what it
//! was made with. For people who look at plugins; loading decides for itself (`load.rs`).

use std::collections::BTreeSet;

use wasmparser::{
    ComponentExternalKind, Encoding, ExternalKind, KnownCustom, Parser, Payload, ProducersSectionReader,
};

/// Bytes of a page of linear memory.
const PAGE_BYTES: u64 = 64 << 10;
/// What componentize-py's components are marked with; they do not name their language.
const MADE_FROM_PYTHON: &str = "component-init-transform";

/// What shows in a plugin's bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anatomy {
    /// True for a component, false for a core module that becomes one when it is loaded.
    pub is_component: bool,
    /// Interfaces it imports: `millstream:plugin/batches@0.1.0`.
    pub imports: BTreeSet<String>,
    /// Interfaces it exports.
    pub exports: BTreeSet<String>,
    /// Linear memory of an instance before it does anything, in bytes.
    pub memory_bytes: u64,
    /// True if it says which line of source its code was made of (DWARF line tables).
    pub has_lines: bool,
    /// Language it was written in, if it says that.
    pub language: Option<&'static str>,
    /// Tools that made it, with their versions, as they say.
    pub tools: BTreeSet<String>,
}

/// A plugin's bytes cannot be read to their end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is damaged or incomplete: {reason}")]
pub struct Unreadable {
    /// What the parser said.
    pub reason: String,
}

impl Anatomy {
    /// Reads `plugin`, a component or a core module.
    ///
    /// # Errors
    /// If it is not WebAssembly, or not whole.
    pub fn of(plugin: &[u8]) -> Result<Self, Unreadable> {
        let mut reader = Reader::default();
        for payload in Parser::new(0).parse_all(plugin) {
            payload
                .and_then(|payload| reader.read(payload))
                .map_err(|error| Unreadable { reason: error.to_string() })?;
        }
        Ok(reader.finish())
    }

    /// Pages of linear memory, of 64 KiB, of an instance before it does anything.
    pub fn memory_pages(&self) -> u64 {
        self.memory_bytes / PAGE_BYTES
    }

    /// The world it is of, by what it imports and exports: `transform`, `keyed-transform-with-migration`.
    pub fn world(&self) -> String {
        let has = |names: &BTreeSet<String>, interface: &str| {
            names.iter().any(|name| name.strip_prefix(interface).is_some_and(|rest| rest.starts_with('@')))
        };
        let of_state = ["clock", "state", "timers"].map(|name| format!("millstream:plugin/{name}"));
        let is_keyed = of_state.iter().any(|interface| has(&self.imports, interface))
            || has(&self.exports, "millstream:plugin/timed");
        let mut world = if is_keyed { "keyed-transform" } else { "transform" }.to_owned();
        if has(&self.exports, "millstream:plugin/migration") {
            world += "-with-migration";
        }
        if has(&self.imports, "millstream:plugin/http") {
            world += "-with-http";
        }
        world
    }

    /// The version of the plugin interface that it was built with: `0.1.0`.
    pub fn abi(&self) -> Option<&str> {
        let plugin = self.exports.iter().find_map(|name| name.strip_prefix("millstream:plugin/plugin@"));
        plugin
            .or_else(|| self.exports.iter().find_map(|name| name.split_once('@')).map(|(_, version)| version))
    }
}

/// What was read so far.
#[derive(Default)]
struct Reader {
    found: Anatomy,
    languages: BTreeSet<String>,
    /// Modules and components around the one that is being read.
    depth: usize,
}

impl Reader {
    fn read(&mut self, payload: Payload<'_>) -> wasmparser::Result<()> {
        let is_outermost = self.depth == 1;
        match payload {
            Payload::Version { encoding, .. } => {
                self.depth += 1;
                self.found.is_component |= encoding == Encoding::Component;
            }
            Payload::End(_) => self.depth = self.depth.saturating_sub(1),
            Payload::ImportSection(imports) if is_outermost => {
                for import in imports.into_imports() {
                    self.found.imports.insert(import?.module.to_owned());
                }
            }
            Payload::ExportSection(exports) if is_outermost => {
                for export in exports {
                    let export = export?;
                    let interface = export.name.split_once('#').map(|(interface, _)| interface);
                    let interface = interface.filter(|_| export.kind == ExternalKind::Func);
                    // What cleans up behind a call is called after it.
                    let own = interface.filter(|interface| !interface.starts_with("cabi_post_"));
                    self.found.exports.extend(own.map(str::to_owned));
                }
            }
            Payload::ComponentImportSection(imports) if is_outermost => {
                for import in imports {
                    self.found.imports.insert(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(exports) if is_outermost => {
                for export in exports {
                    let export = export?;
                    let is_interface =
                        export.kind == ComponentExternalKind::Instance && export.name.name.contains('/');
                    self.found.exports.extend(is_interface.then(|| export.name.name.to_owned()));
                }
            }
            Payload::MemorySection(memories) => {
                for memory in memories {
                    self.found.memory_bytes += memory?.initial * PAGE_BYTES;
                }
            }
            Payload::CustomSection(section) => {
                self.found.has_lines |= section.name() == ".debug_line";
                if let KnownCustom::Producers(producers) = section.as_known() {
                    // A list that breaks off says as much as it says.
                    let _ = self.read_producers(producers);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn read_producers(&mut self, producers: ProducersSectionReader<'_>) -> wasmparser::Result<()> {
        for field in producers {
            let field = field?;
            for value in field.values {
                let value = value?;
                match field.name {
                    "language" => self.languages.insert(value.name.to_owned()),
                    _ => self
                        .found
                        .tools
                        .insert(format!("{} {}", value.name, value.version).trim_end().to_owned()),
                };
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Anatomy {
        self.found.language = self.language();
        self.found
    }

    /// An interpreter names its own language besides the author's, so that of the author comes first here.
    fn language(&self) -> Option<&'static str> {
        let written_in = |start: &str| self.languages.iter().any(|language| language.starts_with(start));
        if written_in("JavaScript") {
            return Some("JavaScript");
        }
        if written_in("Python") || self.found.tools.iter().any(|tool| tool.starts_with(MADE_FROM_PYTHON)) {
            return Some("Python");
        }
        let others = [("Rust", "Rust"), ("C_plus_plus", "C++"), ("C", "C")];
        others.into_iter().find(|(start, _)| written_in(start)).map(|(_, language)| language)
    }
}
