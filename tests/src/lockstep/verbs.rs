//! What a side can be told, and what it says: the WIT's verbs and records, as data.

use crate::component::wit;
use crate::model::{Nanos, Ticket};

/// One of the verbs of the WIT.
#[derive(Clone, Debug)]
pub enum Input {
    /// From now on it is another broker, with this seed.
    Start(u64, Option<wit::LogOptions>),
    /// A request. Where its body is longer than its path may have, it is refused as hosts do it.
    Handle(Ticket, wit::Request),
    /// It is time.
    Timeout,
    /// A chunk was taken.
    Writable(Ticket),
    /// Somebody hung up.
    Cancel(Ticket),
    /// The broker goes down.
    Shutdown,
    /// The log is to be written.
    PollLog,
    /// A log is durable up to there.
    Appended(u64, u64),
    /// A log could not be written.
    AppendFailed(u64),
    /// A log is gone.
    Deleted(u64),
    /// A part of a log was read, or could not be.
    Read(wit::Read, Option<wit::Part>),
    /// The disk is full, or has room.
    Space(bool),
    /// The broker is unwell, or well.
    Unwell(Option<String>),
    /// A topic is to be opened from segments.
    Open(String, Vec<Vec<u8>>, bool),
}

/// All that a side says to one input.
#[derive(Debug, Default, PartialEq)]
pub struct Told {
    /// What it wants done.
    pub outputs: Vec<wit::Output>,
    /// What it wants written.
    pub work: Vec<wit::Work>,
    /// The answer to a request whose body is too long.
    pub refused: Option<wit::Response>,
    /// What came of opening a topic.
    pub opened: Option<Result<wit::Opened, wit::OpenError>>,
    /// When it wants to be told of the time.
    pub deadline: Option<Nanos>,
    /// Whether nothing waits for a log.
    pub is_settled: bool,
}

impl Told {
    /// How many bytes of bodies, chunks and appends there are.
    pub(super) fn bytes(&self) -> u64 {
        let said = self.outputs.iter().map(|output| match output {
            wit::Output::Respond(answer) | wit::Output::Open(answer) => answer.response.body.len(),
            wit::Output::Chunk(chunk) => chunk.bytes.len(),
            _ => 0,
        });
        let written = self.work.iter().map(|work| match work {
            wit::Work::Append(append) => append.bytes.len(),
            _ => 0,
        });
        said.chain(written).sum::<usize>() as u64
    }
}

/// A whole broker.
pub(super) trait Side {
    /// Tells it of something at a time.
    fn tell(&mut self, now: Nanos, input: &Input) -> Told;
}
