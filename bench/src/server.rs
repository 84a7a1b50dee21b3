//! Servers as child processes, what they use, and the cores they use it on.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tempfile::TempDir;

use crate::Failure;
use crate::baseline::disk;

/// Where Debian's libnginx-mod-nchan puts it.
const NCHAN: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

/// Which cores servers run on, and which the client.
pub(crate) struct Cores {
    server: CpuSet,
    client: CpuSet,
}

impl Cores {
    /// All of them for both.
    pub(crate) fn shared(&self) -> Self {
        let mut all = self.client;
        (0..CpuSet::MAX_CPU).filter(|cpu| self.server.is_set(*cpu)).for_each(|cpu| all.set(cpu));
        Cores { server: all, client: all }
    }

    /// How many servers have.
    pub(crate) fn of_servers(&self) -> u32 {
        self.server.count()
    }

    /// One for the server and the others for the client. On a machine with one, both share it.
    pub(crate) fn split() -> io::Result<Self> {
        let all = sched_getaffinity(None)?;
        let first = (0..CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu)).expect("this runs on some core");
        let mut cores = Cores { server: CpuSet::new(), client: all };
        cores.server.set(first);
        if all.count() > 1 {
            cores.client.unset(first);
        }
        Ok(cores)
    }

    /// Starts a process where servers run, and goes on where the client does. A process inherits the place of the thread that starts it.
    fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        sched_setaffinity(None, &self.server)?;
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        sched_setaffinity(None, &self.client)?;
        child
    }
}

/// Allows as many open files as this process may have. Children inherit it.
pub(crate) fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    // Where it is refused, the measurement that needs many files says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// A server that runs as long as this value lives.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Kept for as long as it runs.
    files: Option<TempDir>,
}

impl Server {
    /// The broker, all in memory.
    pub(crate) fn shelfmq(cores: &Cores) -> Result<Self, Failure> {
        let mut command = broker()?;
        command.args(["--store", "memory", "--http-address"]);
        Self::start(cores, command, None)
    }

    /// The same, recording what comes in.
    pub(crate) fn shelfmq_recorded(cores: &Cores) -> Result<Self, Failure> {
        let files = TempDir::new()?;
        let mut command = broker()?;
        command.arg("--record").arg(files.path().join("recording")).args(["--store", "memory", "--http-address"]);
        Self::start(cores, command, Some(files))
    }

    /// The broker with its messages on the disk.
    pub(crate) fn on_disk(cores: &Cores, options: &[&str]) -> Result<Self, Failure> {
        Self::on_disk_in(cores, options, disk()?)
    }

    /// The broker with its messages in this directory.
    pub(crate) fn on_disk_in(cores: &Cores, options: &[&str], home: TempDir) -> Result<Self, Failure> {
        let mut command = broker()?;
        command.args(["--store", "disk", "--data-path"]).arg(home.path()).args(options).arg("--http-address");
        Self::start(cores, command, Some(home))
    }

    /// The bare handler.
    pub(crate) fn bare(cores: &Cores) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("bare");
        Self::start(cores, command, None)
    }

    /// nginx with a worker for each core and nchan's publisher at `/pub`. An error where they are not installed.
    pub(crate) fn nchan(cores: &Cores) -> Result<Self, Failure> {
        if !Path::new(NCHAN).exists() {
            return Err("apt-get install nginx libnginx-mod-nchan".into());
        }
        let files = TempDir::new()?;
        let home = files.path();
        let address = free_address()?;
        fs::write(home.join("nginx.conf"), nginx_config(home, address, cores.of_servers()))?;
        let mut command = Command::new("nginx");
        command.arg("-p").arg(home).arg("-e").arg(home.join("error.log")).arg("-c").arg(home.join("nginx.conf"));
        Self { child: cores.spawn(&mut command)?, address, files: Some(files) }.ready()
    }

    /// Starts a program whose last argument is the address it listens on.
    fn start(cores: &Cores, mut command: Command, files: Option<TempDir>) -> Result<Self, Failure> {
        let address = free_address()?;
        let child = cores.spawn(command.arg(address.to_string()))?;
        Self { child, address, files }.ready()
    }

    /// Ends it as a failure of power would, as far as a process can tell. What remains is its directory.
    pub(crate) fn kill(mut self) -> Result<TempDir, Failure> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(self.files.take().ok_or("a server without a directory leaves nothing")?)
    }

    /// Where its files are.
    ///
    /// # Panics
    ///
    /// If it has none.
    pub(crate) fn home(&self) -> &Path {
        self.files.as_ref().expect("a server on disk has a directory").path()
    }

    fn ready(mut self) -> Result<Self, Failure> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(self.address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("a server ended before it listened: {status}").into());
            }
            if Instant::now() > deadline {
                return Err("a server does not listen after 10 s".into());
            }
            sleep(Duration::from_millis(1));
        }
        Ok(self)
    }

    /// The CPU time it has used, its children included, in nanoseconds.
    pub(crate) fn cpu_nanos(&self) -> io::Result<u64> {
        self.processes()?.into_iter().map(cpu_nanos).sum()
    }

    /// The memory it has resident, in bytes.
    pub(crate) fn resident_bytes(&self) -> Result<u64, Failure> {
        self.status_bytes("VmRSS:")
    }

    /// The most memory it ever had resident, in bytes.
    pub(crate) fn peak_bytes(&self) -> Result<u64, Failure> {
        self.status_bytes("VmHWM:")
    }

    fn status_bytes(&self, name: &str) -> Result<u64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib: u64 = line.and_then(|l| l.trim().strip_suffix(" kB")).ok_or("no such line")?.trim().parse()?;
        Ok(kib * 1024)
    }

    /// Itself and its children.
    fn processes(&self) -> io::Result<Vec<u32>> {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        Ok(children.split_whitespace().filter_map(|id| id.parse().ok()).chain([id]).collect())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Once it has ended, its number may be another process's.
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // nginx's master ends its workers when it is asked to end, not when it is killed.
        let asked = Pid::from_raw(self.child.id().cast_signed()).map(|pid| kill_process(pid, Signal::TERM));
        let deadline = Instant::now() + Duration::from_secs(10);
        while asked == Some(Ok(())) && Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The broker that was built beside this program.
fn broker() -> Result<Command, Failure> {
    let program = std::env::current_exe()?.with_file_name("shelfmq");
    if !program.exists() {
        return Err("there is no shelfmq beside this program: cargo build --release --workspace --bins".into());
    }
    let mut command = Command::new(program);
    command.args(["--log-level", "warn"]);
    Ok(command)
}

/// The scheduler's own count, which is exact where `stat` counts ticks.
fn cpu_nanos(process: u32) -> io::Result<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        let nanos = text.split_whitespace().next().and_then(|word| word.parse::<u64>().ok());
        sum += nanos.ok_or_else(|| io::Error::other("this kernel does not count CPU time in schedstat"))?;
    }
    Ok(sum)
}

/// An address on loopback that nobody listens on. Somebody might before it is used, though hardly.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

fn nginx_config(home: &Path, address: SocketAddr, workers: u32) -> String {
    let home = home.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("    {name}_temp_path {home}/{name};\n"))
        .concat();
    format!(
        "load_module {NCHAN};
daemon off;
worker_processes {workers};
pid {home}/nginx.pid;
error_log {home}/error.log error;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    nchan_shared_memory_size 256M;
{temporary}
    server {{
        listen {address} reuseport;
        location = /pub {{
            nchan_publisher;
            nchan_channel_id bench;
            nchan_message_buffer_length 1000;
        }}
    }}
}}
"
    )
}
