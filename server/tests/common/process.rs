//! The real `shelfmq` as a process of its own, which can be killed.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::client::{Answer, Client};

const SHELFMQ: &str = env!("CARGO_BIN_EXE_shelfmq");

/// A broker on a free port. It is killed when it is dropped.
pub struct Process {
    child: Child,
    pub address: SocketAddr,
    log: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

/// A command that starts a broker on this data directory.
pub fn command(data: &Path) -> Command {
    let mut command = Command::new(SHELFMQ);
    arguments(&mut command, data);
    command
}

/// The same, started by another program.
pub fn command_under(program: &mut Command, data: &Path) {
    program.arg(SHELFMQ);
    arguments(program, data);
}

fn arguments(command: &mut Command, data: &Path) {
    command.args(["serve", "--http-address", "127.0.0.1:0", "--threads", "2", "--data-path"]).arg(data);
}

impl Process {
    /// Starts a broker on this directory.
    pub fn start(data: &Path, args: &[&str]) -> Self {
        Self::spawn(command(data).args(args))
    }

    pub fn spawn(command: &mut Command) -> Self {
        Self::try_spawn(command).unwrap_or_else(|log| panic!("it does not start: {log}"))
    }

    /// The error is what it logs where it does not come up.
    pub fn try_spawn(command: &mut Command) -> Result<Self, String> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it can be run");
        let log = Arc::new(Mutex::new(String::new()));
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let collect = {
            let log = Arc::clone(&log);
            thread::spawn(move || {
                for line in stderr.split(b'\n').map_while(Result::ok) {
                    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
                    log.push_str(&String::from_utf8_lossy(&line));
                    log.push('\n');
                }
            })
        };
        let mut line = String::new();
        stdout.read_line(&mut line).expect("its banner can be read");
        let Some((_, address)) = line.rsplit_once("http://") else {
            let code = child.wait().expect("it ends").code();
            collect.join().expect("its log is read");
            let log = log.lock().unwrap_or_else(PoisonError::into_inner);
            return Err(format!("{code:?} {line}{log}"));
        };
        let address = address.trim().parse().expect("the banner names the address");
        let drain = thread::spawn(move || drop(stdout.read_to_end(&mut Vec::new())));
        Ok(Process { child, address, log, readers: vec![collect, drain] })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged until now.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A connection to it.
    pub fn client(&self) -> Client {
        Client::connect(self.address).expect("it listens")
    }

    /// One request on a connection of its own.
    pub fn call(&self, method: &str, target: &str, body: &[u8]) -> Answer {
        self.client().call(method, target, body).unwrap_or_else(|error| panic!("{target}: {error}\n{}", self.log()))
    }

    /// kill -9.
    pub fn kill(mut self) -> String {
        self.child.kill().expect("it is ours");
        self.finish().1
    }

    /// Tells it to end, and waits. Its exit code and all it logged.
    pub fn end(mut self) -> (Option<i32>, String) {
        let told = Command::new("kill").arg(self.child.id().to_string()).status();
        assert!(told.is_ok_and(|status| status.success()));
        self.finish()
    }

    fn finish(&mut self) -> (Option<i32>, String) {
        let code = self.child.wait().expect("it ends").code();
        for reader in self.readers.drain(..) {
            reader.join().expect("what it says is read");
        }
        (code, self.log())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `shelfmq` to its end.
pub fn run(args: &[&str], path: &Path) -> Output {
    Command::new(SHELFMQ).args(args).arg(path).output().expect("it can be run")
}

/// What `shelfmq log verify` finds wrong with a data directory: one line of JSON each.
pub fn problems(data: &Path) -> Vec<String> {
    let output = run(&["log", "verify"], data);
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let summary = lines.pop();
    assert!(summary.is_some_and(|line| line.contains("\"problems\"")), "{output:?}");
    lines
}

/// Whether a program is there to be run. Where everything has to be there, it must be.
pub fn is_installed(program: impl AsRef<OsStr>, option: &str) -> bool {
    let program = program.as_ref();
    let run = Command::new(program).arg(option).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let is_there = run.is_ok();
    assert!(is_there || std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{} is missing", program.display());
    is_there
}
