//! Names of topics and channels. A value of these types exists only if the name is valid.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest name, its `#ephemeral` included.
pub const MAX_LEN: usize = 64;

const EPHEMERAL: &str = "#ephemeral";

/// A valid name of a topic or a channel: `^[.a-zA-Z0-9_-]+(#ephemeral)?$`, 1 to 64 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name<'a>(Cow<'a, str>);

impl<'a> Name<'a> {
    /// The name, or `None` where `text` is no valid one.
    pub fn parse(text: impl Into<Cow<'a, str>>) -> Option<Self> {
        let text = text.into();
        if text.len() > MAX_LEN {
            return None;
        }
        let stem = text.strip_suffix(EPHEMERAL).unwrap_or(&text);
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        (!stem.is_empty() && stem.bytes().all(legal)).then_some(Name(text))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether what has this name goes when nobody uses it any more, and is never kept on disk.
    pub fn is_ephemeral(&self) -> bool {
        self.0.ends_with(EPHEMERAL)
    }

    /// The same name, owning its text.
    pub fn into_owned(self) -> Name<'static> {
        Name(Cow::Owned(self.0.into_owned()))
    }

    /// The same name, borrowing its text from this one.
    pub fn borrow(&self) -> Name<'_> {
        Name(Cow::Borrowed(&self.0))
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Name<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name<'_> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Name::parse(String::deserialize(from)?).ok_or_else(|| D::Error::custom("no name"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_is_nsqs() {
        for good in ["a", ".", "-_.", "A1#ephemeral", &"x".repeat(64)] {
            assert!(Name::parse(good).is_some(), "{good}");
        }
        for bad in ["", "#ephemeral", "a b", "a#", "a#ephemeralx", "é", "a#ephemeral#ephemeral", &"x".repeat(65)] {
            assert!(Name::parse(bad).is_none(), "{bad}");
        }
        assert!(Name::parse("a#ephemeral").is_some_and(|n| n.is_ephemeral()));
    }
}
