//! The side that is native: the engine, and what it says in the words of the WIT.

use shelfmq_core::api;
use shelfmq_core::config::LogOptions;
use shelfmq_core::log::{Loaded, LogCommand, Read, Recovered, SegmentHeader};
use shelfmq_core::name::Name;
use shelfmq_core::recovery::{Outcome, Replay, Segment, Wanted};
use shelfmq_core::time::Time;
use shelfmq_core::{Engine, Output};

use super::verbs::{Input, Side, Told};
use crate::component::wit;
use crate::model::{Nanos, Ticket};

/// An engine, and whether it keeps logs.
#[derive(Debug)]
pub(super) struct Native {
    engine: Engine,
    is_logged: bool,
}

impl Native {
    pub(super) fn new() -> Self {
        Native { engine: Engine::new(super::run::config(), 0), is_logged: false }
    }

    fn start(&mut self, seed: u64, log: Option<wit::LogOptions>) {
        let config = super::run::config();
        self.is_logged = log.is_some();
        self.engine = match log {
            Some(wit::LogOptions { segment_bytes, cache_bytes }) => {
                Engine::with_log(config, seed, LogOptions { segment_bytes, cache_bytes: cache_bytes as usize })
            }
            None => Engine::new(config, seed),
        };
    }

    fn handle(&mut self, now: Time, ticket: Ticket, request: &wit::Request) -> Option<wit::Response> {
        let wit::Request { method, path, query, body, peer, .. } = request;
        let limits = &self.engine.config().limits;
        if body.len() > api::body_limit(limits, path) {
            return Some(response(api::body_too_big(limits, path)));
        }
        let headers: Vec<_> = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        self.engine.handle(now, ticket, &api::Request { method, path, query, headers: &headers, body, peer });
        None
    }

    fn read(&mut self, now: Time, read: &wit::Read, part: Option<&wit::Part>) {
        let loaded = part.map(|part| {
            let header = SegmentHeader::read(&part.head).expect("the host reads of segments that were opened");
            Loaded::decode(header.salt, part.offset, &part.bytes, read.first, read.end)
        });
        let wit::Read { log, segment, first: from, end: to, bytes, chunk, .. } = *read;
        let topic = Name::parse(read.topic.clone()).expect("it was the engine's");
        self.engine.handle_read(now, &Read { log, topic, chunk, from, to, segment, bytes }, loaded);
    }

    fn open(
        &mut self,
        now: Time,
        topic: &str,
        segments: &[Vec<u8>],
        is_whole: bool,
    ) -> Result<wit::Opened, wit::OpenError> {
        if !self.is_logged || self.engine.trace(topic, 0).is_some() {
            return Err(wit::OpenError::NotHere);
        }
        let recovered = replay(topic, segments, is_whole)?;
        let damage = recovered.damage.iter();
        let opened = wit::Opened {
            segment: recovered.header.number,
            end: recovered.end,
            torn: recovered.torn,
            headless: recovered.headless,
            damage: damage
                .map(|place| wit::Damage { segment: place.segment, offset: place.offset, length: place.length })
                .collect(),
        };
        self.engine.open_topic(now, recovered);
        Ok(opened)
    }
}

impl Side for Native {
    fn tell(&mut self, now: Nanos, input: &Input) -> Told {
        let (at, mut told) = (Time::from_nanos(now), Told::default());
        match input {
            Input::Start(seed, log) => self.start(*seed, *log),
            Input::Handle(ticket, request) => told.refused = self.handle(at, *ticket, request),
            Input::Timeout => self.engine.handle_timeout(at),
            Input::Writable(ticket) => self.engine.handle_writable(at, *ticket),
            Input::Cancel(ticket) => self.engine.cancel(at, *ticket),
            Input::Shutdown => self.engine.shutdown(at),
            Input::PollLog => told.work = std::iter::from_fn(|| self.engine.poll_log()).map(work).collect(),
            Input::Appended(log, upto) => self.engine.handle_appended(at, *log, *upto),
            Input::AppendFailed(log) => self.engine.handle_append_failed(at, *log),
            Input::Deleted(log) => self.engine.handle_appended(at, *log, u64::MAX),
            Input::Read(read, part) => self.read(at, read, part.as_ref()),
            Input::Space(is_full) => self.engine.handle_space(*is_full),
            Input::Unwell(why) => self.engine.set_unwell(why.clone()),
            Input::Open(topic, segments, is_whole) => {
                told.opened = Some(self.open(at, topic, segments, *is_whole));
            }
        }
        while let Some(said) = match input {
            // What these bring about comes with the next.
            Input::PollLog | Input::Space(_) | Input::Unwell(_) | Input::Open(..) | Input::Start(..) => None,
            _ => self.engine.poll_output(),
        } {
            match said {
                Output::Forward(transfer) => self.engine.handle_transfer(at, transfer),
                said => told.outputs.extend(output(said)),
            }
        }
        told.deadline = self.engine.poll_timeout().map(Time::as_nanos);
        told.is_settled = self.engine.is_settled();
        told
    }
}

fn replay(topic: &str, segments: &[Vec<u8>], is_whole: bool) -> Result<Recovered, wit::OpenError> {
    let mut headed: Vec<Segment> = Vec::new();
    for (index, bytes) in segments.iter().enumerate() {
        let follows = |header: &SegmentHeader| headed.last().is_none_or(|last| last.header.number + 1 == header.number);
        match SegmentHeader::read(bytes).ok().filter(follows) {
            Some(header) => headed.push(Segment { header, size: bytes.len() as u64 }),
            None if index + 1 == segments.len() && bytes.iter().all(|byte| *byte == 0) => {}
            None => return Err(wit::OpenError::BadSegment(index as u32)),
        }
    }
    // In small parts, where the component has it all at once: that is to make no difference.
    let nothing = if is_whole { wit::OpenError::Nothing } else { wit::OpenError::NeedsEarlier };
    let mut replay = Replay::new(topic, headed, is_whole, 100).ok_or(nothing)?;
    loop {
        let Wanted { segment, offset, bytes } = replay.wanted();
        match replay.feed(&segments[segment][offset as usize..][..bytes as usize]) {
            None => {}
            Some(Outcome::Topic(recovered)) if recovered.image.name == topic => return Ok(recovered),
            Some(Outcome::Topic(recovered)) => return Err(wit::OpenError::OtherTopic(recovered.image.name)),
            Some(Outcome::Nothing) => return Err(wit::OpenError::Nothing),
            Some(Outcome::NeedsEarlier) => return Err(wit::OpenError::NeedsEarlier),
        }
    }
}

fn response(response: api::Response) -> wit::Response {
    let headers = response.headers.into_iter().map(|(field, value)| (field.name().into(), value.into_bytes()));
    wit::Response { status: response.status, headers: headers.collect(), body: response.body.into_bytes() }
}

fn output(output: Output) -> Option<wit::Output> {
    Some(match output {
        Output::Respond(ticket, said) => wit::Output::Respond(wit::Answer { ticket, response: response(said) }),
        Output::Open(ticket, said) => wit::Output::Open(wit::Answer { ticket, response: response(said) }),
        Output::Chunk(ticket, bytes) => wit::Output::Chunk(wit::Chunk { ticket, bytes }),
        Output::Close(ticket) => wit::Output::Close(ticket),
        Output::Read(Read { log, topic, chunk, from: first, to: end, segment, bytes }) => {
            wit::Output::Read(wit::Read { log, topic: topic.as_str().into(), segment, first, end, bytes, chunk })
        }
        Output::Configured(name, value) => wit::Output::Configured((name, value.to_string())),
        Output::Forward(_) => return None,
    })
}

fn work(work: LogCommand) -> wit::Work {
    match work {
        LogCommand::Append(append) => wit::Work::Append(wit::Append {
            log: append.log,
            topic: append.topic.as_str().into(),
            segment: append.number,
            offset: append.offset,
            index: append.index,
            upto: append.upto,
            may_wait: append.lazy,
            bytes: append.bytes,
        }),
        LogCommand::Truncate(forget) => {
            let topic = forget.topic.as_str().into();
            wit::Work::Forget(wit::Forget { log: forget.log, topic, below: forget.segment })
        }
        LogCommand::Delete(delete) => {
            wit::Work::Delete(wit::Delete { log: delete.log, topic: delete.topic.as_str().into() })
        }
    }
}
