//! A host of engines on a simulated disk: requests and time go in, answers come out, and it can crash. What writes, syncs and
//! reads is the server's own code.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use shelfmq::disk::tasks::{Lane, Tasks as _};
use shelfmq::disk::{DataDir, DiskOptions, Found, Parts, Writer};
use shelfmq_core::config::{Config, Limits, LogOptions};
use shelfmq_core::log::frame::SEGMENT_HEADER_BYTES;
use shelfmq_core::log::{Damage, Recovered};
use shelfmq_core::time::Time;
use shelfmq_core::{Engine, shard_of};

use super::disk::{BLOCK, Crash, Number, ROOT, SECTOR, SimDisk};
pub use super::host::Seen;
use super::host::{Engines, Shared, Waiting};
use super::ledger::Delivery;
use super::standing::{Standing, standing, standing_in};
use super::{Lie, Op, Settings, Sync};
use crate::model::{Nanos, Ticket, Wire};
use crate::workload::{Random, ask};

/// When a run begins: 2026-01-01T00:00:00Z.
pub const START: Nanos = 1_767_225_600_000_000_000;

/// After so many waits in a row, nothing more is to be expected.
const MOST_WAITS: u32 = 100;

/// The host.
#[derive(Debug)]
pub struct Node {
    pub(super) settings: Settings,
    engines: Shared,
    parts: Parts,
    waiting: Waiting,
    /// The disk.
    pub disk: SimDisk,
    /// The time.
    pub now: Nanos,
    /// When the disk's clock began, and how far it is ahead.
    began: Instant,
    ahead: Duration,
    /// How often in a row nothing happened but that.
    waits: u32,
    /// What chance decides beneath the engines.
    pub random: Random,
    /// What clients saw, in order.
    pub seen: VecDeque<(Ticket, Seen)>,
    /// What went wrong beneath the engines.
    pub wrong: Vec<String>,
    /// How often each thing happened.
    pub counts: BTreeMap<&'static str, u64>,
    boots: u64,
    last_ticket: Ticket,
    /// Bits were flipped, so that damage may be found; where; and where it was found.
    rotten: bool,
    flipped: BTreeSet<Number>,
    damaged: BTreeSet<(Number, u64)>,
    /// How much of each segment was durable before the last crash.
    solid: BTreeMap<Number, u64>,
    /// The topics that could not be opened at the last start.
    aside: Vec<String>,
}

impl Node {
    /// A host with nothing on its disk.
    pub fn new(settings: Settings) -> Self {
        Node::at(settings, SimDisk::new(settings.seed ^ 0xd15c), START)
    }

    /// A host that starts on a disk at this time.
    pub fn at(settings: Settings, disk: SimDisk, now: Nanos) -> Self {
        let (engines, waiting, began) = (Shared::default(), Waiting::default(), Instant::now());
        let mut random = Random::new(settings.seed ^ 0x0de);
        let odd = settings.fails && random.percent(50);
        disk.faults(|faults| {
            (faults.short, faults.no_directory_syncs, faults.lie) = (odd, odd && random.percent(20), settings.lie);
        });
        let mut node = Node {
            parts: parts(settings, &disk, &engines, &waiting, began),
            random,
            settings,
            engines,
            waiting,
            disk,
            now,
            began,
            ahead: Duration::ZERO,
            waits: 0,
            seen: VecDeque::new(),
            wrong: Vec::new(),
            counts: BTreeMap::new(),
            boots: 0,
            last_ticket: 0,
            rotten: false,
            flipped: BTreeSet::new(),
            damaged: BTreeSet::new(),
            solid: BTreeMap::new(),
            aside: Vec::new(),
        };
        node.boot(false, None);
        node
    }

    fn time(&self) -> Time {
        Time::from_nanos(self.now)
    }

    /// What time it is for the disk. It goes on while nothing else does, so that nothing waits for ever.
    fn instant(&self) -> Instant {
        self.began + Duration::from_nanos(self.now - START) + self.ahead
    }

    pub(super) fn count(&mut self, what: &'static str, much: u64) {
        *self.counts.entry(what).or_default() += much;
    }

    /// Does something with an engine.
    fn with<R>(&mut self, shard: usize, act: impl FnOnce(&mut Engine, Time) -> R) -> R {
        let mut engines = self.engines.lock();
        engines.now = self.now;
        let result = engines.with(shard, act);
        self.seen.append(&mut engines.seen);
        result
    }

    fn shards(&self) -> usize {
        self.settings.shards
    }

    /// Starts engines on what is on the disk. `whole` says that nothing may be amiss there.
    fn boot(&mut self, whole: bool, beheaded: Option<&str>) {
        self.boots += 1;
        // To start again takes a while, if only a little.
        self.now += 2_000_000;
        let Settings { seed, shards, segment_bytes, cache_bytes, .. } = self.settings;
        let options = || LogOptions { segment_bytes, cache_bytes };
        let config = || Config { limits: limits(), started: self.time(), ..Config::default() };
        let seeds = (0..shards as u64).map(|shard| seed.wrapping_mul(1_000_003) ^ (self.boots << 8) ^ shard);
        let make = if self.settings.sync == Sync::Always { Engine::with_synced_log } else { Engine::with_log };
        let all: Vec<_> = seeds.map(|seed| make(config(), seed, options())).collect();
        let forgets = (self.settings.lie == Some(Lie::ForgetsTooMuch)).then(|| self.disk.clone());
        // What waited is forgotten with the process.
        (self.engines, self.waiting) = (Shared::default(), Waiting::default());
        *self.engines.lock() =
            Engines { all, now: self.now, disk: Some(self.disk.clone()), forgets, ..Engines::default() };
        self.parts = parts(self.settings, &self.disk, &self.engines, &self.waiting, self.instant());
        self.seen.clear();
        let dir = DataDir::on(Arc::new(self.disk.clone()), ROOT.into());
        let mut aside = Vec::new();
        let is_troubled = self.disk.has(|faults| faults.reads + faults.opens + faults.syncs + faults.writes > 0)
            || self.disk.has_untold();
        for found in dir.recover().expect("the directory can be read") {
            match found {
                Found::Topic(recovered) => self.open(*recovered, whole),
                Found::Aside(name, why) => {
                    if whole && !is_troubled && beheaded != Some(name.as_str()) {
                        self.wrong.push(format!("{name} is set aside: {why}"));
                    }
                    aside.push((shard_of(name.as_str(), shards), name, why));
                }
            }
        }
        self.aside = aside.iter().map(|(_, name, _)| name.to_string()).collect();
        let now = self.instant();
        self.parts.writer.set_aside(aside, now);
    }

    fn open(&mut self, mut recovered: Recovered, whole: bool) {
        let topic = recovered.image.name.clone();
        // Of what was not synced, some sectors may be there, and others before them not.
        let number = |damage: &Damage| self.disk.number(&topic, damage.segment).unwrap_or_default();
        let durable = |damage: &Damage| {
            let solid = self.solid.get(&number(damage));
            solid.is_some_and(|solid| damage.offset + damage.length <= *solid)
        };
        let new = |damage: &&Damage| durable(damage) && !self.damaged.contains(&(number(damage), damage.offset));
        if whole && (recovered.headless || recovered.damage.iter().any(|damage| new(&damage))) {
            self.wrong.push(format!("{topic} is taken for damaged: {:?}", recovered.damage));
        }
        let places: Vec<_> = recovered.damage.iter().map(|damage| (number(damage), damage.offset)).collect();
        self.damaged.extend(places);
        self.count("frames replayed", recovered.frames);
        self.count("torn tails", u64::from(recovered.torn > 0));
        self.count("headless", u64::from(recovered.headless));
        self.count("damaged places found at a start", recovered.damage.len() as u64);
        if self.settings.lie == Some(Lie::ForgetsEntries) {
            recovered.image.channels.values_mut().for_each(|channel| {
                channel.entries.pop_first();
            });
        }
        let shard = shard_of(&topic, self.shards());
        self.with(shard, |engine, now| engine.open_topic(now, recovered));
    }

    /// In the middle of whatever it is doing, nothing that is asked of the disk happens any more. Whether all that was taken
    /// to be written was: where something cannot be, answers do not wait for it.
    pub fn die(&mut self) -> bool {
        let writes = self.parts.writer.is_well() && !self.parts.writer.is_stalled();
        self.disk.die_in(self.random.below(6));
        for _ in 0..self.random.below(4) {
            self.step();
        }
        // What failed on the way was not opened again any more.
        writes && self.parts.writer.is_well() && !self.disk.has_lost()
    }

    /// Whether a request has its answer, which is only not sent yet.
    pub fn is_answered(&self, ticket: Ticket) -> bool {
        self.engines.lock().held.iter().flatten().any(|held| held.1 == ticket)
    }

    /// What is not sent yet.
    pub fn take_held(&mut self) -> Vec<(Ticket, Seen)> {
        let held = std::mem::take(&mut self.engines.lock().held);
        held.into_iter().flatten().map(|(_, ticket, seen)| (ticket, seen)).collect()
    }

    /// The machine or the process stops, and starts again. What that was like for those who relied on it: where nothing waits
    /// for a sync, what the device did not take is lost as with the power.
    pub fn crash(&mut self, crash: Crash) -> Crash {
        let (crash, whole) = self.stop_short(crash);
        self.boot(whole, None);
        crash
    }

    /// The same, and the first bytes of a segment are not what they were: that topic is set aside, and no other. Then they are
    /// again, and it is opened as it was.
    pub fn behead(&mut self, which: u64) -> Crash {
        let mut random = Random::new(which);
        self.calm();
        let (crash, whole) = self.stop_short(random.pick(&[Crash::Process, Crash::Machine]));
        let Some((topic, segment)) = self.some_segment(&mut random) else {
            self.boot(whole, None);
            return crash;
        };
        let mut start = self.disk.read(&topic, segment).unwrap_or_default();
        start.truncate(SECTOR);
        if random.percent(50) {
            start.fill(0);
        } else if let Some(byte) = start.get_mut(random.below(SEGMENT_HEADER_BYTES as u64) as usize) {
            *byte ^= 1 << random.below(8);
        }
        let old = self.disk.replace(&topic, segment, 0, &start);
        self.boot(whole, Some(&topic));
        if !self.aside.contains(&topic) {
            self.wrong.push(format!("{topic} is opened although segment {segment} has no header that can be read"));
        }
        if self.disk.number(&topic, segment).is_some() {
            self.disk.replace(&topic, segment, 0, &old);
        }
        self.count("topics set aside", 1);
        crash
    }

    /// The machine or the process stops. What that is like for who relied on it, and whether nothing may be amiss then.
    fn stop_short(&mut self, crash: Crash) -> (Crash, bool) {
        self.count("crashes", 1);
        self.solid = self.disk.lengths();
        self.disk.crash(crash);
        let is_lost = self.disk.take_lost() && self.settings.sync != Sync::Always;
        let crash = if is_lost { Crash::Machine } else { crash };
        (crash, !self.rotten && (crash == Crash::Process || self.settings.sync == Sync::Always))
    }

    /// Goes down as it should, and starts again; none where nothing can be lost by it.
    pub fn restart(&mut self) -> Option<Crash> {
        self.count("restarts", 1);
        for shard in 0..self.shards() {
            self.with(shard, Engine::shutdown);
        }
        self.settle_down();
        self.parts.stop();
        self.turn();
        self.settle_down();
        self.parts.writer.tidy();
        self.settle_down();
        self.parts.writer.close();
        self.solid = self.disk.lengths();
        self.disk.crash(Crash::Process);
        let is_lost = self.disk.take_lost() && self.settings.sync != Sync::Always;
        self.boot(!is_lost && !self.rotten, None);
        is_lost.then_some(Crash::Machine)
    }

    /// Sends a request.
    pub fn send(&mut self, wire: &Wire) -> Ticket {
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        let topic = wire.query.split('&').find_map(|pair| pair.strip_prefix("topic=")).unwrap_or_default();
        let shard = shard_of(topic, self.shards());
        let settles = ["/fin", "/req", "/touch", "/settle"].contains(&wire.path.as_str());
        self.engines.lock().settling = settles.then_some(ticket);
        self.with(shard, |engine, now| ask(engine, now, ticket, wire));
        self.engines.lock().settling = None;
        ticket
    }

    /// A client hangs up.
    pub fn hang_up(&mut self, ticket: Ticket) {
        for shard in 0..self.shards() {
            self.with(shard, |engine, now| engine.cancel(now, ticket));
        }
    }

    /// The last chunk of a stream was taken.
    pub fn taken(&mut self, ticket: Ticket) {
        for shard in 0..self.shards() {
            self.with(shard, |engine, now| engine.handle_writable(now, ticket));
        }
    }

    /// When something is due.
    pub fn next_deadline(&self) -> Option<Nanos> {
        let engines = self.engines.lock();
        engines.all.iter().filter_map(Engine::poll_timeout).min().map(|at| at.as_nanos().max(self.now))
    }

    /// What waits to be written so that it can be answered is written: the writer is quicker than leases are short.
    pub fn write_answers(&mut self) {
        let waits = |engines: &Shared| engines.lock().held.iter().any(|held| !held.is_empty());
        while waits(&self.engines) && (self.write() || self.task() || self.step()) {
            self.seen.append(&mut self.engines.lock().seen);
        }
    }

    /// It is this time now; nothing is due before.
    pub fn advance(&mut self, to: Nanos) {
        self.now = self.now.max(to);
        for shard in 0..self.shards() {
            self.with(shard, |engine, now| {
                if engine.poll_timeout().is_some_and(|at| at <= now) {
                    engine.handle_timeout(now);
                }
            });
        }
    }

    /// One thing happens beneath the engines: a turn of the writer, something beside it, a read, or a transfer that arrives.
    /// `false` where there is nothing that could.
    pub fn step(&mut self) -> bool {
        self.engines.lock().now = self.now;
        let choice = self.random.below(6);
        let mut is_task = false;
        let mut tasked = |node: &mut Self| {
            is_task = node.task();
            is_task
        };
        let done = (choice == 0 && self.read())
            || (choice == 1 && self.transfer())
            || (choice == 2 && self.write())
            || (choice == 3 && self.write_back())
            || tasked(self)
            || self.write()
            || self.read()
            || self.transfer();
        // A topic that can never be opened again is tried to be for ever, and nothing comes of that.
        if done && !is_task {
            self.waits = 0;
        }
        let done = done || self.wait();
        let mut engines = self.engines.lock();
        self.seen.append(&mut engines.seen);
        self.now = self.now.max(engines.now);
        let (appends, damaged) = (std::mem::take(&mut engines.appends), std::mem::take(&mut engines.damaged));
        drop(engines);
        let number = |topic: &str, damage: &Damage| self.disk.number(topic, damage.segment).unwrap_or_default();
        let places: Vec<_> = damaged.iter().map(|(topic, at)| (number(topic, at), at.offset)).collect();
        self.damaged.extend(places);
        self.count("appends", appends);
        done
    }

    fn turn(&mut self) -> Option<Duration> {
        let wait = self.parts.writer.turn(self.instant());
        // Whoever makes the turn could do it at once; here it may be any time.
        self.parts.writer.take_own().into_iter().for_each(|task| self.waiting.push(Lane::Sync, task));
        wait
    }

    fn write(&mut self) -> bool {
        let engines = self.engines.lock();
        let busy: Vec<usize> = (0..engines.all.len()).filter(|shard| engines.all[*shard].has_log_work()).collect();
        drop(engines);
        if busy.is_empty() {
            return false;
        }
        busy.into_iter().for_each(|shard| self.parts.wake(shard));
        self.turn();
        true
    }

    fn task(&mut self) -> bool {
        let Some(task) = self.waiting.take(&mut self.random) else { return false };
        task();
        self.turn();
        true
    }

    /// The kernel writes something by itself, or fails to.
    fn write_back(&mut self) -> bool {
        let fails = self.settings.fails && self.random.percent(1);
        self.disk.write_back(fails)
    }

    /// Nothing else happens until the writer has something to do.
    fn wait(&mut self) -> bool {
        let is_full = self.disk.has(|faults| faults.full || faults.no_names);
        let is_done = |writer: &Writer| writer.is_idle() && writer.is_well();
        // What is damaged for good does not come back, however long it is waited for.
        if is_done(&self.parts.writer) || is_full || self.waits > MOST_WAITS {
            return false;
        }
        let wait = self.turn();
        if is_done(&self.parts.writer) {
            return false;
        }
        self.waits += 1;
        self.ahead += wait.unwrap_or_default();
        true
    }

    fn read(&mut self) -> bool {
        let mut engines = self.engines.lock();
        if engines.reads.is_empty() {
            return false;
        }
        let index = self.random.below(engines.reads.len() as u64) as usize;
        let (shard, read) = engines.reads.swap_remove(index);
        drop(engines);
        if self.settings.lie == Some(Lie::LosesReads) && self.random.percent(20) {
            return true;
        }
        if self.settings.lie == Some(Lie::Forges) {
            self.disk.forge(read.topic.as_str(), read.segment);
        }
        let failing = self.disk.has(|faults| faults.reads > 0);
        self.parts.read(shard, &read);
        self.count("reads", 1);
        self.count("failed reads", u64::from(failing));
        true
    }

    fn transfer(&mut self) -> bool {
        let Some(transfer) = self.engines.lock().transfers.pop_front() else { return false };
        let shard = shard_of(transfer.to.as_str(), self.shards());
        self.count("transfers", 1);
        self.with(shard, |engine, now| engine.handle_transfer(now, transfer));
        true
    }

    /// Does all there is to do now, time apart.
    pub fn settle_down(&mut self) {
        if self.disk.has(|faults| faults.full || faults.no_names) {
            self.set_full(false);
        }
        while self.step() || self.next_deadline().is_some_and(|at| at <= self.now && self.advance_now()) {}
    }

    fn advance_now(&mut self) -> bool {
        self.advance(self.now);
        true
    }

    /// The disk is full, or has room again.
    pub fn set_full(&mut self, full: bool) {
        self.count("disk full", u64::from(full));
        let names = full && self.random.percent(30);
        self.disk.faults(|faults| (faults.full, faults.no_names) = (full && !names, names));
        self.turn();
    }

    /// What waited for a sync in the background is synced. Answers whether all that engines were told of is durable.
    pub fn sync_later(&mut self) -> bool {
        self.settle_down();
        self.settings.sync != Sync::Never
    }

    /// Some of the oldest segments of a topic are to go, or all. Answers of which topic, and before which.
    pub fn compact(&mut self, which: u64) -> Option<(String, u32)> {
        let mut random = Random::new(which);
        let topics = self.disk.topics();
        let topic = topics.get(random.below(topics.len().max(1) as u64) as usize)?.clone();
        let segments = self.disk.segments(&topic);
        let last = *segments.last()?;
        let before = if random.percent(30) { u32::MAX } else { last.saturating_sub(random.below(6) as u32) };
        let shard = shard_of(&topic, self.shards());
        let asked = self.with(shard, |engine, now| engine.compact_topic(now, &topic, before));
        self.count("compactions", u64::from(asked && segments[0] < before));
        Some((topic, before))
    }

    fn some_segment(&self, random: &mut Random) -> Option<(String, u32)> {
        let topics = self.disk.topics();
        let topic = topics.get(random.below(topics.len().max(1) as u64) as usize)?.clone();
        let segments = self.disk.segments(&topic);
        let segment = *segments.get(random.below(segments.len().max(1) as u64) as usize)?;
        Some((topic, segment))
    }

    /// Something that is durable is not what it was, or cannot be read any more, once for each segment. Answers in which topic,
    /// and what stood there.
    pub fn damage(&mut self, op: &Op) -> Option<(String, Vec<Standing>)> {
        match op {
            Op::Flip(which) => self.flip(&mut Random::new(*which)),
            Op::Spoil(which) => self.spoil(&mut Random::new(*which)),
            _ => None,
        }
    }

    fn spoil(&mut self, random: &mut Random) -> Option<(String, Vec<Standing>)> {
        let mut possible = Vec::new();
        for topic in self.disk.topics() {
            for segment in self.disk.segments(&topic) {
                let Some(durable) = self.disk.durable(&topic, segment) else { continue };
                // The first has the header, without which a segment says nothing.
                // Nor is more to be written to it.
                let is_full = |block: &usize| standing(&durable, (block + 1) * BLOCK - 1) != Standing::Nothing;
                for block in (1..durable.len() / BLOCK).filter(is_full) {
                    let standing = standing_in(&durable, block * BLOCK..(block + 1) * BLOCK);
                    possible.extend(standing.map(|standing| (topic.clone(), segment, block, standing)));
                }
            }
        }
        let which = random.below(possible.len().max(1) as u64) as usize;
        let (topic, segment, block, standing) = possible.into_iter().nth(which)?;
        if !self.flipped.insert(self.disk.number(&topic, segment)?) {
            return None;
        }
        self.rotten = true;
        self.count("blocks spoilt", 1);
        // Of the last segment, a hole may be an end that a crash left, if nothing after it vouches for it.
        if self.disk.segments(&topic).last() != Some(&segment) && random.percent(50) {
            self.disk.replace(&topic, segment, block * BLOCK, &[0; BLOCK]);
        } else {
            self.disk.spoil(&topic, segment, block);
        }
        Some((topic, standing))
    }

    fn flip(&mut self, random: &mut Random) -> Option<(String, Vec<Standing>)> {
        let (topic, segment) = self.some_segment(random)?;
        let durable = self.disk.durable(&topic, segment)?;
        let bits = 8 * durable.len().checked_sub(SEGMENT_HEADER_BYTES + 1)?;
        let bit = 8 * SEGMENT_HEADER_BYTES + random.below(bits as u64) as usize;
        let standing = standing(&durable, bit / 8);
        if standing == Standing::Nothing || !self.flipped.insert(self.disk.number(&topic, segment)?) {
            return None;
        }
        self.rotten = true;
        self.count("bits flipped", 1);
        self.disk.flip(&topic, segment, bit);
        Some((topic, vec![standing]))
    }

    /// Nothing is handed over before it is as durable as was promised. Where the disk rots, it may have been.
    pub fn check_durable(&self, topic: &str, found: &[Delivery]) -> Result<(), String> {
        if self.settings.sync != Sync::Always || self.settings.lie.is_some() || self.rotten {
            return Ok(());
        }
        let mut new = found.iter().filter(|delivery| delivery.attempts == 1);
        // What was finished as it was handed out may be gone by the time that somebody sees it.
        let lost = new.find(|delivery| {
            !self.disk.is_durable(topic, &delivery.body) && self.disk.is_written(topic, &delivery.body)
        });
        lost.map_or(Ok(()), |lost| Err(format!("message {} of {topic} was handed over before it was durable", lost.id)))
    }

    /// An image of a topic, from the engine that has it.
    pub fn image_of(&self, topic: &str) -> Option<shelfmq_core::log::image::TopicImage> {
        self.engines.lock().all[shard_of(topic, self.shards())].image_of(topic)
    }
}

fn parts(settings: Settings, disk: &SimDisk, engines: &Shared, waiting: &Waiting, now: Instant) -> Parts {
    let sync = match settings.sync {
        Sync::Always => shelfmq::Sync::Always,
        Sync::Background => shelfmq::Sync::Every(Duration::from_millis(500)),
        Sync::Never => shelfmq::Sync::Never,
    };
    let dir = DataDir::on(Arc::new(disk.clone()), ROOT.into());
    let options = DiskOptions { sync, min_free_bytes: 0 };
    Parts::new(dir, options, Arc::new(engines.clone()), Arc::new(waiting.clone()), now)
}

/// Limits for small messages.
pub(super) fn limits() -> Limits {
    Limits { max_msg_size: 4096, max_body_size: 64 * 1024, ..Limits::default() }
}
