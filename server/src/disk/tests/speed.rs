//! How fast groups are, to be looked at: `cargo test --release -p shelfmq --lib disk -- --ignored --nocapture speed`.

use std::time::{Duration, Instant};

use super::super::{Outcome, Sync};
use super::fake::{Bench, Topic};

/// Appends a second, with so many at a time, each to another of so many topics.
fn rate(topics: u64, at_once: usize, time: Duration) -> f64 {
    let home = tempfile::tempdir().expect("a directory can be made");
    let bench = Bench::start(home.path(), Sync::Always);
    let mut all: Vec<Topic> = (0..topics).map(|index| Topic::new(0, index, &format!("t{index}"))).collect();
    for topic in &mut all {
        bench.write_and_wait(topic);
    }
    let (start, mut count, mut place) = (Instant::now(), 0, 0);
    while start.elapsed() < time {
        let mut said = Vec::new();
        let mut last = Vec::new();
        for _ in 0..at_once.min(all.len()) {
            place = (place + 7) % all.len();
            all[place].publish(1, 100);
            said.extend(all[place].take_said());
            last.push(place);
        }
        bench.push(0, said);
        count += last.len();
        for place in last {
            assert_eq!(bench.fake.outcome(&all[place]), Outcome::Stored(all[place].upto));
        }
        bench.fake.clear();
    }
    f64::from(count as u32) / start.elapsed().as_secs_f64()
}

#[test]
#[ignore = "it measures"]
fn speed() {
    for (topics, at_once) in [(1, 1), (1000, 64), (1000, 8), (1000, 1)] {
        let rate = rate(topics, at_once, Duration::from_secs(2));
        println!("{topics} topics, {at_once} at once: {rate:.0} appends a second");
    }
}
