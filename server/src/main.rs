//! The `shelfmq` command.
#![forbid(unsafe_code)]

mod cli;

use std::env;
use std::ffi::OsString;
use std::future::{Future, poll_fn};
use std::io::{self, Write};
use std::pin::pin;
use std::process::ExitCode;
use std::task::Poll;

use cli::announce::announce;
use cli::log::Logging;
use cli::settings::Settings;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use shelfmq::{Clock, Listener, Options, Shelf};
use shelfmq_core::config::Identity;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Mutex;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a command line that makes no sense ends with, as clap has it.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let args: Vec<OsString> = cli::normalise(env::args_os()).collect();
    if args.get(1).is_some_and(|first| cli::TOOLS.iter().any(|tool| first == tool)) {
        return cli::run_tool(args).unwrap_or_else(|message| fail(1, &message));
    }
    let matches = cli::command().get_matches_from(args);
    if let Some(("replay", asked)) = matches.subcommand() {
        return cli::replay::run(asked).map_or_else(|message| fail(1, &message), |()| ExitCode::SUCCESS);
    }
    let settings = match Settings::load(&matches) {
        Ok(settings) => settings,
        Err(message) => return fail(USAGE, &message),
    };
    let logging = Logging::start(settings.log_level);
    let text = |(name, value): (OsString, OsString)| (name.to_string_lossy().into(), value.to_string_lossy().into());
    for stray in cli::known::strays(env::vars_os().map(text)) {
        tracing::warn!("{stray}");
    }
    let done = match matches.subcommand_name() {
        Some("config") => print(&settings.to_toml()),
        Some(tool) if cli::TOOLS.contains(&tool) => {
            Err(format!("{tool} comes first, as in shelfmq {tool} …: it takes no settings of the broker"))
        }
        _ => serve(settings, logging),
    };
    done.map_or_else(|message| fail(1, &message), |()| ExitCode::SUCCESS)
}

fn fail(code: u8, message: &str) -> ExitCode {
    // Where even this cannot be written, the exit code still says it.
    let _ = writeln!(io::stderr(), "shelfmq: {message}");
    ExitCode::from(code)
}

fn print(text: &str) -> Result<(), String> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|e| format!("cannot write to stdout: {e}"))
}

/// Connections and topics need files: as many as the system gives, and not only as many as it gives unasked.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

fn serve(settings: Settings, logging: Logging) -> Result<(), String> {
    raise_open_files();
    let address = &settings.http_address;
    let listener = Listener::bind(address).map_err(|error| cli::banner::cannot_listen(address, &error))?;
    let config = settings.core_config(listener.tcp_address().map(|a| a.port()));
    let banner = cli::banner::banner(&listener, &config.identity, settings.disk_store().as_ref());
    let identity = config.identity.clone();
    let shelf = Shelf::open(Options {
        config,
        clock: Clock::system(),
        disk: settings.disk_store(),
        configured: Box::new(move |name, value| logging.configured(name, value)),
        ..Options::default()
    })
    .map_err(|error| error.to_string())?;
    settings.recording().map_or(Ok(()), |recording| shelf.record(recording))?;
    let signals = Signals::default();
    let until = until_told(banner, shelf.clone(), identity, settings.lookupd_http_address, &signals);
    let again = async { signals.next().await };
    shelfmq::serve_until(listener, &shelf, settings.threads, until, again).map_err(|e| format!("cannot serve: {e}"))
}

/// Ctrl-C and SIGTERM, one after the other, for whoever is the first to wait for the next.
#[derive(Default)]
struct Signals(Mutex<Option<(Signal, Signal)>>);

impl Signals {
    /// Waits for the next. It is handled from when this is called first: none that comes later is missed.
    async fn next(&self) {
        let mut signals = self.0.lock().await;
        let listen = || {
            let interrupt = signal(SignalKind::interrupt()).expect("Ctrl-C can be handled");
            (interrupt, signal(SignalKind::terminate()).expect("SIGTERM can be handled"))
        };
        let (interrupt, terminate) = signals.get_or_insert_with(listen);
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}

/// Until Ctrl-C or SIGTERM; directories are told of this broker meanwhile.
async fn until_told(banner: String, shelf: Shelf, identity: Identity, directories: Vec<String>, signals: &Signals) {
    let mut told = pin!(signals.next());
    // They are handled before it is printed: whoever has read it may tell the broker to end. A broker without a reader of its
    // banner is a broker all the same.
    let print = poll_fn(|cx| {
        let told = told.as_mut().poll(cx);
        let _ = print(&banner);
        Poll::Ready(told)
    });
    if print.await.is_pending() {
        tokio::select! {
            () = told => {}
            () = announce(shelf, identity, directories) => {}
        }
    }
    tracing::info!("going down");
}
