//! The disk with engines that are only said to be there: what they want written is made here, frame by frame.

mod fake;
mod faults;
mod opening;
mod reading;
mod speed;
mod writing;
