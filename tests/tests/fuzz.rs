//! The fuzz targets over what they begin with, and over bytes of chance. `SHELFMQ_SEED=<seed>` runs one seed of each,
//! `SHELFMQ_SOAK=<count>` so many.

// The fuzz crate is a workspace of its own, for it needs a nightly compiler and a sanitizer; this needs neither.
#[path = "../../fuzz/src/lib.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, reason = "it is another crate's, and has its own rules")]
mod fuzz;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write as _;
use std::path::Path;
use std::process::abort;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once};
use std::time::Duration;

use shelfmq_tests::workload::Random;

/// Inputs of each target.
const INPUTS: u64 = 2000;
/// As long as an input can be.
const MAX_BYTES: u64 = 600;
/// More than this at once is a number that was read and taken for a size.
const MAX_ALLOCATION: usize = 64 << 20;
/// Longer than this is a number that was read and taken for a count.
const MAX_SECONDS: u64 = 20;

/// The system's allocator, which ends the process where too much is asked for: a panic could be caught.
struct Bounded;

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

/// Which input is run, and how many there were.
static INPUT: AtomicU64 = AtomicU64::new(0);
static COUNT: AtomicU64 = AtomicU64::new(0);

fn check(size: usize) {
    if size > MAX_ALLOCATION {
        let _ = writeln!(std::io::stderr(), "input {} asks for {size} bytes at once", INPUT.load(Ordering::Relaxed));
        abort();
    }
}

#[expect(unsafe_code, reason = "an allocator cannot be written without, and this one only passes calls on")]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        check(size);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Somebody looks at how long each takes.
static WATCHED: Once = Once::new();
/// One target at a time, so that what is told of an input is told of the one that runs.
static TURN: Mutex<()> = Mutex::new(());

/// Ends the process where one input takes too long.
fn watch() {
    let mut last = 0;
    loop {
        std::thread::sleep(Duration::from_secs(MAX_SECONDS));
        let count = COUNT.load(Ordering::Relaxed);
        if count == last {
            let _ = writeln!(std::io::stderr(), "input {} does not end", INPUT.load(Ordering::Relaxed));
            abort();
        }
        last = count;
    }
}

/// Says which input it was when a target panics.
struct Told<'a>(&'a str, u64);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Told(target, seed) = self;
            println!("to replay: SHELFMQ_SEED={seed} cargo test -p shelfmq-tests --test fuzz {target}");
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Runs a target over its corpus, and over as many inputs.
fn run(target: &str, run: fn(&[u8])) {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    WATCHED.call_once(|| drop(std::thread::spawn(watch)));
    let one = number("SHELFMQ_SEED");
    let seeds = one.map_or(0..number("SHELFMQ_SOAK").unwrap_or(INPUTS), |seed| seed..seed + 1);
    if one.is_none() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
        let entries = std::fs::read_dir(&corpus).unwrap_or_else(|error| panic!("{}: {error}", corpus.display()));
        let mut files: Vec<_> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{target} has nothing to begin with");
        for file in files {
            println!("{}", file.display());
            COUNT.fetch_add(1, Ordering::Relaxed);
            run(&std::fs::read(&file).expect("it can be read"));
        }
    }
    for seed in seeds {
        let told = Told(target, seed);
        INPUT.store(seed, Ordering::Relaxed);
        COUNT.fetch_add(1, Ordering::Relaxed);
        run(&input(seed));
        drop(told);
    }
}

/// Bytes of chance.
fn input(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    (0..random.below(MAX_BYTES)).map(|_| random.below(256) as u8).collect()
}

macro_rules! targets {
    ($($(#[$attribute:meta])* $target:ident)*) => {$(
        $(#[$attribute])*
        #[test]
        fn $target() {
            run(stringify!($target), fuzz::$target::run);
        }
    )*};
}

targets! {
    frames recovery load request open cold recording
}
