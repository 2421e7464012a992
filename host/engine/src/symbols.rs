//! Names the place in a plugin's source where a call ended: file and line where the plugin carries debug
//! information (DWARF), else the function. wasmtime could do it itself, but at every trap and for all frames;
//! here it is done for the rows that are blamed, once for each place, and compiled plugins stay small.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use addr2line::gimli::{self, EndianSlice, LittleEndian};
use wasmparser::{Parser, Payload, TypeRef};
use wasmtime::FrameInfo;

/// Debug information of a plugin that is kept in memory, in bytes; of a larger one only functions are named.
const DEBUG_BYTES_MAX: usize = 64 << 20;
/// Places that are remembered.
const PLACES_MAX: usize = 256;
/// Frames that are looked at: those of a panic's machinery come first.
const FRAMES_MAX: usize = 16;
/// Bytes of code behind a place without a line in which one is looked for.
const NEARBY: u64 = 32;
/// Modules that wit-component puts beside the plugin's own.
const SHIMS: &str = "wit-component:";

/// A frame of a failed call, in wasmtime's terms.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Frame {
    module: Option<String>,
    function: Option<String>,
    function_index: u32,
    /// From the beginning of the function.
    offset_in_function: Option<usize>,
    /// From the beginning of what was compiled.
    offset: Option<usize>,
}

impl From<&FrameInfo> for Frame {
    fn from(frame: &FrameInfo) -> Self {
        Self {
            module: frame.module().name().map(str::to_owned),
            function: frame.func_name().map(str::to_owned),
            function_index: frame.func_index(),
            offset_in_function: frame.func_offset(),
            offset: frame.module_offset(),
        }
    }
}

/// A line of source, or as much of it as is known.
#[derive(Clone, Debug, Default)]
struct Spot {
    function: Option<String>,
    file: Option<String>,
    line: Option<u32>,
}

/// What a plugin says about its source.
#[derive(Debug, Default)]
pub(crate) struct Symbols {
    modules: Vec<Module>,
    /// True if the plugin came as a core module: what was compiled was made of it, with other offsets.
    is_core: bool,
    places: Mutex<HashMap<Vec<Frame>, Option<Arc<str>>>>,
}

/// A core module within the plugin.
#[derive(Debug, Default)]
struct Module {
    /// Where its code stands in the plugin's bytes.
    code: Range<u64>,
    /// Functions that it imports: they come first in the count.
    imported: u32,
    /// Where each function of its own begins in the plugin's bytes.
    bodies: Vec<u64>,
    /// Debug information, by the name of its section.
    sections: BTreeMap<String, Arc<[u8]>>,
}

impl Symbols {
    /// Reads what `plugin` says; what cannot be read is as if it were not there.
    pub(crate) fn of(plugin: &[u8], is_core: bool) -> Self {
        let mut modules = Vec::new();
        let mut bytes = 0;
        for payload in Parser::new(0).parse_all(plugin) {
            let Ok(payload) = payload else { break };
            read(payload, &mut modules, &mut bytes);
        }
        Self { modules, is_core, places: Mutex::default() }
    }

    /// The place in the plugin's own code that is closest to where the call ended:
    /// `cleanse-vehicle/src/cleanse.rs:42 (cleanse_vehicle::cleanse::row)`.
    pub(crate) fn place(&self, frames: &[Frame]) -> Option<Arc<str>> {
        let frames = &frames[..frames.len().min(FRAMES_MAX)];
        if frames.is_empty() {
            return None;
        }
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.get(frames) {
            return place.clone();
        }
        let place: Option<Arc<str>> = self.own_spot(frames).map(|spot| Arc::from(spot.to_string()));
        if places.len() < PLACES_MAX {
            places.insert(frames.to_vec(), place.clone());
        }
        place
    }

    /// All that is known of the frames, innermost first: a line for each call, inlined ones too.
    pub(crate) fn stack(&self, frames: &[Frame]) -> Vec<String> {
        frames.iter().flat_map(|frame| self.spots(frame)).map(|spot| spot.to_string()).collect()
    }

    /// The innermost spot of the plugin's own code, else the innermost of any.
    fn own_spot(&self, frames: &[Frame]) -> Option<Spot> {
        let spots = frames.iter().flat_map(|frame| self.spots(frame));
        let spots: Vec<Spot> = spots.filter(|spot| spot.file.is_some() || spot.function.is_some()).collect();
        spots.iter().find(|spot| spot.is_own()).or(spots.first()).cloned()
    }

    /// The spots of a frame: where functions were inlined, there are several.
    fn spots(&self, frame: &Frame) -> Vec<Spot> {
        if frame.module.as_deref().is_some_and(|module| module.starts_with(SHIMS)) {
            return Vec::new();
        }
        let function = frame.function.as_deref().map(demangled);
        let mut spots = self.address(frame).map(|(module, at)| module.spots(at)).unwrap_or_default();
        match spots.last_mut() {
            // DWARF names the function, the name section its module as well.
            Some(outermost) => outermost.function = function.or(outermost.function.take()),
            None => spots.push(Spot { function, ..Spot::default() }),
        }
        spots
    }

    /// The module of a frame and the place in its code, as DWARF counts it.
    fn address(&self, frame: &Frame) -> Option<(&Module, u64)> {
        let (module, at) = if self.is_core {
            let module = self.modules.first()?;
            let number = frame.function_index.checked_sub(module.imported)?;
            (module, module.bodies.get(number as usize)? + frame.offset_in_function? as u64)
        } else {
            let at = frame.offset? as u64;
            (self.modules.iter().find(|module| module.code.contains(&at))?, at)
        };
        Some((module, at.checked_sub(module.code.start)?))
    }
}

fn read(payload: Payload<'_>, modules: &mut Vec<Module>, bytes: &mut usize) {
    if let Payload::Version { encoding: wasmparser::Encoding::Module, .. } = payload {
        modules.push(Module::default());
    }
    let Some(module) = modules.last_mut() else { return };
    match payload {
        Payload::ImportSection(imports) => {
            let functions = imports.into_imports().flatten();
            let functions =
                functions.filter(|import| matches!(import.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)));
            module.imported += functions.count() as u32;
        }
        Payload::CodeSectionStart { unchecked_range, .. } => module.code = unchecked_range,
        Payload::CodeSectionEntry(body) => module.bodies.push(body.range().start),
        Payload::CustomSection(section)
            if section.name().starts_with(".debug_") && *bytes + section.data().len() <= DEBUG_BYTES_MAX =>
        {
            *bytes += section.data().len();
            module.sections.insert(section.name().to_owned(), Arc::from(section.data()));
        }
        _ => {}
    }
}

impl Module {
    fn spots(&self, at: u64) -> Vec<Spot> {
        self.try_spots(at).unwrap_or_default()
    }

    /// The spots at `at`. The compiler makes instructions that stand for no line, at the beginning of loops
    /// for example: then those of the next one that does.
    fn try_spots(&self, at: u64) -> Result<Vec<Spot>, gimli::Error> {
        if self.sections.is_empty() {
            return Ok(Vec::new());
        }
        let section = |id: gimli::SectionId| -> Result<_, gimli::Error> {
            let bytes = self.sections.get(id.name()).map_or(&[][..], |bytes| bytes);
            Ok(EndianSlice::new(bytes, LittleEndian))
        };
        let context = addr2line::Context::from_dwarf(gimli::Dwarf::load(section)?)?;
        let spots = spots_at(&context, at)?;
        if spots.first().is_none_or(|spot| spot.line.is_some()) {
            return Ok(spots);
        }
        let nearby = (at + 1..at + NEARBY).map(|at| spots_at(&context, at).unwrap_or_default());
        let lined = nearby.into_iter().find(|spots| spots.first().is_some_and(|spot| spot.line.is_some()));
        Ok(lined.unwrap_or(spots))
    }
}

fn spots_at(
    context: &addr2line::Context<EndianSlice<'_, LittleEndian>>,
    at: u64,
) -> Result<Vec<Spot>, gimli::Error> {
    let mut frames = context.find_frames(at).skip_all_loads()?;
    let mut spots = Vec::new();
    while let Some(frame) = frames.next()? {
        let name = frame.function.as_ref().and_then(|function| function.raw_name().ok());
        let location = frame.location.as_ref();
        spots.push(Spot {
            function: name.as_deref().map(demangled),
            file: location.and_then(|location| location.file).map(str::to_owned),
            line: location.and_then(|location| location.line),
        });
    }
    Ok(spots)
}

/// The name without the hash that Rust puts behind it.
fn demangled(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

impl Spot {
    /// False for what a plugin is made of but its author did not write: the standard library, crates, the
    /// SDK and the bindings, by where their source lies or, where that is not known, by their names.
    fn is_own(&self) -> bool {
        const FOREIGN_FILES: [&str; 10] = [
            "/library/",
            "/rustc/",
            "/rust/deps/",
            "/vendor/",
            "/registry/",
            "/.cargo/",
            "/sdk/",
            // wasi-libc
            "libc-top-half/",
            "libc-bottom-half/",
            "dlmalloc/",
        ];
        const FOREIGN_FUNCTIONS: [&str; 7] =
            ["std::", "core::", "alloc::", "__rust", "rust_panic", "<alloc::", "<core::"];
        let file = self.file.as_deref().unwrap_or_default();
        let function = self.function.as_deref().unwrap_or_default();
        !FOREIGN_FILES.iter().any(|part| file.contains(part))
            && !FOREIGN_FUNCTIONS.iter().any(|start| function.starts_with(start))
            && !function.contains("millstream::plugin::")
    }

    /// The file from the folder of its plugin on: what lies above is the builder's affair. That folder is where
    /// `src` lies or, without one, as in C, the one that the file is in.
    fn short_file(&self) -> Option<&str> {
        let file = self.file.as_deref()?;
        let source = file.rfind("/src/").or_else(|| file.rfind('/'));
        let start = source.and_then(|source| file[..source].rfind('/')).map_or(0, |slash| slash + 1);
        Some(&file[start..])
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.short_file(), self.line, &self.function) {
            (Some(file), Some(line), Some(function)) => write!(f, "{file}:{line} ({function})"),
            (Some(file), Some(line), None) => write!(f, "{file}:{line}"),
            (Some(file), None, Some(function)) => write!(f, "{file} ({function})"),
            (None, _, Some(function)) => write!(f, "function `{function}`"),
            (file, _, None) => f.write_str(file.unwrap_or("an unknown place")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_shown_from_the_plugins_folder_on() {
        let check = |file: &str, is_own, expected: &str| {
            let spot =
                Spot { file: Some(file.to_owned()), line: Some(7), function: Some("clean".to_owned()) };
            assert_eq!((spot.is_own(), spot.to_string()), (is_own, format!("{expected}:7 (clean)")));
        };
        check("/home/ann/hungry/src/lib.rs", true, "hungry/src/lib.rs");
        check("/home/ann/hungry/plugin.c", true, "hungry/plugin.c");
        check("plugin.c", true, "plugin.c");
        check("/home/ann/hungry/sdk/millstream.c", false, "sdk/millstream.c");
        check("/rustc/0123/library/core/src/option.rs", false, "core/src/option.rs");
    }
}
