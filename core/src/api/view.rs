//! How the answer to a request is to be written. Chosen by [`decode`](mod@super::decode), kept by the broker
//! beside a waiting request as a number, and read again by [`encode`](mod@super::encode).

use crate::command::Context;

macro_rules! views {
    ($($(#[$meta:meta])* $name:ident,)*) => {
        /// How the answer to a request is to be written.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum View { $($(#[$meta])* $name,)* }

        impl View {
            const ALL: &[View] = &[$(View::$name,)*];
        }
    };
}

views! {
    /// As the reply alone says.
    #[default]
    Plain,
    /// `OK`, with the message's id beside it.
    Published,
    /// The message's id, as JSON.
    PublishedJson,
    /// `OK`, with the first id and the count beside it.
    Batch,
    /// The first id and the count, as JSON.
    BatchJson,
    /// One message: its own bytes and content type.
    Raw,
    /// Messages in one JSON object.
    Json,
    /// Messages as JSON objects, one a line.
    Ndjson,
    /// Messages as length-prefixed frames.
    Frames,
    /// A stream of JSON objects, one a line.
    NdjsonStream,
    /// A stream of server-sent events.
    Sse,
    /// How many messages were finished.
    Finished,
    /// How many messages were requeued.
    Requeued,
    /// How many messages were touched.
    Touched,
    /// How many messages were settled in which way; where none was, it is the finishing that failed.
    SettledFin,
    /// The same, where it is the requeueing that failed.
    SettledReq,
    /// The same, where it is the touching that failed.
    SettledTouch,
    /// The count is of dead letters that are ready again.
    Redriven,
    /// The count is of dead letters that were dropped.
    Dropped,
    /// A file, which the host has.
    Exported,
}

impl View {
    /// The view that a context carries.
    pub fn of(context: &Context) -> View {
        // A context may come from a checkpoint, whose number nobody has checked.
        View::ALL.get(usize::from(context.view)).copied().unwrap_or_default()
    }

    /// Whether the answer stays open and messages keep coming.
    pub fn is_stream(self) -> bool {
        matches!(self, View::NdjsonStream | View::Sse)
    }
}

impl From<View> for u8 {
    fn from(view: View) -> u8 {
        view as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_gives_back_the_view_it_was_given() {
        for &view in View::ALL {
            assert_eq!(View::of(&Context { view: view.into(), ..Context::default() }), view);
        }
        assert_eq!(View::of(&Context { view: 255, ..Context::default() }), View::Plain);
    }
}
