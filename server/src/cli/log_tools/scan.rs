//! Walks the frames of a segment's file from its beginning to its end, in windows.

use std::fs::File;
use std::io;
use std::path::Path;

use shelfmq::disk::fs::read_around;
use shelfmq_core::log::frame::{FRAME_HEADER_BYTES, Found, Frames, SEGMENT_HEADER_BYTES, SegmentHeader};

/// How much is read at once, unless a frame is larger.
const WINDOW: u64 = 1024 * 1024;

/// What stands at the end of a segment after its last whole frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rest {
    /// Where it begins.
    pub(super) offset: u64,
    /// How many bytes it has.
    pub(super) length: u64,
    /// All of them are zeros: room that was made and not used.
    pub(super) is_unused: bool,
    /// It is a frame that ends too soon.
    pub(super) is_cut: bool,
}

/// Bytes that are no frame, as far as they were read.
#[derive(Clone, Copy)]
struct Noise {
    start: u64,
    end: u64,
    is_zero: bool,
}

/// Walks a segment, around what the device does not give: that is damaged. Nothing but the window, and a frame that does not fit into one, is kept in memory.
pub(super) fn walk<E: From<io::Error>>(
    path: &Path,
    header: &SegmentHeader,
    visit: &mut dyn FnMut(Found<'_>) -> Result<(), E>,
) -> Result<Rest, E> {
    let file = File::open(path)?;
    let mut length = file.metadata()?.len();
    let (mut at, mut window) = (SEGMENT_HEADER_BYTES as u64, WINDOW);
    let mut noise: Option<Noise> = None;
    let mut buffer = Vec::new();
    while at < length {
        let size = window.min(length - at);
        buffer.resize(size as usize, 0);
        match read_around(&file, &mut buffer, at) {
            // A broker gave back the room that it did not use.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && file.metadata()?.len() < length => {
                length = file.metadata()?.len();
                continue;
            }
            read => read?,
        }
        let mut frames = Frames::new(header.salt, at, &buffer);
        for found in frames.by_ref() {
            match found {
                Found::Damage { offset, length, kind: None } => {
                    let start = noise.map_or(offset, |noise| noise.start);
                    noise = Some(Noise { start, end: offset + length, is_zero: false });
                }
                found => {
                    tell(&mut noise, visit)?;
                    visit(found)?;
                }
            }
        }
        let is_end = at + size == length;
        let done = frames.offset() - at;
        at += done;
        window = WINDOW;
        match frames.announced() {
            Some(bytes) if bytes > length - at => {
                tell(&mut noise, visit)?;
                return Ok(Rest { offset: at, length: length - at, is_unused: false, is_cut: true });
            }
            Some(bytes) if bytes > WINDOW => window = bytes,
            Some(_) => {}
            None if done > 0 && !is_end => {}
            None => {
                // No frame begins here; in the last bytes one may.
                let rest = frames.rest();
                let passed = if is_end { rest.len() } else { rest.len().saturating_sub(FRAME_HEADER_BYTES - 1) };
                let (start, was_zero) = noise.map_or((at, true), |noise| (noise.start, noise.is_zero));
                let is_zero = was_zero && rest[..passed].iter().all(|byte| *byte == 0);
                at += passed as u64;
                noise = Some(Noise { start, end: at, is_zero });
            }
        }
    }
    let Some(Noise { start, end, is_zero }) = noise else { return Ok(Rest { offset: length, ..Rest::default() }) };
    Ok(Rest { offset: start, length: end - start, is_unused: is_zero, is_cut: end - start < FRAME_HEADER_BYTES as u64 })
}

fn tell<E>(noise: &mut Option<Noise>, visit: &mut dyn FnMut(Found<'_>) -> Result<(), E>) -> Result<(), E> {
    let Some(Noise { start, end, .. }) = noise.take() else { return Ok(()) };
    visit(Found::Damage { offset: start, length: end - start, kind: None })
}
