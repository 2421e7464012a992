//! The shell that follows the guide: what it reports of commands, and that nothing outlives it.

use std::path::Path;
use std::time::{Duration, Instant};

use millstream_guide::{Session, Typed};

fn session(folder: &Path) -> Session {
    Session::start(folder, Path::new("/nowhere"), Duration::from_secs(20)).unwrap()
}

#[test]
fn commands_share_a_shell_and_report_output_and_code() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = session(folder.path());
    let mut check = |command: &str, output: &str, code| {
        assert_eq!(session.type_in(command).unwrap(), Typed { output: output.into(), code }, "{command}");
    };
    check("mkdir a && cd a && x=1", "", 0);
    check("basename \"$PWD\"; echo $x; echo error >&2; false", "a\n1\nerror\n", 1);
    check("printf 'no line break'", "no line break", 0);
    check("cat", "", 0);
    check("cat <<'END'\none\ntwo\nEND", "one\ntwo\n", 0);
}

#[test]
fn what_was_started_ends_with_the_session() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = session(folder.path());
    session.type_in("sleep 1000 &").unwrap();
    let pid = session.type_in("jobs -p").unwrap().output.trim().to_owned();
    drop(session);
    let deadline = Instant::now() + Duration::from_secs(20);
    let process = Path::new("/proc").join(&pid).join("stat");
    let has_ended = || match std::fs::read_to_string(&process) {
        Ok(stat) => stat.contains(") Z "),
        Err(_) => true,
    };
    while !has_ended() {
        assert!(Instant::now() < deadline, "process {pid} goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
}
