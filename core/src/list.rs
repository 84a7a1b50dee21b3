//! Doubly linked lists whose links stand inside the items of a slab: joining and leaving cost O(1) and no memory.

use serde::{Deserialize, Serialize};

use crate::slab::{Key, Slab};

/// No item: no slab has so many that one gets this number.
pub(crate) const NIL: u32 = u32::MAX;

/// An item's neighbours in the one list that it may be in. The only item of a list has the same links as one in no
/// list, so whoever has the items has to know which of them are in one.
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
    /// Invariant: there is a head where there is a tail, and where `len` is not zero.
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
    pub(crate) fn front<K: Key>(&self) -> Option<K> {
        (self.head != NIL).then_some(K::of(self.head))
    }

    pub(crate) fn push_back<T: Linked, K: Key>(&mut self, slab: &mut Slab<T, K>, item: K) {
        *slab[item].links() = Links { prev: self.tail, next: NIL };
        match self.tail {
            NIL => self.head = item.index() as u32,
            tail => slab[K::of(tail)].links().next = item.index() as u32,
        }
        self.tail = item.index() as u32;
        self.len += 1;
    }

    /// Whether it is what it can have come to: items that may be in it, one after another and back. Of one that was read
    /// from bytes, nobody knows.
    pub(crate) fn is_sound<T: Linked, K: Key>(&self, slab: &mut Slab<T, K>, may_be: impl Fn(&T) -> bool) -> bool {
        let (mut prev, mut next, mut left) = (NIL, self.head, self.len);
        while next != NIL && left > 0 {
            let Some(item) = slab.get_mut(K::of(next)).filter(|item| may_be(item)) else { return false };
            // So none comes twice: what is before the first is nothing.
            if item.links().prev != prev {
                return false;
            }
            (prev, next, left) = (next, item.links().next, left - 1);
        }
        next == NIL && left == 0 && self.tail == prev
    }

    /// Takes out an item, which must be in this list.
    pub(crate) fn remove<T: Linked, K: Key>(&mut self, slab: &mut Slab<T, K>, item: K) {
        // The links of what is in no list name nobody, so that nothing stale is followed when its place in the slab is
        // taken again. That it is in this list cannot be seen here: to remove it twice would empty the list.
        let Links { prev, next } = core::mem::take(slab[item].links());
        match prev {
            NIL => self.head = next,
            prev => slab[K::of(prev)].links().next = next,
        }
        match next {
            NIL => self.tail = prev,
            next => slab[K::of(next)].links().prev = prev,
        }
        self.len -= 1;
    }
}
