//! Names of what a broker has, each good for one table.

use crate::slab::keys;

keys! {
    /// A topic of a broker.
    TopicId;
    /// A channel of a topic. Logs name channels by these numbers.
    ChannelId;
    /// A poll or stream that waits.
    PollerId;
}
