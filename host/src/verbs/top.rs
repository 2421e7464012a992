//! `millstream top`: a live view of a running process in the terminal, or one plain frame of it.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use crate::client::Client;
use crate::screen::Screen;
use crate::{args, out};

/// Time between two looks at the process.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long the thread that reads keys waits before it looks whether it is still wanted.
const KEYS_WAIT: Duration = Duration::from_millis(100);
/// Columns of a plain frame where there is no terminal.
const PLAIN_COLUMNS: u16 = 104;

/// Shows a running process until `q`, or once.
pub async fn top(args: args::Top) -> anyhow::Result<()> {
    let client = Client::new(&args.process)?;
    let now = client.status().await?;
    if args.json {
        return out::line(serde_json::to_string(&now)?);
    }
    let base = client.base().to_owned();
    let mut screen = Screen { base, now, before: None, silent_since: None, scroll: 0 };
    if args.once {
        tokio::time::sleep(INTERVAL).await;
        look(&client, &mut screen).await;
        return out::text(plain(&screen)?);
    }
    if !std::io::stdout().is_terminal() {
        bail!("standard output is no terminal; --once prints one plain frame, --json the same as JSON");
    }
    let mut terminal = ratatui::try_init().context("cannot take over the terminal")?;
    let result = show(&client, &mut screen, &mut terminal).await;
    ratatui::restore();
    result
}

async fn show(
    client: &Client,
    screen: &mut Screen,
    terminal: &mut ratatui::DefaultTerminal,
) -> anyhow::Result<()> {
    let mut events = terminal_events();
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        terminal.draw(|frame| screen.draw(frame)).context("cannot draw")?;
        tokio::select! {
            _ = ticks.tick() => look(client, screen).await,
            event = events.recv() => match event.context("the terminal has gone")? {
                Event::Key(key) if ends(key) => return Ok(()),
                Event::Key(KeyEvent { code: KeyCode::Down, .. }) => screen.scroll = screen.scroll.saturating_add(1),
                Event::Key(KeyEvent { code: KeyCode::Up, .. }) => screen.scroll = screen.scroll.saturating_sub(1),
                // A new size is drawn like anything else.
                _ => {}
            },
        }
        let hidden = screen.height(terminal.size()?.width).saturating_sub(terminal.size()?.height);
        screen.scroll = screen.scroll.min(hidden);
    }
}

/// Takes a newer status, or notes that there is none.
async fn look(client: &Client, screen: &mut Screen) {
    match client.status().await {
        Ok(status) => {
            screen.before = Some(std::mem::replace(&mut screen.now, status));
            screen.silent_since = None;
        }
        // The run may come back; until then the screen says how old it is.
        Err(_) => screen.silent_since = screen.silent_since.or(Some(Instant::now())),
    }
}

fn ends(key: KeyEvent) -> bool {
    let interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    interrupt || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
}

/// Keys and changes of size, read by a thread of its own, which ends when nobody listens.
fn terminal_events() -> mpsc::Receiver<Event> {
    let (sender, events) = mpsc::channel(16);
    std::thread::spawn(move || {
        while !sender.is_closed() {
            match event::poll(KEYS_WAIT).and_then(|ready| ready.then(event::read).transpose()) {
                Ok(None) => {}
                Ok(Some(event)) => {
                    if sender.blocking_send(event).is_err() {
                        return;
                    }
                }
                // The terminal has gone; who listens learns it by our end.
                Err(_) => return,
            }
        }
    });
    events
}

/// One frame as text.
fn plain(screen: &Screen) -> anyhow::Result<String> {
    let columns = ratatui::crossterm::terminal::size().ok().filter(|_| std::io::stdout().is_terminal());
    let width = columns.map_or(PLAIN_COLUMNS, |(width, _)| width);
    // All but the line about the keys.
    let height = screen.height(width) - 1;
    let mut terminal = Terminal::new(TestBackend::new(width, height + 1))?;
    terminal.draw(|frame| screen.draw(frame))?;
    let buffer = terminal.backend().buffer();
    let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    Ok((0..height).map(|y| format!("{}\n", line(y).trim_end())).collect())
}
