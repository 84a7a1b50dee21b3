//! `shelfmq-bench`: the server over loopback, beside a bare axum handler and nginx with nchan.
//!
//! What is measured is the CPU time of the server's process, which does not depend on how fast the client is; the
//! limits are ratios between servers that took turns in one run, which do not depend on how fast the machine is.
//! Where the machine has two cores, servers have one and the client has the other. Where it matters for what a server
//! costs that it has several threads, it is measured on all cores as well.
#![expect(clippy::cast_precision_loss, reason = "counts and nanoseconds are far below 2^52")]

mod bare;
mod batches;
mod client;
mod idle;
mod latency;
mod publish;
mod server;

use std::env;
use std::error::Error;
use std::process::ExitCode;

use server::Cores;

/// That of the server, so that the bare handler has the same.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Whatever makes a measurement impossible, to be read by a person.
type Failure = Box<dyn Error + Send + Sync>;

/// A measurement: prints its rows, or says why it cannot.
type Measurement = fn(&Cores) -> Result<(), Failure>;

const MEASUREMENTS: [(&str, Measurement); 6] = [
    ("publish", publish::measure),
    ("record", publish::measure_recorded),
    ("batch", batches::publish),
    ("consume", batches::consume),
    ("latency", latency::measure),
    ("idle", idle::measure),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        // How this program starts itself as a server to compare with.
        ["bare", address] => bare::serve(address),
        ref names => measure(names),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("shelfmq-bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Makes the measurements of these names, or all.
fn measure(names: &[&str]) -> Result<(), Failure> {
    if let Some(unknown) = names.iter().find(|name| MEASUREMENTS.iter().all(|(known, _)| known != *name)) {
        let known = MEASUREMENTS.map(|(name, _)| name).join(", ");
        return Err(format!("there is no measurement {unknown:?}, but {known}").into());
    }
    server::raise_file_limit();
    let cores = Cores::split()?;
    for (name, measurement) in MEASUREMENTS {
        if names.is_empty() || names.contains(&name) {
            measurement(&cores)?;
        }
    }
    Ok(())
}
