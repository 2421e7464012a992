//! `millstream plugin …`: one file for each verb. Those about versions ask the admin API of a running process;
//! those about keys and signatures work on files.

mod bench;
mod build;
mod change;
mod dev;
mod inspect;
mod keygen;
mod list;
mod new;
mod place;
mod repro;
mod shadow;
mod show;
mod sign;
mod signature;
mod test;
mod verify;
mod watch;
mod workbench;

use std::path::Path;

use anyhow::{Context as _, bail};

use crate::args;
use crate::exit::Usage;

/// Where passwords are asked for, whatever standard input is.
const TERMINAL: &str = "/dev/tty";
const NO_TERMINAL: &str = "there is no terminal to ask for the password of the secret key at: name a file that holds it \
                           with --password-file, or make keys without one (keygen --no-password)";

/// Does what the verb says.
pub async fn plugin(verb: args::Plugin) -> anyhow::Result<()> {
    match verb {
        args::Plugin::New(args) => new::new(&args),
        args::Plugin::Build(args) => build::build(&args),
        args::Plugin::Test(args) => test::test(args).await,
        args::Plugin::Dev(args) => dev::dev(args).await,
        args::Plugin::Inspect(args) => inspect::inspect(&args).await,
        args::Plugin::Bench(args) => bench::bench(args).await,
        args::Plugin::Repro(args) => repro::repro(args).await,
        args::Plugin::List(args) => list::list(&args).await,
        args::Plugin::Show(args) => show::show(&args).await,
        args::Plugin::Shadow(args) => shadow::shadow(args).await,
        args::Plugin::Approve(args) => change::approve(args).await,
        args::Plugin::Promote(args) => change::promote(args).await,
        args::Plugin::Rollback(args) => change::roll_back(args).await,
        args::Plugin::Dismiss(args) => change::dismiss(&args).await,
        args::Plugin::Keygen(args) => keygen::keygen(&args),
        args::Plugin::Sign(args) => sign::sign(&args),
        args::Plugin::Verify(args) => verify::verify(&args),
    }
}

/// The password in the file that the command line names; none: it is asked for at the terminal.
fn password(args: &args::Password) -> anyhow::Result<Option<String>> {
    let Some(file) = &args.password_file else {
        return match std::fs::File::open(TERMINAL) {
            Ok(_) => Ok(None),
            Err(_) => Err(Usage(NO_TERMINAL.to_owned()).into()),
        };
    };
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// The bytes of a plugin's file.
fn bytes(file: &Path) -> anyhow::Result<Vec<u8>> {
    millstream_engine::size_of_file(file)?;
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

/// The name of the plugin in `file`.
fn name(file: &Path) -> anyhow::Result<String> {
    let name = file.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".wasm"));
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match name {
        Some(name) if !name.is_empty() && name.chars().all(legal) => Ok(name.to_owned()),
        _ => bail!(
            "{} is not called like a plugin: expected NAME.wasm, of letters, digits, `_` and `-`",
            file.display()
        ),
    }
}
