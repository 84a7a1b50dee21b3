//! The seeded workload, native and in the component: the same outputs, byte for byte; and whether a difference is
//! noticed.
//!
//! `SHELFMQ_SEED=<seed>` runs one seed, `SHELFMQ_SOAK=<operations>` so many operations in all. With `-- --nocapture` it
//! tells how often each thing occurred.

use std::time::Instant;

use shelfmq_tests::component::wit;
use shelfmq_tests::lockstep::{Counts, Input, Settings, Tamper, Told, run};

/// How many operations there are without further ado, and how many each seed has.
const OPERATIONS: u64 = 100_000;
const LENGTH: u64 = 2_000;

/// What runs must have come to, or they prove less than they should.
const OCCURRENCES: &[&str] = &[
    "appends",
    "chunks",
    "damage found",
    "logs deleted",
    "opened",
    "reads",
    "restarts",
    "segments forgotten",
    "status 200",
    "status 204",
    "status 400",
    "status 404",
    "status 429",
    "streams",
    "streams closed",
    "too long",
];

#[test]
fn native_and_in_wasm_it_says_the_same() {
    let (begun, mut counts) = (Instant::now(), Counts::new());
    let seeds = match number("SHELFMQ_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SHELFMQ_SOAK").unwrap_or(OPERATIONS).div_ceil(LENGTH),
    };
    for seed in seeds.clone() {
        run(settings(seed), &mut counts, None).unwrap_or_else(|what| {
            panic!("{what}\nTo replay: SHELFMQ_SEED={seed} cargo test -p shelfmq-tests --test lockstep")
        });
    }
    for (what, count) in &counts {
        println!("{count:9} {what}");
    }
    println!("in {:.1} s", begun.elapsed().as_secs_f64());
    if seeds.end - seeds.start >= OPERATIONS / LENGTH {
        let missing: Vec<_> = OCCURRENCES.iter().filter(|what| !counts.contains_key(**what)).collect();
        assert!(missing.is_empty(), "no run came to {missing:?}");
    }
}

/// Every other seed has a log.
fn settings(seed: u64) -> Settings {
    Settings { seed, length: LENGTH as usize, is_logged: seed % 2 == 1 }
}

#[test]
fn a_difference_is_noticed() {
    let tampers: [(&str, Tamper<'_>); 14] = [
        ("a body", Tamper::Says(&|told| respond(told, |response| flip(&mut response.body)))),
        ("a status", Tamper::Says(&|told| respond(told, |response| response.status ^= 1))),
        (
            "a header",
            Tamper::Says(&|told| respond(told, |response| response.headers.iter_mut().for_each(|h| flip(&mut h.1)))),
        ),
        ("a chunk", Tamper::Says(&|told| chunks(told, |chunk| flip(&mut chunk.bytes)))),
        ("an output that is missing", Tamper::Says(&|told| drop(told.outputs.pop()))),
        ("the order of outputs", Tamper::Says(&|told| told.outputs.reverse())),
        ("what is written", Tamper::Says(&|told| appends(told, |append| flip(&mut append.bytes)))),
        ("where it is written", Tamper::Says(&|told| appends(told, |append| append.index += 1))),
        ("a deadline", Tamper::Says(&|told| told.deadline = told.deadline.map(|at| at + 1))),
        ("whether it is settled", Tamper::Says(&|told| told.is_settled ^= true)),
        ("where a log ends", Tamper::Says(&|told| told.opened.iter_mut().flatten().for_each(|opened| opened.end += 1))),
        (
            "what hosts refuse",
            Tamper::Says(&|told| told.refused.iter_mut().for_each(|refused| flip(&mut refused.body))),
        ),
        (
            "another seed",
            Tamper::IsTold(&|input| {
                if let Input::Start(seed, _) = input {
                    *seed ^= 1;
                }
            }),
        ),
        (
            "a message that is read back otherwise",
            Tamper::IsTold(&|input| {
                if let Input::Read(_, Some(part)) = input {
                    flip(&mut part.bytes);
                }
            }),
        ),
    ];
    for (what, tamper) in tampers {
        let outcome = run(settings(1), &mut Counts::new(), Some(tamper));
        assert!(outcome.is_err_and(|said| said.contains("native: ")), "{what}");
    }
}

fn respond(told: &mut Told, change: impl Fn(&mut wit::Response)) {
    told.outputs.iter_mut().for_each(|output| {
        if let wit::Output::Respond(answer) = output {
            change(&mut answer.response);
        }
    });
}

fn chunks(told: &mut Told, change: impl Fn(&mut wit::Chunk)) {
    told.outputs.iter_mut().for_each(|output| {
        if let wit::Output::Chunk(chunk) = output {
            change(chunk);
        }
    });
}

fn appends(told: &mut Told, change: impl Fn(&mut wit::Append)) {
    told.work.iter_mut().for_each(|work| {
        if let wit::Work::Append(append) = work {
            change(append);
        }
    });
}

/// Changes one bit, where there is one.
fn flip(bytes: &mut [u8]) {
    if let Some(byte) = bytes.last_mut() {
        *byte ^= 1;
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}
