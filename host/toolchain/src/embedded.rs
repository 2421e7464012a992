//! What the library carries with it: SDKs, templates, the script that compiles Rust. `build.rs` collects them.

use crate::Language;

/// A file, by its path within its folder.
pub(crate) struct File {
    pub(crate) name: &'static str,
    pub(crate) bytes: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The SDK of a language, as it lies in `sdk/` of an author's folder.
pub(crate) fn sdk(language: Language) -> &'static [File] {
    SDK[language as usize]
}

/// The template of a language.
pub(crate) fn template(language: Language) -> &'static [File] {
    TEMPLATE[language as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order of the languages stands in two places.
    #[test]
    fn each_language_has_its_own_template() {
        for language in Language::ALL {
            let files = template(language);
            let has_manifest = files.iter().any(|file| file.name == language.manifest());
            assert!(has_manifest || files.is_empty(), "{language}");
        }
    }
}
