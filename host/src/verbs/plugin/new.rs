//! `millstream plugin new`: writes a plugin to begin with, and says what to do next.

use std::path::Path;

use millstream_toolchain::{Language, NewPlugin};

use crate::{args, out};

/// Writes the folder.
pub fn new(args: &args::New) -> anyhow::Result<()> {
    let plugin = NewPlugin { name: &args.name, language: language(args.lang), path: args.path.as_deref() };
    let written = millstream_toolchain::new(&plugin)?;
    let folder = written.folder.display();
    out::line(format_args!("{folder}: a plugin in {}", plugin.language))?;
    for file in written.files.iter().filter(|file| !file.starts_with('.')) {
        out::line(format_args!("  {file}"))?;
    }
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
