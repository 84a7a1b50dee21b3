//! A host of engines on a simulated disk: requests and time go in, answers come out, and it can crash.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use shelfmq_core::config::{Config, Limits, LogOptions};
use shelfmq_core::log::frame::SEGMENT_HEADER_BYTES;
use shelfmq_core::log::{Damage, Read};
use shelfmq_core::time::Time;
use shelfmq_core::{Engine, Output, Transfer, shard_of};

use super::disk::{Crash, Directory, SimDisk, Standing, standing};
use super::recover::{open, read_back};
use super::writer::{Told, Writer};
use super::{Lie, Settings, Sync};
use crate::http::Answer;
use crate::model::{Nanos, Ticket, Wire};
use crate::workload::{Random, ask, real};

/// When a run begins: 2026-01-01T00:00:00Z.
pub const START: Nanos = 1_767_225_600_000_000_000;

/// Something that a client sees.
#[derive(Debug)]
pub enum Seen {
    /// The whole answer.
    Answer(Answer),
    /// The head of a stream.
    Open,
    /// Bytes of a stream.
    Chunk(Vec<u8>),
    /// The end of a stream.
    Close,
}

/// The host.
#[derive(Debug)]
pub struct Node {
    settings: Settings,
    engines: Vec<Engine>,
    writer: Writer,
    /// The disk.
    pub disk: SimDisk,
    /// The time.
    pub now: Nanos,
    /// What chance decides beneath the engines.
    pub random: Random,
    reads: Vec<(usize, Read)>,
    transfers: VecDeque<Transfer>,
    /// What clients saw, in order.
    pub seen: VecDeque<(Ticket, Seen)>,
    /// What went wrong beneath the engines.
    pub wrong: Vec<String>,
    /// How often each thing happened.
    pub counts: BTreeMap<&'static str, u64>,
    boots: u64,
    last_ticket: Ticket,
    failing_reads: u32,
    /// Bits were flipped, so that damage may be found; where; and where it was found.
    rotten: bool,
    flipped: BTreeSet<(Directory, u32)>,
    damaged: BTreeSet<(Directory, u32, u64)>,
    /// How much of each segment was durable before the last crash.
    solid: BTreeMap<(Directory, u32), u64>,
}

impl Node {
    /// A host with nothing on its disk.
    pub fn new(settings: Settings) -> Self {
        Node::at(settings, SimDisk::default(), START)
    }

    /// A host that starts on a disk at this time.
    pub fn at(settings: Settings, disk: SimDisk, now: Nanos) -> Self {
        let mut node = Node {
            random: Random::new(settings.seed ^ 0xd15c),
            writer: Writer::new(settings.sync, settings.lie),
            settings,
            engines: Vec::new(),
            disk,
            now,
            reads: Vec::new(),
            transfers: VecDeque::new(),
            seen: VecDeque::new(),
            wrong: Vec::new(),
            counts: BTreeMap::new(),
            boots: 0,
            last_ticket: 0,
            failing_reads: 0,
            rotten: false,
            flipped: BTreeSet::new(),
            damaged: BTreeSet::new(),
            solid: BTreeMap::new(),
        };
        node.boot(false);
        node
    }

    fn time(&self) -> Time {
        Time::from_nanos(self.now)
    }

    fn count(&mut self, what: &'static str, much: u64) {
        *self.counts.entry(what).or_default() += much;
    }

    /// Starts engines on what is on the disk. `whole` says that nothing may be amiss there.
    fn boot(&mut self, whole: bool) {
        self.boots += 1;
        // To start again takes a while, if only a little.
        self.now += 2_000_000;
        let Settings { seed, shards, segment_bytes, cache_bytes, .. } = self.settings;
        let options = || LogOptions { segment_bytes, cache_bytes };
        let config = || Config { limits: limits(), started: self.time(), ..Config::default() };
        let seeds = (0..shards as u64).map(|shard| seed.wrapping_mul(1_000_003) ^ (self.boots << 8) ^ shard);
        self.engines = seeds.map(|seed| Engine::with_log(config(), seed, options())).collect();
        self.writer = Writer::new(self.settings.sync, self.settings.lie);
        (self.reads, self.transfers) = (Vec::new(), VecDeque::new());
        self.seen.clear();
        self.failing_reads = 0;
        let now = self.time();
        for topic in self.disk.topics() {
            let Some(directory) = self.disk.directory(&topic) else { continue };
            let Some(mut recovered) = open(&mut self.disk, &topic, directory, &mut self.random) else { continue };
            // Of what was not synced, some sectors may be there, and others before them not.
            let durable = |damage: &Damage| {
                let solid = self.solid.get(&(directory, damage.segment));
                solid.is_some_and(|solid| damage.offset + damage.length <= *solid)
            };
            let place = |damage: &Damage| (directory, damage.segment, damage.offset);
            let new = |damage: &&Damage| durable(damage) && !self.damaged.contains(&place(damage));
            if whole && (recovered.headless || recovered.damage.iter().any(|damage| new(&damage))) {
                self.wrong.push(format!("{topic} is taken for damaged: {:?}", recovered.damage));
            }
            self.damaged.extend(recovered.damage.iter().map(place));
            self.count("frames replayed", recovered.frames);
            self.count("torn tails", u64::from(recovered.torn > 0));
            self.count("headless", u64::from(recovered.headless));
            self.count("damaged places found at a start", recovered.damage.len() as u64);
            if self.settings.lie == Some(Lie::ForgetsEntries) {
                recovered.image.channels.values_mut().for_each(|channel| {
                    channel.entries.pop_first();
                });
            }
            let shard = shard_of(&topic, shards);
            self.engines[shard].open_topic(now, recovered);
            self.collect(shard);
        }
        // What a process wrote that was killed before it synced is taken for kept from now on: so it has to be.
        self.disk.sync_all();
    }

    /// The machine or the process stops, and starts again.
    pub fn crash(&mut self, crash: Crash) {
        self.count("crashes", 1);
        self.solid = self.disk.lengths();
        self.disk.crash(crash, &mut self.random);
        let whole = !self.rotten && (crash == Crash::Process || self.settings.sync == Sync::Always);
        self.boot(whole);
    }

    /// Goes down as it should, and starts again.
    pub fn restart(&mut self) {
        self.count("restarts", 1);
        let now = self.time();
        for shard in 0..self.engines.len() {
            self.engines[shard].shutdown(now);
            self.collect(shard);
        }
        self.settle_down();
        self.disk.sync_all();
        self.solid = self.disk.lengths();
        self.disk.crash(Crash::Process, &mut self.random);
        self.boot(!self.rotten);
    }

    /// Sends a request.
    pub fn send(&mut self, wire: &Wire) -> Ticket {
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        let topic = wire.query.split('&').find_map(|pair| pair.strip_prefix("topic=")).unwrap_or_default();
        let shard = shard_of(topic, self.engines.len());
        let now = self.time();
        ask(&mut self.engines[shard], now, ticket, wire);
        self.collect(shard);
        ticket
    }

    /// A client hangs up.
    pub fn hang_up(&mut self, ticket: Ticket) {
        let now = self.time();
        for shard in 0..self.engines.len() {
            self.engines[shard].cancel(now, ticket);
            self.collect(shard);
        }
    }

    /// The last chunk of a stream was taken.
    pub fn taken(&mut self, ticket: Ticket) {
        let now = self.time();
        for shard in 0..self.engines.len() {
            self.engines[shard].handle_writable(now, ticket);
            self.collect(shard);
        }
    }

    /// When something is due.
    pub fn next_deadline(&self) -> Option<Nanos> {
        self.engines.iter().filter_map(Engine::poll_timeout).min().map(|at| at.as_nanos().max(self.now))
    }

    /// It is this time now; nothing is due before.
    pub fn advance(&mut self, to: Nanos) {
        self.now = self.now.max(to);
        let now = self.time();
        for shard in 0..self.engines.len() {
            if self.engines[shard].poll_timeout().is_some_and(|at| at <= now) {
                self.engines[shard].handle_timeout(now);
                self.collect(shard);
            }
        }
    }

    /// One thing happens beneath the engines: a step of the writer, a read, or a transfer that arrives. `false` where
    /// there is nothing that could.
    pub fn step(&mut self) -> bool {
        let choice = self.random.below(4);
        (choice == 0 && self.read())
            || (choice == 1 && self.transfer())
            || self.write()
            || self.read()
            || self.transfer()
    }

    fn write(&mut self) -> bool {
        if self.writer.is_free() {
            let first = self.random.below(self.engines.len() as u64) as usize;
            let most = 1 + self.random.below(6);
            for index in 0..self.engines.len() {
                let shard = (first + index) % self.engines.len();
                for _ in 0..most {
                    let Some(work) = self.engines[shard].poll_log() else { break };
                    self.writer.take(shard, work);
                }
            }
            if self.writer.is_free() {
                return self.writer.sync_told_later(&mut self.disk, &mut self.random);
            }
        } else if self.writer.full {
            return false;
        }
        let told = self.writer.step(&mut self.disk, &mut self.random);
        self.wrong.append(&mut self.writer.wrong);
        let now = self.time();
        if let Some(((shard, log), told)) = told {
            match told {
                Told::Appended(upto) => self.engines[shard].handle_appended(now, log, upto),
                Told::Failed => self.engines[shard].handle_append_failed(now, log),
            }
            self.count("appends", 1);
            self.collect(shard);
        }
        true
    }

    fn read(&mut self) -> bool {
        if self.reads.is_empty() {
            return false;
        }
        let index = self.random.below(self.reads.len() as u64) as usize;
        let (shard, read) = self.reads.swap_remove(index);
        if self.settings.lie == Some(Lie::LosesReads) && self.random.percent(20) {
            return true;
        }
        let directory = self.writer.directory((shard, read.log)).or_else(|| self.disk.directory(read.topic.as_str()));
        if self.settings.lie == Some(Lie::Forges)
            && let Some(directory) = directory
        {
            self.disk.forge(directory, read.segment, &mut self.random);
        }
        let mut loaded = Some(read_back(directory.and_then(|there| self.disk.read(there, read.segment)), &read));
        self.count("reads", 1);
        if self.failing_reads > 0 {
            self.failing_reads -= 1;
            self.count("failed reads", 1);
            loaded = None;
        }
        let now = self.time();
        self.engines[shard].handle_read(now, &read, loaded);
        self.collect(shard);
        true
    }

    fn transfer(&mut self) -> bool {
        let Some(transfer) = self.transfers.pop_front() else { return false };
        let shard = shard_of(transfer.to.as_str(), self.engines.len());
        let now = self.time();
        self.count("transfers", 1);
        self.engines[shard].handle_transfer(now, transfer);
        self.collect(shard);
        true
    }

    /// Does all there is to do now, time apart.
    pub fn settle_down(&mut self) {
        if self.writer.full {
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
        self.writer.full = full;
        for shard in 0..self.engines.len() {
            self.engines[shard].handle_space(full);
            self.collect(shard);
        }
    }

    /// What waited for a sync in the background is synced. Answers whether all that engines were told of is durable.
    pub fn sync_later(&mut self) -> bool {
        self.writer.sync_later(&mut self.disk, &mut self.random);
        !self.writer.is_failed()
    }

    /// Nothing fails from now on, and the disk has room.
    pub fn calm(&mut self) {
        (self.writer.failing_writes, self.writer.failing_syncs, self.failing_reads) = (0, 0, 0);
        if self.writer.full {
            self.set_full(false);
        }
    }

    /// Some of the oldest segments of a topic are to go, or all. Answers of which topic, and before which.
    pub fn compact(&mut self, which: u64) -> Option<(String, u32)> {
        let mut random = Random::new(which);
        let topics = self.disk.topics();
        let topic = topics.get(random.below(topics.len().max(1) as u64) as usize)?.clone();
        let segments = self.disk.segments(self.disk.directory(&topic)?);
        let last = *segments.last()?;
        let before = if random.percent(30) { u32::MAX } else { last.saturating_sub(random.below(6) as u32) };
        let (now, shard) = (self.time(), shard_of(&topic, self.engines.len()));
        let asked = self.engines[shard].compact_topic(now, &topic, before);
        self.count("compactions", u64::from(asked && segments[0] < before));
        self.collect(shard);
        Some((topic, before))
    }

    /// A bit of something durable is flipped, once for each segment. Answers in which topic, and what stands there.
    pub fn flip(&mut self, which: u64) -> Option<(String, Standing)> {
        let mut random = Random::new(which);
        let topics = self.disk.topics();
        let topic = topics.get(random.below(topics.len().max(1) as u64) as usize)?.clone();
        let directory = self.disk.directory(&topic)?;
        let segments = self.disk.segments(directory);
        let segment = *segments.get(random.below(segments.len().max(1) as u64) as usize)?;
        let durable = self.disk.durable(directory, segment)?;
        let bits = 8 * durable.len().checked_sub(SEGMENT_HEADER_BYTES + 1)?;
        let bit = 8 * SEGMENT_HEADER_BYTES + random.below(bits as u64) as usize;
        let standing = standing(durable, bit / 8);
        if standing == Standing::Nothing || !self.flipped.insert((directory, segment)) {
            return None;
        }
        self.rotten = true;
        self.count("bits flipped", 1);
        self.disk.flip(directory, segment, bit);
        Some((topic, standing))
    }

    /// The next write, the next sync or the next reads fail.
    pub fn fail_next(&mut self, which: u64) {
        match which % 3 {
            0 => self.writer.failing_writes = 1,
            1 => self.writer.failing_syncs = 1,
            _ => self.failing_reads = 3,
        }
        self.count("failures", 1);
    }

    /// An image of a topic, from the engine that has it.
    pub fn image_of(&self, topic: &str) -> Option<shelfmq_core::log::image::TopicImage> {
        self.engines[shard_of(topic, self.engines.len())].image_of(topic)
    }

    fn collect(&mut self, shard: usize) {
        while let Some(output) = self.engines[shard].poll_output() {
            let (ticket, seen) = match output {
                Output::Respond(ticket, response) => (ticket, Seen::Answer(real(response))),
                Output::Open(ticket, _) => (ticket, Seen::Open),
                Output::Chunk(ticket, bytes) => (ticket, Seen::Chunk(bytes)),
                Output::Close(ticket) => (ticket, Seen::Close),
                Output::Forward(transfer) => {
                    self.transfers.push_back(transfer);
                    continue;
                }
                Output::Read(read) => {
                    self.reads.push((shard, read));
                    continue;
                }
                Output::Configured(..) => continue,
            };
            self.seen.push_back((ticket, seen));
        }
    }
}

/// Limits for small messages.
pub(super) fn limits() -> Limits {
    Limits { max_msg_size: 4096, max_body_size: 64 * 1024, ..Limits::default() }
}
