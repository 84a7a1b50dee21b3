//! Doubly linked lists whose links stand inside the items of a slab: joining and leaving cost O(1) and no memory.

use serde::{Deserialize, Serialize};

use crate::slab::Slab;

/// No item.
pub(crate) const NIL: u32 = u32::MAX;

/// An item's neighbours in the one list that it may be in.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Links {
    prev: u32,
    next: u32,
}

impl Default for Links {
    fn default() -> Self {
        Links { prev: NIL, next: NIL }
    }
}

/// What can stand in a [`List`].
pub(crate) trait Linked {
    fn links(&mut self) -> &mut Links;
}

/// First come, first served.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct List {
    head: u32,
    tail: u32,
    len: u32,
}

impl Default for List {
    fn default() -> Self {
        List { head: NIL, tail: NIL, len: 0 }
    }
}

impl List {
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.head == NIL
    }

    /// The item that has been here longest.
    pub(crate) fn front(&self) -> Option<u32> {
        (self.head != NIL).then_some(self.head)
    }

    pub(crate) fn push_back<T: Linked>(&mut self, slab: &mut Slab<T>, item: u32) {
        *slab[item as usize].links() = Links { prev: self.tail, next: NIL };
        match self.tail {
            NIL => self.head = item,
            tail => slab[tail as usize].links().next = item,
        }
        self.tail = item;
        self.len += 1;
    }

    /// Takes out an item, which must be in this list.
    pub(crate) fn remove<T: Linked>(&mut self, slab: &mut Slab<T>, item: u32) {
        let Links { prev, next } = core::mem::take(slab[item as usize].links());
        match prev {
            NIL => self.head = next,
            prev => slab[prev as usize].links().next = next,
        }
        match next {
            NIL => self.tail = prev,
            next => slab[next as usize].links().prev = prev,
        }
        self.len -= 1;
    }
}
