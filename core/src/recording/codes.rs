//! The codes of what a recording tells: for programs, which are not to read sentences.
//!
//! Sentences may change, and be told in other languages; a code means the same for ever. A line of a story has `code`
//! beside `what` ([`What`]), `because_code` beside `because` ([`Because`]), and `by_code` beside `by` ([`Cause`]); a step
//! has the last as its `kind`. What a sentence names stands in the line as a field of its own.

/// An enum, all there is of it, and its codes: one table, of which nothing can be left out.
macro_rules! codes {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $code:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &[$name] = &[$($name::$variant,)*];

            /// As programs read it.
            pub const fn code(self) -> &'static str {
                match self { $($name::$variant => $code,)* }
            }
        }
    };
}

codes! {
    /// What happened to a message.
    What {
        /// It was published.
        Published = "published",
        /// It was handed out: `receipt`, `until`, `to`.
        Leased = "leased",
        /// Its lease was extended: `until`.
        Touched = "touched",
        /// It was finished.
        Finished = "finished",
        /// It was given back: `until`, where it is deferred.
        Requeued = "requeued",
        /// Its lease ran out.
        TimedOut = "timed_out",
        /// It became a dead letter.
        Died = "died",
        /// It is no dead letter any more, for it was moved to another topic, or dropped.
        DeadGone = "dead_gone",
        /// It was a dead letter, and is ready again.
        Redriven = "redriven",
        /// It was dropped for others.
        Dropped = "dropped",
        /// Its channel went to another place in its topic: `to`.
        ChannelMoved = "channel_moved",
        /// It is not there any more, and nobody wanted that.
        Lost = "lost",
        /// Its topic was deleted.
        TopicDeleted = "topic_deleted",
        /// It was too old, or dropped with the topic's backlog.
        Expired = "expired",
        /// It is elsewhere in its channel, by time alone or by what happened to others.
        Moved = "moved",
        /// Nothing: the last line says where it is.
        Now = "now",
    }
}

codes! {
    /// Why something happened to a message, or why it is where it is.
    Because {
        /// No message of this id was published to this topic, as far as is recorded.
        Unknown = "unknown",
        /// The topic has no channel: the first one gets it.
        NoChannel = "no_channel",
        /// The topic is paused.
        TopicPaused = "topic_paused",
        /// It is not as durable as was promised.
        NotDurable = "not_durable",
        /// The topic has not handed it over.
        InTopic = "in_topic",
        /// The channel is paused.
        ChannelPaused = "channel_paused",
        /// The channel has as many messages in flight as it may have: `in_flight`.
        InFlightLimit = "in_flight_limit",
        /// No consumer waits.
        NoConsumer = "no_consumer",
        /// The channel's consumers have no room: `reads_next`, where it reads on.
        NoRoom = "no_room",
        /// A consumer has it: `client`, `until`.
        Leased = "leased",
        /// It is not its time yet: `until`.
        Deferred = "deferred",
        /// Another message of its key comes first: `behind`.
        Held = "held",
        /// It is a dead letter: `attempts`.
        Dead = "dead",
        /// It is a dead letter, and not taken yet by the topic that those go to: `attempts`, `dead_letter`.
        DeadWaits = "dead_waits",
        /// It expired, or was dropped.
        Expired = "expired",
        /// It was finished, dropped, or passed over.
        Done = "done",
        /// Its lease ran out.
        LeaseRanOut = "lease_ran_out",
        /// It was requeued.
        Requeued = "requeued",
        /// It was moved to another topic, or dropped.
        MovedOrDropped = "moved_or_dropped",
        /// The topic was full.
        TopicFull = "topic_full",
        /// It cannot be read.
        Unreadable = "unreadable",
    }
}

codes! {
    /// What came to an engine.
    Cause {
        /// A request: `ticket`, `request`, `peer`, and `client` where it has a name.
        Request = "request",
        /// Something was due.
        Timeout = "timeout",
        /// The client took the last chunk of an open answer: `ticket`.
        Writable = "writable",
        /// A dead letter on its way from another topic: `parcel_for`.
        Transfer = "parcel",
        /// The client hung up: `ticket`.
        HangUp = "hang-up",
        /// The broker went down.
        Shutdown = "shutdown",
        /// The log was written.
        Written = "written",
        /// The log was durable.
        Appended = "appended",
        /// The log could not be written.
        AppendFailed = "append-failed",
        /// Messages were read from the log.
        Read = "read",
        /// The disk has room, or has none.
        Space = "space",
        /// The broker's health changed.
        Unwell = "unwell",
        /// The topic was opened from its log.
        OpenTopic = "open-topic",
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    /// In words of small letters, and each for one thing.
    #[track_caller]
    fn check(codes: impl Iterator<Item = &'static str>) {
        let codes: Vec<_> = codes.collect();
        for (n, code) in codes.iter().enumerate() {
            assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || b"_-".contains(&byte)), "{code}");
            assert!(!codes[..n].contains(code), "{code} means two things");
        }
    }

    #[test]
    fn a_code_means_one_thing() {
        check(What::ALL.iter().map(|what| what.code()));
        check(Because::ALL.iter().map(|because| because.code()));
        check(Cause::ALL.iter().map(|cause| cause.code()));
    }
}
