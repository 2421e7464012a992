//! `millstream plugin new`: writes a plugin to begin with, and says what to do next.

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
        "\nnext:\n  cd {folder}\n  millstream plugin test      # builds it and runs its cases\n  \
         millstream plugin build     # {}.wasm, for the plugin folder of a millstream",
        args.name
    ))
}

fn language(language: args::Language) -> Language {
    match language {
        args::Language::Rust => Language::Rust,
        args::Language::Python => Language::Python,
        args::Language::Javascript => Language::Javascript,
        args::Language::C => Language::C,
    }
}
