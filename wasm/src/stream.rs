//! Answers that stay open: the body is a stream, and whoever reads it asks for the next chunk.

use std::cell::Cell;
use std::rc::Rc;

use js_sys::{Function, Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{ReadableStream, ReadableStreamDefaultController};

use crate::options::Host;

/// An open answer.
pub(crate) struct Stream {
    controller: ReadableStreamDefaultController,
    /// A chunk was sent that nobody has taken.
    is_full: Rc<Cell<bool>>,
    _pull: Closure<dyn FnMut()>,
    _cancel: Closure<dyn FnMut()>,
}

impl Stream {
    /// A stream that calls back when a chunk was taken, and when the reader wants no more.
    pub(crate) fn new(
        host: &Host,
        taken: impl Fn() + 'static,
        cancelled: impl FnMut() + 'static,
    ) -> (Self, ReadableStream) {
        let is_full = Rc::new(Cell::new(false));
        let pull = Closure::<dyn FnMut()>::new({
            let is_full = Rc::clone(&is_full);
            move || {
                if is_full.replace(false) {
                    taken();
                }
            }
        });
        let cancel = Closure::<dyn FnMut()>::new(cancelled);
        let made = host.stream(pull.as_ref().unchecked_ref(), cancel.as_ref().unchecked_ref());
        let (controller, stream) = (made.get(0).unchecked_into(), made.get(1).unchecked_into());
        (Stream { controller, is_full, _pull: pull, _cancel: cancel }, stream)
    }

    /// Where to send the next chunk. Nothing of the broker may be borrowed while that is done: the reader may answer
    /// at once.
    pub(crate) fn sender(&self) -> ReadableStreamDefaultController {
        self.is_full.set(true);
        self.controller.clone()
    }

    pub(crate) fn controller(&self) -> ReadableStreamDefaultController {
        self.controller.clone()
    }
}

/// Sends a chunk. One that the reader does not want any more is not needed.
pub(crate) fn send(controller: &ReadableStreamDefaultController, bytes: &[u8]) {
    let _ = controller.enqueue_with_chunk(&Uint8Array::from(bytes));
}

/// A promise, and what keeps it.
pub(crate) fn promise() -> (Promise, Function, Function) {
    let mut parts = None;
    let promise = Promise::new(&mut |resolve, reject| parts = Some((resolve, reject)));
    let (resolve, reject) = parts.expect("a promise calls back at once");
    (promise, resolve, reject)
}
