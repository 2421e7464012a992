//! Folders of cases: `cases/<case>/{input.jsonl, expected.jsonl | error.txt, config.toml, lookup/<table>.jsonl}`, with a
//! `config.toml` beside them for what they share. A folder is read here, and what came out is written as what is
//! expected.

use std::fs;
use std::path::{Path, PathBuf};

use millstream_engine::Limits;

use crate::case::{Case, Content, Input};
use crate::error::CaseError;
use crate::expected::Expected;
use crate::lookup;
use crate::outcome::{Outcome, lines};
use crate::sequence::{Entry, entry};
use crate::settings;

const INPUT: &str = "input.jsonl";
const EXPECTED: &str = "expected.jsonl";
const ERROR: &str = "error.txt";
/// Largest file of a case, in bytes.
const BYTES_MAX: u64 = 64 << 20;

/// The folder of one case.
#[derive(Clone, Debug)]
pub struct CaseFolder {
    path: PathBuf,
    name: String,
}

/// The cases in the folder `cases`, by name. Hidden folders are none.
///
/// # Errors
/// If the folder cannot be read, or has no cases.
pub fn case_folders(cases: &Path) -> Result<Vec<CaseFolder>, CaseError> {
    if !cases.is_dir() {
        return Err(CaseError::NoCases(cases.to_owned()));
    }
    let fail = |source| CaseError::file(cases, source);
    let mut folders = Vec::new();
    for entry in fs::read_dir(cases).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') {
            folders.push(CaseFolder { path, name });
        }
    }
    folders.sort_by(|a, b| a.name.cmp(&b.name));
    if folders.is_empty() { Err(CaseError::EmptyFolder(cases.to_owned())) } else { Ok(folders) }
}

impl CaseFolder {
    /// Name of the case.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the case. Its limits are laid over `limits`.
    ///
    /// # Errors
    /// Which file and line is wrong, and what to do. A case that says nothing of what is expected is not wrong.
    pub fn read(&self, limits: &Limits) -> Result<Case, CaseError> {
        let shared = self.path.parent().unwrap_or(Path::new("."));
        let settings = settings::settings(shared, &self.path, limits)?;
        let mut case = Case::new(self.name.clone());
        case.place = self.path.join(INPUT);
        case.content = Content::Lines(self.entries()?);
        case.tables = lookup::tables(&self.path, &settings.tables)?;
        case.input = Input { name: settings.input.unwrap_or(case.input.name), schema: settings.schema };
        case.inputs = settings.inputs;
        case.received_us = settings.received_us;
        case.key = settings.key;
        case.grants = settings.grants;
        case.limits = Some(settings.limits);
        case.expected = self.expected()?;
        case.config = serde_json::to_value(settings.config).unwrap_or_default();
        Ok(case)
    }

    /// Writes outcomes as what the case expects. Returns whether that changes anything.
    ///
    /// # Errors
    /// If the file cannot be written, or the case expects an error.
    pub fn bless(&self, outcomes: &[Outcome]) -> Result<bool, CaseError> {
        self.write(EXPECTED, ERROR, lines(outcomes))
    }

    /// Writes an error as what the case expects. Returns whether that changes anything.
    ///
    /// # Errors
    /// If the file cannot be written, or the case expects rows.
    pub fn bless_error(&self, error: &str) -> Result<bool, CaseError> {
        self.write(ERROR, EXPECTED, format!("{error}\n"))
    }

    fn write(&self, file: &str, other: &str, text: String) -> Result<bool, CaseError> {
        let (path, other) = (self.path.join(file), self.path.join(other));
        if other.is_file() {
            return Err(CaseError::OtherExpectation { is: other, not: file.to_owned() });
        }
        if fs::read_to_string(&path).is_ok_and(|now| now == text) {
            return Ok(false);
        }
        fs::write(&path, text).map_err(|source| CaseError::file(&path, source))?;
        Ok(true)
    }

    fn entries(&self) -> Result<Vec<(u64, Entry)>, CaseError> {
        let path = self.path.join(INPUT);
        let Some(bytes) = read(&path)? else { return Err(CaseError::NoInput(path)) };
        let lines = full_lines(&bytes);
        if lines.is_empty() {
            return Err(CaseError::NoMessages(path));
        }
        let entries = lines.into_iter().map(|(line, text)| {
            let wrong = |message| CaseError::Line { path: path.clone(), line, message };
            Ok((line, entry(text).map_err(wrong)?))
        });
        entries.collect()
    }

    fn expected(&self) -> Result<Option<Expected>, CaseError> {
        let path = self.path.join(EXPECTED);
        match (text(&path)?, text(&self.path.join(ERROR))?) {
            (Some(_), Some(_)) => Err(CaseError::TwoExpectations(self.path.clone())),
            (Some(text), None) => Expected::parse(&path, &text).map(Some),
            (None, Some(text)) => Ok(Some(Expected::Error(text.trim_end().to_owned()))),
            (None, None) => Ok(None),
        }
    }
}

/// The lines that are not empty, by their numbers from 1.
pub(crate) fn full_lines(text: &[u8]) -> Vec<(u64, &[u8])> {
    let lines = text.split(|byte| *byte == b'\n').enumerate();
    let full = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
    full.map(|(index, line)| (index as u64 + 1, line.strip_suffix(b"\r").unwrap_or(line))).collect()
}

/// The bytes of a file, if it is there.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, CaseError> {
    let Ok(metadata) = fs::metadata(path) else { return Ok(None) };
    if metadata.len() > BYTES_MAX {
        return Err(CaseError::TooLarge { path: path.to_owned(), bytes: metadata.len(), most: BYTES_MAX });
    }
    fs::read(path).map(Some).map_err(|source| CaseError::file(path, source))
}

fn text(path: &Path) -> Result<Option<String>, CaseError> {
    let Some(bytes) = read(path)? else { return Ok(None) };
    let valid = |error: std::string::FromUtf8Error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        CaseError::Line {
            path: path.to_owned(),
            line: line as u64,
            message: "not UTF-8; save the file as UTF-8".to_owned(),
        }
    };
    String::from_utf8(bytes).map(Some).map_err(valid)
}
