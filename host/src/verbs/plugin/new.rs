//! `millstream plugin new`: writes a plugin to begin with, and says what to do next.

use std::path::Path;

use millstream_toolchain::{Language, NewPlugin};
use serde_json::json;

use crate::{args, out};

/// Folder of the SDK in the plugin's.
const SDK: &str = "sdk/";

/// Writes the folder.
pub fn new(args: &args::New) -> anyhow::Result<()> {
    let plugin = NewPlugin { name: &args.name, language: language(args.lang), path: args.path.as_deref() };
    let written = millstream_toolchain::new(&plugin)?;
    if args.json {
        return out::line(json!({
            "plugin": args.name,
            "language": plugin.language.to_string(),
            "folder": written.folder,
            "files": written.files,
        }));
    }
    out::line(format_args!("{}: a plugin in {}", written.folder.display(), plugin.language))?;
    let (sdk, own): (Vec<_>, Vec<_>) = written.files.iter().partition(|file| file.starts_with(SDK));
    own.into_iter().try_for_each(|file| out::line(format_args!("  {file}")))?;
    out::line(format_args!("  {SDK} ({} files: what it is written against)", sdk.len()))?;
    out::line(format_args!(
        "\nnext:\n  cd {}\n  millstream plugin test      # builds it and runs its cases\n  \
         millstream plugin build     # {}.wasm, for the plugin folder of a millstream",
        for_a_shell(&written.folder),
        args.name
    ))
}

/// The path as one word of a shell's command.
fn for_a_shell(path: &Path) -> String {
    let path = path.display().to_string();
    match path.chars().all(|c| c.is_alphanumeric() || "/._-+".contains(c)) {
        true => path,
        false => format!("'{}'", path.replace('\'', r"'\''")),
    }
}

fn language(language: args::Language) -> Language {
    match language {
        args::Language::Rust => Language::Rust,
        args::Language::Python => Language::Python,
        args::Language::Javascript => Language::Javascript,
        args::Language::C => Language::C,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_of_a_command() {
        for (path, expect) in [
            ("meters/gauge-1", "meters/gauge-1"),
            ("my meters/gauge", "'my meters/gauge'"),
            ("it's/$HOME", r"'it'\''s/$HOME'"),
        ] {
            assert_eq!(for_a_shell(Path::new(path)), expect);
        }
    }
}
