//! Recordings: all that comes to a broker's engines, written down, and run again elsewhere.
//!
//! An engine does the same whenever the same comes to it at the same times. So a recording is an engine as it was (a
//! *checkpoint*) and what came to it from then on (*inputs*): replaying them gives every output again, byte for byte,
//! and the state at any moment between.
//!
//! Read in this order: [`input`] (what can come), [`recorder`] (an engine that writes it down), [`mod@file`] (the bytes),
//! [`replay`] (running it again), [`describe`], [`history`] and [`codes`] (what that shows), [`time_travel`] (going to any moment). All
//! of it is free of I/O: hosts have the files.
//!
//! A recording holds an engine's insides: it is to be opened by those who may see all messages in it. It may come from
//! somebody else. What an engine has that follows from the rest is no part of a checkpoint, and the rest is looked at as a
//! whole before it is an engine again; so whatever stands there is refused with its place, or run.

pub mod codes;
pub mod describe;
pub mod file;
pub mod history;
pub mod input;
pub mod recorder;
pub mod replay;
pub mod time_travel;

pub use file::{Head, Kind, Recording, Unreadable, write_frame};
pub use history::MessageHistory;
pub use input::Input;
pub use recorder::{Recorder, Taken};
pub use replay::{Broken, Replay, State, Step};
pub use time_travel::TimeTravel;
