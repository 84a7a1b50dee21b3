//! `shelfmq-bench`: the server over loopback, beside a bare axum handler and nginx with nchan.
//!
//! What is measured is the CPU time of the server's process, which does not depend on how fast the client is; the
//! limits are ratios between servers that took turns in one run, which do not depend on how fast the machine is.
//! Where the machine has two cores, servers have one and the client has the other. Where it matters for what a server
//! costs that it has several threads, it is measured on all cores as well.
//!
//! What a disk takes part in is measured in time that passes, beside what the same disk does by itself in the same run;
//! server and client then share all cores. The data stands beside this program, and goes afterwards.
#![expect(clippy::cast_precision_loss, reason = "counts and nanoseconds are far below 2^52")]

mod bare;
mod baseline;
mod batches;
mod bounds;
mod client;
mod cold;
mod contender;
mod disk;
mod flow;
mod idle;
mod latency;
mod publish;
mod server;
mod space;
mod volume;
mod wasm;

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

const MEASUREMENTS: [(&str, Measurement); 12] = [
    ("publish", publish::measure),
    ("record", publish::measure_recorded),
    ("batch", batches::publish),
    ("consume", batches::consume),
    ("latency", latency::measure),
    ("idle", idle::measure),
    ("disk", disk::publish),
    ("disk-batch", disk::batches),
    ("disk-topics", disk::topics),
    ("disk-cold", cold::measure),
    ("disk-space", space::measure),
    ("wasm", wasm::measure),
];

/// Those that take minutes, and gigabytes: made only where they are named.
const LONG: [(&str, Measurement); 2] = [("disk-memory", volume::measure), ("bounds", bounds::measure)];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        // How this program starts itself as a server to compare with.
        ["bare", address] => bare::serve(address),
        // And to look at one thing in a process of its own.
        ["bounds-case", name] => bounds::run(name),
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

/// Makes the measurements of these names, or all but the long ones. One that cannot be made keeps none from being made.
fn measure(names: &[&str]) -> Result<(), Failure> {
    let all = || MEASUREMENTS.into_iter().chain(LONG);
    if let Some(unknown) = names.iter().find(|name| all().all(|(known, _)| known != **name)) {
        let known = all().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
        return Err(format!("there is no measurement {unknown:?}, but {known}").into());
    }
    server::raise_file_limit();
    let cores = Cores::split()?;
    let mut failed = Vec::new();
    let usual = if names.is_empty() { MEASUREMENTS.len() } else { 0 };
    for (index, (name, measurement)) in all().enumerate() {
        if (index < usual || names.contains(&name))
            && let Err(why) = measurement(&cores)
        {
            eprintln!("shelfmq-bench: {name}: {why}");
            failed.push(name);
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("not measured: {}", failed.join(", ")).into()) }
}
