//! All that a client can make grow, and how far: one table, which `ARCHITECTURE.md` shows too.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use super::errors::Code;
use super::{parameters, values};
use crate::config::{self, Limits, SCAN};
use crate::name;

/// How many receipts a request may have, wherever in it they stand.
pub const RECEIPTS: usize = 10_000;
/// The longest receipt, in bytes. Those that the broker gives out have 33 at most.
pub const RECEIPT_BYTES: usize = 64;
/// How many refused receipts `shelf-refused` names.
pub const REFUSED_NAMED: usize = 20;
/// The longest that a query may be, as it is sent, in bytes. Servers in front refuse 64 KiB without a word.
pub const QUERY_BYTES: usize = 64_000;
/// The longest that a request's header fields may be together: names and values, in bytes.
pub const HEADER_BYTES: usize = 64 << 10;
/// The longest that kept headers may be together, each counted with 4 bytes more.
pub const KEPT_HEADER_BYTES: usize = 8192;
/// The longest key: of order, of dedup, of a producer; in bytes.
pub const KEY_BYTES: usize = 256;
/// The longest name that a consumer gives itself, in bytes.
pub const CLIENT_BYTES: usize = 256;
/// The longest list of unknown parameters in `shelf-ignored`, in bytes.
pub const IGNORED_BYTES: usize = 1024;
/// How long a `dedup` key may be remembered.
pub const DEDUP_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);
/// About how many bytes of messages an answer has where the request does not say.
pub const ANSWER_BYTES: usize = 8 << 20;

const INVALID_BODY: &str = Code::InvalidBody.text();

/// One row of the table.
#[derive(Debug)]
pub struct Bound {
    /// What is bounded.
    pub what: &'static str,
    /// How far it goes where nobody says otherwise.
    pub most: String,
    /// The flag by which a host sets it.
    pub flag: Option<&'static str>,
    /// What becomes of what is beyond: a code, or what is done instead.
    pub beyond: &'static str,
}

impl Bound {
    /// The row as the documentation has it.
    pub fn row(&self) -> String {
        let flag = self.flag.map(|flag| format!("`--{flag}`")).unwrap_or_default();
        let is_code = self.beyond.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        let beyond = if is_code { format!("`{}`", self.beyond) } else { self.beyond.into() };
        format!("| {} | {} | {flag} | {beyond} |", self.what, self.most)
    }
}

/// The table, with the limits that a host has set.
pub fn table(limits: &Limits) -> Vec<Bound> {
    of_requests(limits).into_iter().chain(of_the_broker(limits)).collect()
}

fn row(what: &'static str, most: String, flag: Option<&'static str>, beyond: &'static str) -> Bound {
    Bound { what, most, flag, beyond }
}

fn of(what: &'static str, most: String, code: Code) -> Bound {
    row(what, most, None, code.text())
}

fn bytes(bytes: usize) -> String {
    match bytes {
        bytes if bytes >= 1 << 20 && bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        bytes if bytes >= 1 << 10 && bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        bytes => format!("{bytes} bytes"),
    }
}

/// What a request and its answer may have.
fn of_requests(limits: &Limits) -> [Bound; 20] {
    let time = values::duration_text;
    [
        row("a message", bytes(limits.max_msg_size), Some("max-msg-size"), Code::MsgTooBig.text()),
        row("a request's body", bytes(limits.max_body_size), Some("max-body-size"), Code::BodyTooBig.text()),
        row("a batch, in messages", limits.max_batch.to_string(), Some("max-batch"), Code::BatchTooLong.text()),
        of("a query", bytes(QUERY_BYTES), Code::QueryTooLong),
        of("a request's header fields together", bytes(HEADER_BYTES), Code::HeaderFieldsTooLarge),
        of("the headers kept with a message, with 4 bytes for each", bytes(KEPT_HEADER_BYTES), Code::HeadersTooBig),
        of("the name of a topic or a channel", bytes(name::MAX_LEN), Code::InvalidTopic),
        of("an ordering key", bytes(KEY_BYTES), Code::InvalidKey),
        of("a dedup key", bytes(KEY_BYTES), Code::InvalidDedup),
        of("a producer's name", bytes(KEY_BYTES), Code::InvalidProducer),
        of("a consumer's name", bytes(CLIENT_BYTES), Code::InvalidClient),
        of("the receipts of a request", RECEIPTS.to_string(), Code::TooManyReceipts),
        of("a receipt", bytes(RECEIPT_BYTES), Code::InvalidReceipt),
        of("the messages of an answer", limits.max_messages.to_string(), Code::InvalidMax),
        row(
            "the bytes of an answer that a request may ask for",
            bytes(limits.max_answer_bytes),
            Some("max-answer-bytes"),
            parameters::ANSWER_BYTES.invalid.text(),
        ),
        row(
            "the bytes of an answer by default",
            bytes(ANSWER_BYTES),
            None,
            "the answer ends before, and says where to go on",
        ),
        row(
            "the receipts that `Shelf-Refused` names",
            REFUSED_NAMED.to_string(),
            None,
            "`Shelf-Refused-Count` counts them all",
        ),
        row("the list in `Shelf-Ignored`", bytes(IGNORED_BYTES), None, "the rest is counted: `+3`"),
        of("a poll's wait", time(limits.max_wait), Code::InvalidWait),
        of("a topic's dedup window", time(DEDUP_WINDOW), Code::InvalidDedupWindow),
    ]
}

/// What the broker keeps, and what it does at once.
fn of_the_broker(limits: &Limits) -> [Bound; 12] {
    [
        of("the producers of a topic", config::MAX_PRODUCERS.to_string(), Code::TooManyProducers),
        of(
            "the bytes of a topic that its log does not have yet",
            bytes(limits.max_not_durable as usize),
            Code::Overloaded,
        ),
        of("the channels of a topic", config::MAX_CHANNELS.to_string(), Code::TopicFull),
        row("the messages held behind others of their key", config::MAX_HELD.to_string(), None, "those are waited for"),
        row(
            "the names of consumers that a channel remembers",
            config::MAX_CLIENTS.to_string(),
            None,
            "those who neither wait nor hold a message are forgotten",
        ),
        row(
            "the messages of an ephemeral channel, ready and deferred",
            limits.mem_queue_size.to_string(),
            Some("mem-queue-size"),
            "the newest are dropped",
        ),
        row("the names that a directory has of its nodes", bytes(config::MAX_DIRECTORY_BYTES), None, INVALID_BODY),
        row(
            "the dead letters of a channel that are on their way",
            limits.dead_letters_under_way.to_string(),
            None,
            "the next goes when one has come",
        ),
        row("what one call takes back, drops or hands over", limits.slice.to_string(), None, "the rest is due at once"),
        row("the messages that one search passes over", SCAN.to_string(), None, "it goes on in the next call"),
        of("the logs that are exported and imported at once", config::MAX_TRANSFERS.to_string(), Code::Overloaded),
        row("a snapshot", bytes(config::MAX_SNAPSHOT_BYTES), None, "a replay begins with the one before"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_of_a_table() {
        let table = table(&Limits::default());
        assert_eq!(table[0].row(), "| a message | 1 MiB | `--max-msg-size` | `MSG_TOO_BIG` |");
        assert_eq!(table[11].row(), "| the receipts of a request | 10000 |  | `TOO_MANY_RECEIPTS` |");
        assert_eq!(table[19].row(), "| a topic's dedup window | 1d |  | `INVALID_DEDUP_WINDOW` |");
    }
}
