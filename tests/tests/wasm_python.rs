//! The example in Python, where Python and its wasmtime are to be had.

use std::path::{Path, PathBuf};
use std::process::Command;

use shelfmq_tests::component::artifact;

/// What the example is written for.
const WASMTIME: &str = "wasmtime==50.*";

/// A Python that has wasmtime, in a virtual environment that is made once. None where it cannot be made.
fn python() -> Option<PathBuf> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-wasmtime");
    let python = home.join("bin/python");
    let run = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    let has_wasmtime = || run(Command::new(&python).args(["-c", "import wasmtime.component"]));
    let is_made = has_wasmtime()
        || run(Command::new("python3").args(["-m", "venv"]).arg(&home))
            && run(Command::new(&python).args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--timeout",
                "20",
                "--retries",
                "1",
                WASMTIME,
            ]))
            && has_wasmtime();
    is_made.then_some(python)
}

#[test]
fn the_example_in_python_publishes_and_subscribes() {
    let Some(python) = python() else {
        println!("not run: there is no python3 with venv here, or pip cannot get {WASMTIME}");
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wasm/examples/python/host.py");
    let output = Command::new(python).arg(script).arg(artifact()).output().expect("it was run before");
    let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let wanted = "published: 200 b'OK'\n\
                  received: 200 b'hello from the sandbox' attempt 1\n\
                  finished: 200 b'{\"finished\":1}'\n\
                  nothing more: 204\n";
    assert_eq!(told, wanted, "{errors}");
}
