//! Commands as a person would paste them, run by bash.

use std::io;
use std::process::{Command, Stdio};

/// Ports that written commands name, in place of which the test's server has another.
const WRITTEN_PORTS: [&str; 2] = ["4151", "61548"];

/// Puts a server's port in the place of those that written commands name.
pub fn with_port(text: &str, port: u16) -> String {
    WRITTEN_PORTS.iter().fold(text.to_owned(), |text, written| {
        ["localhost", "127.0.0.1"]
            .iter()
            .fold(text, |text, host| text.replace(&format!("{host}:{written}"), &format!("{host}:{port}")))
    })
}

/// Runs a script, and gives what it wrote to its standard output.
///
/// # Errors
/// That there is no bash, or that the script failed.
pub fn bash(script: &str) -> io::Result<String> {
    let mut command = Command::new("bash");
    // A proxy in the environment would be asked for the loopback, too.
    command
        .env("no_proxy", "*")
        .env_remove("CURL_HOME")
        .args(["-c", script])
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let output = command.output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("{}: {script}", output.status)));
    }
    String::from_utf8(output.stdout).map_err(io::Error::other)
}
