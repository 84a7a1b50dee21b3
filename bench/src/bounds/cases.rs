//! What is tried.

use std::time::Duration;

use super::{Case, Driver, count};

/// As large as a body of a request may be.
const BODY: usize = 5 << 20;
const TEN: [&str; 10] = ["c", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9"];
const HOUR: Duration = Duration::from_secs(3600);

pub(super) const CASES: [Case; 14] = [
    Case { name: "receipts", what: "10 polls, each with 5 MB of receipts", most_mib: 128.0, run: receipts },
    Case { name: "peek", what: "/peek?max=10000, 1 MiB each", most_mib: 64.0, run: peek },
    Case { name: "peek-cold", what: "the same, on disk", most_mib: 64.0, run: peek_cold },
    Case { name: "lease", what: "/sub?max=10000, 1 MiB each", most_mib: 64.0, run: lease },
    Case { name: "mpub", what: "2.6 M lines, 10 channels", most_mib: 512.0, run: |driver| mpub(driver, "") },
    Case { name: "mpub-defer", what: "the same, defer=1h", most_mib: 512.0, run: |driver| mpub(driver, "&defer=1h") },
    Case { name: "mpub-due", what: "once these are due", most_mib: 512.0, run: deferred_batch_due },
    Case { name: "mpub-ttl", what: "the same, ttl=3s", most_mib: 512.0, run: |driver| mpub(driver, "&ttl=3s") },
    Case { name: "mpub-expire", what: "once these expire", most_mib: 64.0, run: batch_expires },
    Case { name: "leases-due", what: "a million leases", most_mib: 64.0, run: leases_due },
    Case { name: "deferrals-due", what: "a million deferrals", most_mib: 64.0, run: deferrals_due },
    Case { name: "dead", what: "dead_letter= for 2,000 of 1 MB", most_mib: 64.0, run: dead },
    Case { name: "dead-cold", what: "the same, on disk", most_mib: 64.0, run: dead_cold },
    Case { name: "clients", what: "a million names", most_mib: 16.0, run: clients },
];

/// Messages of 1 MiB, of which fewer fit in memory than on a disk.
fn large(usual: usize) -> usize {
    count("LARGE", usual)
}

fn many() -> usize {
    count("MANY", 1_000_000)
}

fn create(driver: &mut Driver, channels: &[&str]) {
    driver.done("POST", "/topic/create?topic=t", b"");
    for channel in channels {
        driver.done("POST", &format!("/channel/create?topic=t&channel={channel}"), b"");
    }
}

/// One request with as many one-byte lines as a body may have, or as `LINES` says.
fn lines(driver: &mut Driver, query: &str) {
    let lines = count("LINES", BODY / 2).min(BODY / 2);
    driver.ask("POST", &format!("/mpub?topic=t{query}"), &b"x\n".repeat(lines));
}

/// So many messages in several requests, of which none may be refused.
fn fill(driver: &mut Driver, messages: usize, query: &str) {
    let body = b"x\n".repeat(10_000);
    for _ in 0..messages / 10_000 {
        driver.done("POST", &format!("/mpub?topic=t{query}"), &body);
    }
}

/// Leases all there is, for an hour or as long as is said.
fn lease_all(driver: &mut Driver, timeout: &str) {
    let target = format!("/sub?topic=t&channel=c&wait=0&max=10000&format=frames&timeout={timeout}");
    while !driver.done("GET", &target, b"").is_empty() {}
}

fn receipts(driver: &mut Driver) {
    create(driver, &["c"]);
    let line = b"1-1\n";
    let at_once = count("LINES", BODY / line.len()).min(BODY / line.len());
    driver.begin();
    for _ in 0..10 {
        driver.ask("POST", "/sub?topic=t&channel=c&wait=1h", &line.repeat(at_once));
    }
}

fn publish_large(driver: &mut Driver, messages: usize, bytes: usize) {
    create(driver, &["c"]);
    // What JSON makes the most of.
    let body = vec![1; bytes];
    for _ in 0..messages {
        driver.done("POST", "/pub?topic=t", &body);
    }
}

fn peek(driver: &mut Driver) {
    publish_large(driver, large(1000), 1 << 20);
    driver.begin();
    driver.ask("GET", "/peek?topic=t&channel=c&max=10000", b"");
}

fn peek_cold(driver: &mut Driver) {
    driver.cold(vec![1; 1 << 20]);
    publish_large(driver, large(10_000), 1 << 20);
    driver.begin();
    driver.ask("GET", "/peek?topic=t&channel=c&max=10000", b"");
}

fn lease(driver: &mut Driver) {
    publish_large(driver, large(1000), 1 << 20);
    driver.begin();
    driver.ask("GET", "/sub?topic=t&channel=c&wait=0&max=10000", b"");
}

fn mpub(driver: &mut Driver, query: &str) {
    create(driver, &TEN);
    driver.begin();
    lines(driver, query);
}

fn deferred_batch_due(driver: &mut Driver) {
    create(driver, &TEN);
    lines(driver, "&defer=1h");
    driver.begin();
    driver.pass(HOUR);
}

fn batch_expires(driver: &mut Driver) {
    create(driver, &TEN);
    lines(driver, "&ttl=3s");
    driver.begin();
    driver.pass(Duration::from_secs(3));
}

fn leases_due(driver: &mut Driver) {
    create(driver, &["c"]);
    fill(driver, many(), "");
    lease_all(driver, "10m");
    driver.begin();
    driver.pass(HOUR);
}

fn deferrals_due(driver: &mut Driver) {
    create(driver, &["c"]);
    fill(driver, many(), "&defer=1h");
    driver.begin();
    driver.pass(HOUR);
}

fn dead(driver: &mut Driver) {
    publish_large(driver, large(2000), 1_000_000);
    die(driver);
}

fn dead_cold(driver: &mut Driver) {
    driver.cold(vec![1; 1_000_000]);
    publish_large(driver, large(2000), 1_000_000);
    die(driver);
}

fn die(driver: &mut Driver) {
    driver.done("POST", "/channel/config?topic=t&channel=c&max_attempts=1", b"");
    // One by one, for all at once have another bound.
    while !driver.done("GET", "/sub?topic=t&channel=c&wait=0&max=1&timeout=1s", b"").is_empty() {}
    driver.pass(HOUR);
    driver.begin();
    driver.ask("POST", "/channel/config?topic=t&channel=c&dead_letter=dead", b"");
    driver.pass(Duration::from_secs(1));
}

fn clients(driver: &mut Driver) {
    create(driver, &["c"]);
    driver.begin();
    for number in 0..many() {
        driver.ask("GET", &format!("/sub?topic=t&channel=c&wait=0&client=consumer-number-{number}"), b"");
    }
}
