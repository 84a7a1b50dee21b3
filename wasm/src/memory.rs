//! How much memory is in use. What WebAssembly took it never gives back, so that the size of its memory says how much there
//! was once, and not how much there is now.
//!
//! An allocator is an unsafe trait: this one counts, and leaves the rest to that of std.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes that are allocated now.
static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call is std's own, with the arguments as they came, so that whoever keeps to the contract of `GlobalAlloc`
// with this keeps to it with that.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATED.fetch_add(size.wrapping_sub(layout.size()), Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// How many bytes are allocated.
pub(crate) fn allocated() -> usize {
    ALLOCATED.load(Relaxed)
}
