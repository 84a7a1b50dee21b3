//! How what an engine has becomes bytes, and the bytes become the engine again.
//!
//! The types say themselves what belongs to them, by serde; here is what serde leaves open. The bytes are postcard's:
//! they have no names, and mean something only to the version that wrote them.

use alloc::vec::Vec;

use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

/// Appends a value to bytes, unless all of them together would be more than so many: then they are what they were, and
/// it is false.
pub(crate) fn write(value: &impl Serialize, out: &mut Vec<u8>, limit: usize) -> bool {
    let start = out.len();
    let done = postcard::serialize_with_flavor(value, Bounded { out, limit }).is_ok();
    if !done {
        out.truncate(start);
    }
    done
}

/// The value at the start of these bytes, and those after it.
pub(crate) fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<(T, &'a [u8])> {
    postcard::take_from_bytes(bytes).ok()
}

/// Bytes that do not grow beyond a limit.
struct Bounded<'a> {
    out: &'a mut Vec<u8>,
    limit: usize,
}

impl Flavor for Bounded<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        // Asked before each piece, so that what is too large costs no more memory than the limit, however large it is.
        if self.out.len() + bytes.len() > self.limit {
            return Err(postcard::Error::SerializeBufferFull);
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Bytes in one piece, where serde would take them one by one.
pub(crate) mod bytes {
    use alloc::vec::Vec;
    use core::fmt;
    use core::marker::PhantomData;

    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytes)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, B: From<Vec<u8>>>(from: D) -> Result<B, D::Error> {
        struct Whole<B>(PhantomData<B>);
        impl<B: From<Vec<u8>>> Visitor<'_> for Whole<B> {
            type Value = B;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<B, E> {
                Ok(Vec::from(bytes).into())
            }
        }
        from.deserialize_byte_buf(Whole(PhantomData))
    }
}

/// Sizes, which may be more than this machine can count: those are as much as it can. A recording of a 64-bit server is
/// replayed in 32-bit WebAssembly.
pub(crate) mod size {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde has it so")]
    pub(crate) fn serialize<S: Serializer>(size: &usize, to: S) -> Result<S::Ok, S::Error> {
        (*size as u64).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
        u64::deserialize(from).map(|size| size.try_into().unwrap_or(usize::MAX))
    }
}

/// Hash tables in the order of their keys, so that the same table is the same bytes: replays compare checkpoints. A
/// table that is read is hashed by its hasher's default, until whoever has it rebuilds it.
pub(crate) mod table {
    use alloc::vec::Vec;
    use core::hash::{BuildHasher, Hash};

    use hashbrown::HashMap;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<K, V, H, S>(table: &HashMap<K, V, H>, to: S) -> Result<S::Ok, S::Error>
    where
        K: Serialize + Ord,
        V: Serialize,
        S: Serializer,
    {
        let mut pairs: Vec<(&K, &V)> = table.iter().collect();
        pairs.sort_unstable_by(|a, b| a.0.cmp(b.0));
        to.collect_seq(pairs)
    }

    pub(crate) fn deserialize<'de, K, V, H, D>(from: D) -> Result<HashMap<K, V, H>, D::Error>
    where
        K: Deserialize<'de> + Eq + Hash,
        V: Deserialize<'de>,
        H: BuildHasher + Default,
        D: Deserializer<'de>,
    {
        Vec::deserialize(from).map(|pairs: Vec<(K, V)>| pairs.into_iter().collect())
    }
}

/// JSON values by name, as JSON text: postcard does not say of what kind a value is, and only JSON does.
pub(crate) mod json {
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use serde_json::Value;

    pub(crate) fn serialize<S: Serializer>(options: &[(String, Value)], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(options.iter().map(|(name, value)| (name, value.to_string())))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<(String, Value)>, D::Error> {
        let parse = |(name, text): (String, String)| Ok((name, serde_json::from_str(&text).map_err(D::Error::custom)?));
        Vec::deserialize(from)?.into_iter().map(parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::collections::{BTreeMap, BTreeSet};
    use alloc::vec::Vec;

    use hashbrown::HashMap;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    struct Table<V: Serialize + serde::de::DeserializeOwned>(
        #[serde(with = "super::table", bound = "")] HashMap<Box<str>, V, foldhash::fast::FixedState>,
    );

    fn bytes(value: &impl Serialize) -> Vec<u8> {
        let mut bytes = Vec::new();
        assert!(super::write(value, &mut bytes, usize::MAX));
        bytes
    }

    #[test]
    fn a_table_is_the_bytes_of_a_sorted_one() {
        let names = || ["b", "a", "", "c", "aa"].map(Box::<str>::from).into_iter();
        let (table, sorted) = (Table(names().zip(7_u64..).collect()), names().zip(7_u64..).collect::<BTreeMap<_, _>>());
        assert_eq!(bytes(&table), bytes(&sorted));
        let set = Table(names().map(|name| (name, ())).collect());
        assert_eq!(bytes(&set), bytes(&names().collect::<BTreeSet<_>>()));
    }
}
