//! What clients can make grow, each in a process of its own: how much memory it takes beside what was there, and how long
//! a publish to another topic waits for it at the longest, which is the longest call of the engine.
//!
//! A process may have 6 GiB and two minutes. `LINES` says how many lines a request has at most, `MANY` how many messages
//! are many, `LARGE` how many messages of 1 MiB (or 1 MB) there are: what a smaller machine has no room for is measured
//! on less.

mod cases;
mod driver;

use std::env;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, setrlimit};
use shelfmq_bench::table::{Limit, over, row};

use crate::Failure;
use crate::server::Cores;
use cases::CASES;
pub(crate) use driver::Driver;

/// How much address space a case may take.
const MOST_BYTES: u64 = 6 << 30;
/// How long a case may take.
const LONGEST: Duration = Duration::from_secs(120);
/// How much longer than an idle publish one may wait.
const MOST_WAIT_MS: f64 = 20.0;
const MIB: f64 = (1 << 20) as f64;

/// What is looked at in a case.
struct Case {
    name: &'static str,
    what: &'static str,
    /// How many MiB it may take beside what was there.
    most_mib: f64,
    run: fn(&mut Driver),
}

/// How many of something, where the environment does not say.
fn count(variable: &str, usual: usize) -> usize {
    env::var(variable).ok().and_then(|value| value.parse().ok()).unwrap_or(usual)
}

/// All cases, or those whose names begin as `CASE` says.
pub(crate) fn measure(_: &Cores) -> Result<(), Failure> {
    let wanted = env::var("CASE").unwrap_or_default();
    for case in CASES.iter().filter(|case| case.name.starts_with(&wanted)) {
        let mut child =
            Command::new(env::current_exe()?).args(["bounds-case", case.name]).stdout(Stdio::piped()).spawn()?;
        let begun = Instant::now();
        while child.try_wait()?.is_none() {
            if begun.elapsed() > LONGEST {
                child.kill()?;
            }
            sleep(Duration::from_millis(20));
        }
        let output = child.wait_with_output()?;
        let what = format!("{}: {}", case.name, case.what);
        if output.status.success() {
            print!("{}", String::from_utf8_lossy(&output.stdout));
        } else if begun.elapsed() > LONGEST {
            over(what, format_args!("more than {} s", LONGEST.as_secs()));
        } else {
            over(what, format_args!("more than {} GiB, or a panic", MOST_BYTES >> 30));
        }
    }
    Ok(())
}

/// One case, in the process that was made for it.
pub(crate) fn run(name: &str) -> Result<(), Failure> {
    let case = CASES.iter().find(|case| case.name == name).ok_or("there is no such case")?;
    setrlimit(Resource::As, Rlimit { current: Some(MOST_BYTES), maximum: Some(MOST_BYTES) })?;
    let mut driver = Driver::new();
    (case.run)(&mut driver);
    let Case { name, what, most_mib, .. } = case;
    let told = driver.statuses();
    row(format!("{name}: {what}: memory ({told})"), driver.grown()? / MIB, "MiB", Limit::AtMost(*most_mib));
    let (longest, idle) = (driver.longest.as_secs_f64() * 1e3, driver.idle.as_secs_f64() * 1e3);
    row(format!("{name}: longest wait, beyond an idle publish"), longest - idle, "ms", Limit::AtMost(MOST_WAIT_MS));
    row(format!("{name}: longest wait : idle publish"), longest / idle, "x", Limit::None);
    Ok(())
}
