//! The real broker on real file systems, and what is left of it when the power fails.
//!
//! It runs under load on a file system whose device remembers each write and each flush that the kernel asked for. Of that,
//! any moment can be had afterwards as a device would have it if the power had failed then: what was flushed is there, of
//! the rest any sectors. On each such image the broker is started again, and everything that it has is looked at.
//!
//! `SHELFMQ_CUTS` says how many, `SHELFMQ_SEED` which random numbers are taken: they choose the moments and what of the
//! unflushed is there. What the kernel writes, and when, is not repeated; so the image of a cut that goes wrong is kept.

#![cfg(target_os = "linux")]
#![allow(unreachable_pub, reason = "what a module of a test offers, it offers to the others")]

mod check;
#[path = "../common/mod.rs"]
mod common;
mod device;
mod history;
mod image;
mod load;

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use check::{Cut, Promise};
use common::process::Process;
use common::random::Random;
use common::{DEADLINE, skipped};
use device::{Device, Moment, Mount};
use history::History;
use image::{Image, Op};
use load::Stage;

/// Small segments, so that there are many, and a cache that has next to nothing.
const ARGS: [&str; 8] =
    ["--segment-bytes", "65536", "--cache-bytes", "16384", "--min-free-bytes", "0", "--log-level", "warn"];
/// How much a device does in a run, and how many lives the broker has: it is killed in between.
const OPS: Moment = 1200;
const LIVES: u64 = 2;
/// How many cuts there are of each run, and in all.
const CUTS_OF_A_RUN: u64 = 20;
const CUTS: u64 = 3;
/// So long after it was due, what is synced in the background is durable, on a machine that does much else. A life lasts as
/// long where little is synced, so that there is something that has to be.
const PATIENCE: Duration = Duration::from_secs(3);

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn on_ext4_nothing_that_was_ok_is_lost_with_the_power() {
    cuts("ext4", "always", number("SHELFMQ_CUTS").unwrap_or(CUTS));
}

#[test]
fn on_xfs_nothing_that_was_ok_is_lost_with_the_power() {
    cuts("xfs", "always", number("SHELFMQ_CUTS").unwrap_or(CUTS));
}

#[test]
fn what_is_synced_later_is_lost_at_most_for_so_long_and_nothing_is_damaged() {
    let wanted = number("SHELFMQ_CUTS");
    let all = [("ext4", "50ms"), ("xfs", "never"), ("ext4", "never"), ("xfs", "50ms")];
    for (kind, sync) in all.into_iter().take(if wanted.is_some() { 4 } else { 2 }) {
        cuts(kind, sync, wanted.map_or(1, |cuts| cuts.div_ceil(5)));
    }
}

/// An empty file system; none where that kind cannot be made here.
fn empty(kind: &str) -> Option<Image> {
    let directory = tempfile::tempdir().expect("a place for temporary files");
    let path = directory.path().join("image");
    let file = std::fs::File::create(&path).and_then(|file| file.set_len(64 << 20));
    file.expect("there is room for a file of next to nothing");
    let (program, args): (_, &[&str]) = match kind {
        "ext4" => ("mkfs.ext4", &["-q", "-F"]),
        // Small ones are not for use, but for tests.
        _ => ("mkfs.xfs", &["-q", "--unsupported", "-l", "size=8m"]),
    };
    let made = Command::new(program).args(args).arg(&path).output().is_ok_and(|output| output.status.success());
    made.then(|| Image::read_from(&path).expect("it was just made"))
}

/// Lets the power fail so many times.
fn cuts(kind: &str, sync: &str, count: u64) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970");
    let seed = number("SHELFMQ_SEED").unwrap_or(now.as_millis() as u64);
    let mut random = Random(seed);
    let Some(empty) = empty(kind) else { return skipped(kind, &format!("mkfs.{kind} makes no file system here")) };
    let (mut left, mut messages) = (count, 0);
    while left > 0 {
        let Some(run) = Run::new(kind, sync, empty.clone(), random.below(1 << 40)) else {
            return skipped("mount", &format!("this user may not mount a file system {kind}"));
        };
        let cuts_of_it = left.min(CUTS_OF_A_RUN);
        for _ in 0..cuts_of_it {
            run.cut(&mut random, seed);
        }
        left -= cuts_of_it;
        messages += run.history.publishes.iter().filter(|publish| publish.ok.is_some()).count();
    }
    println!("{count} power cuts on {kind} with --sync {sync} (seed {seed}), {messages} publishes with OK in all runs");
}

/// Waits until the device has done enough, or, where little is synced, for a while.
fn wait(stage: &Stage, sync: &str, until: Moment, random: &mut Random, mount: &Mount) {
    let begun = Instant::now();
    while sync == "always" && stage.tape.moment() < until {
        assert!(begun.elapsed() < 6 * DEADLINE, "the device is at {}, not at {until}", stage.tape.moment());
        thread::sleep(Duration::from_millis(2));
    }
    while sync != "always" && begun.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(random.below(600)));
        if sync == "never" {
            // As the kernel does it by itself when it likes.
            sync_all(mount);
        }
    }
}

fn sync_all(mount: &Mount) {
    let synced = std::fs::File::open(mount.path()).map(rustix::fs::syncfs);
    assert!(matches!(synced, Ok(Ok(()))), "the device is well");
}

/// All that happened in a run.
struct Run {
    kind: &'static str,
    sync: String,
    /// What the device had when the load began, and what it did then.
    before: Image,
    ops: Vec<Op>,
    first: Moment,
    history: History,
}

impl Run {
    /// Runs the broker under load for as long as the device takes to do something; none where nothing can be mounted.
    fn new(kind: &str, sync: &str, empty: Image, seed: u64) -> Option<Self> {
        let kind = if kind == "ext4" { "ext4" } else { "xfs" };
        let device = Device::new(empty.clone())?;
        let tape = device.tape.clone();
        let mount = Mount::new(&device.path(), kind)?;
        let data = mount.path().join("data");
        let start = || Process::start(&data, &[&ARGS[..], &["--sync", sync]].concat());
        let mut broker = start();
        load::set_up(&broker);
        if sync != "always" {
            // What was set up is there in any case.
            sync_all(&mount);
        }
        let first = tape.moment();
        let stage = Stage::new(tape);
        let mut random = Random(seed);
        for life in 0..LIVES {
            thread::scope(|scope| {
                // Whatever goes wrong here, the clients end.
                let _end = End(&stage);
                load::start(scope, &stage, &broker, random.0);
                wait(&stage, sync, first + OPS * (life + 1) / LIVES, &mut random, &mount);
            });
            broker.kill();
            stage.begin();
            broker = start();
        }
        broker.kill();
        let ops = stage.tape.take_ops();
        let history = stage.into_history();
        assert!(history.wrong.is_empty(), "{} wrong, such as\n{:.2000}", history.wrong.len(), history.wrong.join("\n"));
        drop(mount);
        drop(device);
        Some(Run { kind, sync: sync.into(), before: empty, ops, first, history })
    }

    /// The power fails at some moment. Panics where anything is wrong then.
    fn cut(&self, random: &mut Random, seed: u64) {
        let moment = self.first + random.below(self.ops.len() as u64 - self.first);
        let image = self.before.cut(&self.ops[..moment as usize], random);
        let directory = tempfile::tempdir().expect("a place for temporary files");
        let path = directory.path().join("image");
        image.save(&path).expect("there is room");
        let promise = match self.sync.as_str() {
            "always" => Promise::Nothing,
            "never" => Promise::Anything,
            _ => {
                Promise::Since(self.ops[moment as usize - 1].at.checked_sub(PATIENCE).expect("the machine ran before"))
            }
        };
        let mut cut = Cut::new(moment, promise, &self.history);
        if let Some(mount) = Mount::new(&path, self.kind) {
            cut.check(&mount.path().join("data"), &ARGS);
        } else {
            cut.wrong.push("the file system cannot be mounted any more".into());
        }
        if !cut.wrong.is_empty() {
            let kept = std::env::temp_dir().join(format!("shelfmq-cut-{seed}-{moment}.{}", self.kind));
            image.save(&kept).expect("there is room");
            let (wrong, shown) = (cut.wrong.len(), cut.wrong.join("\n"));
            let (kept, sync) = (kept.display(), &self.sync);
            panic!(
                "--sync {sync}, seed {seed}, moment {moment}: {wrong} wrong, such as\n{shown:.4000}\nThe image: {kept}"
            );
        }
    }
}

struct End<'a>(&'a Stage);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}
