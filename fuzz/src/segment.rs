//! Segments with good checksums, noise between frames, and flipped bits.

use shelfmq_core::log::event::Event;
use shelfmq_core::log::frame::{Kind, write_frame};

use super::{Input, SALT};

/// The bytes of a segment from this offset on, frames and what is none, as the input says; and how many frames
/// were written.
pub fn segment(input: &mut Input<'_>, offset: u64) -> (Vec<u8>, u64) {
    let (mut out, mut frames) = (Vec::new(), 0);
    while !input.0.is_empty() && out.len() < 1 << 16 {
        let what = input.byte();
        let kind = match what & 15 {
            0..=3 => Kind::Message,
            4 => Kind::Rewritten,
            5 => Kind::Snapshot,
            6 => Kind::SnapshotCopy,
            7..=10 => Kind::Event,
            11 => Kind::EventCopy,
            12 => {
                let length = input.byte();
                out.extend_from_slice(input.take(usize::from(length)));
                continue;
            }
            13 => {
                out.resize(out.len() + 8 * usize::from(input.byte()), 0);
                continue;
            }
            14 => {
                let (back, bit) = (input.number() as usize, input.byte() % 8);
                if let Some(at) = out.len().checked_sub(back).and_then(|end| end.checked_sub(1)) {
                    out[at] ^= 1 << bit;
                }
                continue;
            }
            _ => {
                out.truncate(out.len().saturating_sub(input.number() as usize));
                continue;
            }
        };
        let payload = payload(input, kind, what & 64 != 0);
        if matches!(kind, Kind::Event | Kind::EventCopy) && !is_short(&payload) {
            continue;
        }
        let at = offset + out.len() as u64;
        write_frame(&mut out, SALT, at, kind, what & 128 != 0, |out| out.extend_from_slice(&payload));
        frames += 1;
    }
    (out, frames)
}

fn payload(input: &mut Input<'_>, kind: Kind, any: bool) -> Vec<u8> {
    let mut payload = Vec::new();
    if matches!(kind, Kind::Message | Kind::Rewritten) && !any {
        payload.extend_from_slice(&input.number().to_le_bytes());
        payload.extend_from_slice(&input.number().to_le_bytes());
    }
    let length = input.byte();
    payload.extend_from_slice(input.take(usize::from(length)));
    payload
}

/// Whether an event can be applied in a short time: what was read in a part that is missing is due again, one by one.
fn is_short(payload: &[u8]) -> bool {
    const MANY: u64 = 10_000;
    match Event::read(payload) {
        Some(Event::Leased { from, .. } | Event::Passed { from, .. } | Event::Dropped { from, .. }) => from < MANY,
        _ => true,
    }
}
