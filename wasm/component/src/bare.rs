//! What `std` would bring, smaller: memory, the end of a panic, and a place for the engine.

use core::cell::RefCell;

/// A value of the only thread that there is.
pub(crate) struct Only<T>(RefCell<T>);

// SAFETY: an instance of a component has one thread, and this crate is of no use anywhere else.
unsafe impl<T> Sync for Only<T> {}

impl<T> Only<T> {
    pub(crate) const fn new(value: T) -> Self {
        Only(RefCell::new(value))
    }

    /// # Panics
    /// Within itself.
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut T) -> R) -> R {
        act(&mut self.0.borrow_mut())
    }
}

#[cfg(target_family = "wasm")]
#[global_allocator]
static MEMORY: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// Traps. What a panic says would go nowhere, and takes room.
#[cfg(target_family = "wasm")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
