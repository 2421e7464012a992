//! `millstream top` in a real terminal, and as one plain frame.

use millstream_tests::{Command, Served, Terminal, Workspace, seeds};
use serde_json::{Value, json};

/// The cells of the line that begins with `name`.
fn cells(screen: &str, name: &str) -> Vec<String> {
    let line = screen.lines().find(|line| line.trim_start().starts_with(name)).unwrap_or_default();
    let cells = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
    cells.map(|cell| cell.replace(' ', "")).collect()
}

#[test]
fn a_person_watches_a_run() {
    let workspace = Workspace::files();
    let messages = seeds("canonical", "vehicle_data") + &seeds("misspelt", "vehicle_data");
    workspace.write("messages/vehicle_data/0.jsonl", &messages);
    let served = Served::start(&workspace);
    let terminal = Terminal::start(&["top", "--url", &served.address], &workspace.path(""), (100, 24));
    // Name, records/s, in, out, dropped, dead, lag.
    let all = |screen: &str| {
        cells(screen, "vehicle").get(2..7) == Some(&["400", "300", "0", "100", "0"].map(str::to_owned))
    };
    let screen = terminal.wait_for(all);
    for words in [
        " ready ",
        "worker-0",
        &served.address,
        "checkpoint",
        "cleanse",
        "µs/row",
        "curated.vehicle",
        "q quit",
    ] {
        assert!(screen.contains(words), "`{words}` is not in:\n{screen}");
    }
    assert!(!screen.contains("circuit"), "{screen}");

    terminal.resize(80, 10);
    let narrow = terminal.wait_for(|screen| screen.lines().count() == 10 && screen.contains("scroll"));
    assert!(narrow.contains("records/s") && narrow.contains("p99"), "{narrow}");
    assert!(!narrow.contains("raw.vehicle"), "{narrow}");
    (0..9).for_each(|_| terminal.press("Down"));
    terminal.wait_for(|screen| screen.contains("raw.vehicle"));

    served.stop();
    terminal.wait_for(|screen| screen.contains("no answer any more") && screen.contains(" gone "));
    terminal.press("q");
    terminal.wait_for_end();
}

#[test]
fn one_frame_goes_to_a_pipe() {
    let workspace = Workspace::files();
    workspace.write("messages/vehicle_data/0.jsonl", seeds("canonical", "vehicle_data"));
    let served = Served::start(&workspace);
    served.wait_until_committed("vehicle", 300);
    let frame = Command::millstream(["top", "--once", "--url", &served.address]).succeed();
    assert_eq!(cells(&frame, "vehicle").get(2..4), Some(&["300", "300"].map(str::to_owned)[..]), "{frame}");
    assert!(!frame.contains('\x1b'), "{frame}");
    // The cost of a row used to run into the count of dead letters before it.
    let cost = cells(&frame, "cleanse").into_iter().find(|cell| cell.contains("µs/row")).unwrap_or_default();
    assert!(frame.lines().any(|line| line.contains(" 0 ") && line.contains("µs/row")), "{cost}: {frame}");
    let status = Command::millstream(["top", "--json", "--url", &served.address]).succeed();
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["streams"][0]["committed"]["in"], json!(300));
    let output = Command::millstream(["top", "--url", &served.address]).run();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(output.stderr.contains("--once"), "{}", output.stderr);
    served.stop();
}

#[test]
fn a_run_that_cannot_be_looked_at_is_told_from_one_that_is_not_there() {
    let workspace = Workspace::files();
    let output = workspace.millstream(&["top"]).run();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(output.stderr.contains("[http] listen"), "{}", output.stderr);
    workspace.configure("[checkpoint]", "[http]\nlisten = \"127.0.0.1:1\"\n[checkpoint]");
    let output = workspace.millstream(&["top"]).run();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    for words in ["nothing answers at http://127.0.0.1:1", "millstream run", "--url", "refused"] {
        assert!(output.stderr.contains(words), "`{words}` is not in: {}", output.stderr);
    }
}
