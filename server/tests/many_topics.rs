//! Very many topics on disk: open files stay few, and the next start finds them all.
//!
//! `SHELFMQ_TOPICS` says how many.

mod common;

use std::fs;
use std::thread;
use std::time::Instant;

use common::client::Client;
use common::process::Process;

/// Who publishes, at once.
const CLIENTS: usize = 16;
/// What a broker may have open at most, sockets and all.
const MOST_OPEN: usize = 1500;

/// How many files a process has open.
fn open_files(broker: &Process) -> Option<usize> {
    Some(fs::read_dir(format!("/proc/{}/fd", broker.id())).ok()?.count())
}

/// Asks something of every topic, and says how many files were open at most.
fn for_each(broker: &Process, topics: usize, ask: impl Fn(&mut Client, usize) + Sync) -> usize {
    let work = |first: usize| {
        let mut client = broker.client();
        let mut most = 0;
        for (count, topic) in (first..topics).step_by(CLIENTS).enumerate() {
            ask(&mut client, topic);
            if count % 50 == 0 {
                most = most.max(open_files(broker).unwrap_or(0));
            }
        }
        most
    };
    let work = &work;
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|first| scope.spawn(move || work(first))).collect();
        clients.into_iter().map(|client| client.join().expect("all are answered")).max().unwrap_or(0)
    })
}

#[test]
fn open_files_stay_few_and_all_topics_come_back() {
    let topics = std::env::var("SHELFMQ_TOPICS").ok().and_then(|topics| topics.parse().ok()).unwrap_or(5000);
    let data = tempfile::tempdir().expect("a place for temporary files");
    let args = ["--cache-bytes", "0", "--min-free-bytes", "0"];
    let broker = Process::start(data.path(), &args);
    let publish = |client: &mut Client, topic: usize| {
        let body = format!("message of {topic}");
        client.post(&format!("/pub?topic=topic-{topic}"), body.as_bytes()).expect("it answers").ok();
    };
    let start = Instant::now();
    let most = for_each(&broker, topics, publish);
    println!("{topics} topics made in {:?}, {most} files open at most", start.elapsed());
    assert!(most < MOST_OPEN, "{most}");
    let start = Instant::now();
    broker.kill();
    let broker = Process::start(data.path(), &args);
    println!("started again in {:?}", start.elapsed());
    let listed = broker.call("GET", "/topics", b"").ok().json();
    assert_eq!(listed["topics"].as_array().map(Vec::len), Some(topics));
    let start = Instant::now();
    let most = for_each(&broker, topics, |client, topic| {
        let target = format!("/sub?topic=topic-{topic}&channel=c&ack=auto");
        let answer = client.get(&target).expect("it answers").ok();
        assert_eq!(answer.text(), format!("message of {topic}"));
        publish(client, topic);
    });
    println!("read and written to in {:?}, {most} files open at most", start.elapsed());
    assert!(most < MOST_OPEN, "{most}");
    assert_eq!(broker.end().0, Some(0));
}
