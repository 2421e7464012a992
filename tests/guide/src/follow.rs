//! Does a page from its top to its end, and says where it is not true.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use crate::block::{Block, Command, Content, blocks};
use crate::compare::difference;
use crate::session::Session;

/// Longest that one command of the guide may take: some install a compiler.
const PATIENCE: Duration = Duration::from_secs(600);

/// Follows the page in the file `page`, in the empty folder `folder`, with the programs of `programs`. What is
/// done is told on standard output.
///
/// # Errors
/// At the first block that is not as the page says, with its line.
pub fn follow(page: &Path, folder: &Path, programs: &Path) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(page).with_context(|| format!("{} cannot be read", page.display()))?;
    let mut session = Session::start(folder, programs, PATIENCE)?;
    for block in blocks(&text).with_context(|| page.display().to_string())? {
        let place = format!("{}:{}", page.display(), block.line);
        act(&mut session, &block).with_context(|| place)?;
    }
    Ok(())
}

fn act(session: &mut Session, block: &Block) -> anyhow::Result<()> {
    match &block.content {
        Content::Console(commands) => commands.iter().try_for_each(|command| run(session, command)),
        Content::File { path, text } => {
            let file = here(session)?.join(path);
            std::fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))
                .and_then(|()| std::fs::write(&file, text))
                .with_context(|| format!("{} cannot be written", file.display()))
        }
        Content::Excerpt { path, text } => {
            let file = here(session)?.join(path);
            let whole = std::fs::read_to_string(&file)
                .with_context(|| format!("{}, of which this is a part, cannot be read", file.display()))?;
            ensure!(whole.contains(text.as_str()), "these lines do not stand in {path}, which is:\n{whole}");
            Ok(())
        }
        Content::Text => Ok(()),
    }
}

/// The reader's current folder.
fn here(session: &mut Session) -> anyhow::Result<std::path::PathBuf> {
    Ok(session.type_in("pwd")?.output.trim_end().into())
}

fn run(session: &mut Session, command: &Command) -> anyhow::Result<()> {
    println!("$ {}", command.typed);
    let typed = session.type_in(&command.typed)?;
    println!("{}", typed.output);
    if typed.code != command.code {
        bail!(
            "`{}` ended with {}, not {}; it printed:\n{}",
            command.typed,
            typed.code,
            command.code,
            typed.output
        );
    }
    let promised = !command.output.is_empty();
    match difference(&command.output, &typed.output).filter(|_| promised) {
        Some(difference) => bail!("`{}` prints something else:\n{difference}", command.typed),
        None => Ok(()),
    }
}
