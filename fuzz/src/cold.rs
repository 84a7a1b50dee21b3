//! A broker whose log is slow and whose memory is small: messages are read back late, not at all or in another order,
//! writes fail, limits drop, dead letters travel, and now and then it is killed and started again.

use shelfmq_core::Engine;
use shelfmq_core::config::{Config, LogOptions};
use shelfmq_core::recording::Recorder;

use super::Input;
use super::host::{Host, recover};
use super::work;

const STEPS: u32 = 150;

/// Whatever comes, everybody is answered once, and at last there is nothing left to be done.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let options = LogOptions { segment_bytes: input.pick(&[512, 4096]), cache_bytes: input.pick(&[0, 1, 1000]) };
    let mut host = Host::new(Engine::with_log(Config::default(), 1, options.clone()));
    host.ask("POST", "/topic/create", "topic=t", &[], b"");
    host.ask("POST", "/channel/create", "topic=t&channel=c", &[], b"");
    host.is_slow = true;
    for step in 0..STEPS {
        if input.0.is_empty() {
            break;
        }
        work::step(&mut host, &mut input);
        if input.once_in(64) {
            host = restarted(host, &options, step.into());
        }
        if input.once_in(32) {
            restore(&mut host);
        }
    }
    work::look(&mut host);
    host.end();
}

/// Killed, and started again.
fn restarted(killed: Host, options: &LogOptions, seed: u64) -> Host {
    let mut host = Host::new(Engine::with_log(Config::default(), seed, options.clone()));
    host.now = killed.now;
    host.logs = killed.logs;
    for topic in host.logs.keys().cloned().collect::<Vec<_>>() {
        let log = host.logs.get_mut(&topic).expect("its name was found there");
        match recover(&topic, log, 512) {
            Some(recovered) => host.engine.open_topic(host.now, recovered),
            None => drop(host.logs.remove(&topic)),
        }
    }
    host.settle();
    host.is_slow = true;
    host
}

/// Written down, and read back.
fn restore(host: &mut Host) {
    let bytes = host.engine.checkpoint(1 << 26).expect("it is not that large");
    host.engine = Recorder::new(Engine::from_checkpoint(&bytes).expect("it was just written"));
}
