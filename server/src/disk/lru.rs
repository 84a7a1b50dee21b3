//! A map that knows what was used longest ago.

use std::collections::BTreeMap;

#[derive(Debug)]
pub(super) struct Lru<K, V> {
    entries: BTreeMap<K, (u64, V)>,
    /// When each was used last, as a running number.
    order: BTreeMap<u64, K>,
    clock: u64,
}

impl<K: Copy + Ord, V> Lru<K, V> {
    pub(super) fn new() -> Self {
        Lru { entries: BTreeMap::new(), order: BTreeMap::new(), clock: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The value, which is used now.
    pub(super) fn get(&mut self, key: K) -> Option<&mut V> {
        let (used, value) = self.entries.get_mut(&key)?;
        // The one used last is asked for again and again.
        if *used != self.clock {
            self.clock += 1;
            self.order.remove(used);
            self.order.insert(self.clock, key);
            *used = self.clock;
        }
        Some(value)
    }

    pub(super) fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.clock += 1;
        self.order.insert(self.clock, key);
        let (used, old) = self.entries.insert(key, (self.clock, value))?;
        self.order.remove(&used);
        Some(old)
    }

    pub(super) fn remove(&mut self, key: K) -> Option<V> {
        let (used, value) = self.entries.remove(&key)?;
        self.order.remove(&used);
        Some(value)
    }

    /// Takes out what was used longest ago.
    pub(super) fn pop_oldest(&mut self) -> Option<(K, V)> {
        let (_, key) = self.order.pop_first()?;
        self.entries.remove(&key).map(|(_, value)| (key, value))
    }

    /// Takes out all with keys from `from` up to, and without, `to`.
    pub(super) fn remove_range(&mut self, from: K, to: K) -> Vec<V> {
        let keys: Vec<K> = self.entries.range(from..to).map(|(key, _)| *key).collect();
        keys.into_iter().filter_map(|key| self.remove(key)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Lru;

    #[test]
    fn the_one_used_longest_ago_goes_first() {
        let mut lru = Lru::new();
        for key in 0..5 {
            assert_eq!(lru.insert(key, key * 10), None);
        }
        assert_eq!(lru.get(0), Some(&mut 0));
        assert_eq!(lru.insert(1, 11), Some(10));
        assert_eq!(lru.remove(3), Some(30));
        let order: Vec<_> = std::iter::from_fn(|| lru.pop_oldest()).collect();
        assert_eq!(order, [(2, 20), (4, 40), (0, 0), (1, 11)]);
        assert_eq!((lru.len(), lru.order.len()), (0, 0));
    }

    #[test]
    fn a_range_goes_as_a_whole() {
        let mut lru = Lru::new();
        for key in 0..5 {
            lru.insert(key, key);
        }
        assert_eq!(lru.remove_range(1, 4), [1, 2, 3]);
        assert_eq!(lru.get(2), None);
        assert_eq!((lru.len(), lru.order.len()), (2, 2));
    }
}
