//! From a page in Markdown to its blocks. What a block is for stands in its info string: `console` is typed,
//! `…,file=PATH` is written, `…,part-of=PATH` is an excerpt of what was written, `text` is looked at.

use anyhow::{Context as _, bail};
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

/// A fenced block of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Line of the page that its text begins at, from 1.
    pub line: usize,
    /// What is done with it.
    pub content: Content,
}

/// What a block holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Commands, and what they print.
    Console(Vec<Command>),
    /// A whole file.
    File {
        /// Where, from the reader's current folder.
        path: String,
        /// Its text.
        text: String,
    },
    /// Lines that stand in a file, together.
    Excerpt {
        /// Which, from the reader's current folder.
        path: String,
        /// The lines.
        text: String,
    },
    /// A diagram.
    Text,
}

/// A command and what the page says it does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// What is typed; several lines if it was continued.
    pub typed: String,
    /// The lines that it prints, with `...` for any lines and `[..]` for any text; none: whatever it prints.
    pub output: Vec<String>,
    /// The exit code.
    pub code: i32,
}

/// The fenced blocks of `page`, in order.
///
/// # Errors
/// If a block does not say what it is for, or a console block does not begin with a command.
pub fn blocks(page: &str) -> anyhow::Result<Vec<Block>> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, usize, String)> = None;
    for (event, range) in Parser::new(page).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                let line = page[..range.start].lines().count() + 1;
                let info = match kind {
                    CodeBlockKind::Fenced(info) => info.to_string(),
                    CodeBlockKind::Indented => bail!("line {line}: an indented block: fence it"),
                };
                open = Some((info, line + 1, String::new()));
            }
            Event::Text(text) => {
                if let Some((_, _, collected)) = &mut open {
                    collected.push_str(&text);
                }
            }
            Event::End(TagEnd::CodeBlock) => {
                if let Some((info, line, text)) = open.take() {
                    let content = content(&info, text).with_context(|| format!("line {line}"))?;
                    blocks.push(Block { line, content });
                }
            }
            _ => {}
        }
    }
    Ok(blocks)
}

fn content(info: &str, text: String) -> anyhow::Result<Content> {
    let mut words = info.split(',').map(str::trim);
    let language = words.next().unwrap_or_default();
    let purpose = words.find_map(|word| word.split_once('='));
    match (language, purpose) {
        ("console", None) => commands(&text).map(Content::Console),
        ("text", None) => Ok(Content::Text),
        (_, Some(("file", path))) => Ok(Content::File { path: path.to_owned(), text }),
        (_, Some(("part-of", path))) => Ok(Content::Excerpt { path: path.to_owned(), text }),
        _ => bail!(
            "a block of `{info}`: nobody runs it; expected console, text, …,file=PATH or …,part-of=PATH"
        ),
    }
}

fn commands(text: &str) -> anyhow::Result<Vec<Command>> {
    let mut commands: Vec<Command> = Vec::new();
    for line in text.lines() {
        match (line.split_at_checked(2), commands.last_mut()) {
            (Some(("$ ", typed)), _) => {
                commands.push(Command { typed: typed.to_owned(), ..Command::default() });
            }
            (Some(("> ", more)), Some(command)) if command.output.is_empty() => {
                command.typed.push('\n');
                command.typed.push_str(more);
            }
            (Some(("? ", code)), Some(command)) => {
                command.code = code.trim().parse().context("`? ` is followed by an exit code")?;
            }
            (_, Some(command)) => command.output.push(line.to_owned()),
            (_, None) => bail!("a console block begins with `$ `, not with `{line}`"),
        }
    }
    Ok(commands)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_taken_apart() {
        let page =
            "# T\n\n```console\n$ a \\\n> b\none\n...\n? 2\n$ c\n```\n\n```rust,file=src/lib.rs\nx\n```\n";
        let console = Content::Console(vec![
            Command { typed: "a \\\nb".into(), output: vec!["one".into(), "...".into()], code: 2 },
            Command { typed: "c".into(), ..Command::default() },
        ]);
        let file = Content::File { path: "src/lib.rs".into(), text: "x\n".into() };
        let expected = vec![Block { line: 4, content: console }, Block { line: 13, content: file }];
        assert_eq!(blocks(page).unwrap(), expected);
    }

    #[test]
    fn a_block_that_nobody_runs_is_refused() {
        for (page, reason) in [
            ("```rust\nx\n```\n", "a block of `rust`"),
            ("```\nx\n```\n", "a block of ``"),
            ("    x\n", "an indented block"),
            ("```console\nx\n```\n", "begins with `$ `"),
        ] {
            let error = format!("{:#}", blocks(page).unwrap_err());
            assert!(error.contains(reason), "{error}");
        }
    }
}
