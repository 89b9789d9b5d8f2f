//! Settings that are one of a few words: a mistyped one is answered with the one that was meant.

use serde::de::{Deserializer, Error, IntoDeserializer};
use serde::{Deserialize, de};

use super::{Mode, PacUnavailable, Style, keys};

/// A setting that is one of a few words.
pub(super) trait Word: for<'de> Deserialize<'de> {
    /// As they are written in the file. A test holds them against what is read.
    const WORDS: &'static [&'static str];
}

impl Word for Mode {
    const WORDS: &'static [&'static str] = &["system", "manual", "pac", "off"];
}

impl Word for Style {
    const WORDS: &'static [&'static str] = &["relay", "mirror"];
}

impl Word for PacUnavailable {
    const WORDS: &'static [&'static str] = &["block", "direct"];
}

pub(super) fn word<'de, T: Word, D: Deserializer<'de>>(input: D) -> Result<T, D::Error> {
    let text = String::deserialize(input)?;
    let read = T::deserialize(IntoDeserializer::<de::value::Error>::into_deserializer(
        text.as_str(),
    ));
    read.map_err(|_| {
        let known = T::WORDS.join("`, `");
        let meant = keys::nearest(&text, T::WORDS)
            .map_or_else(String::new, |word| format!(": did you mean `{word}`?"));
        Error::custom(format!(
            "`{}` is none of `{known}`{meant}",
            text.escape_debug()
        ))
    })
}
