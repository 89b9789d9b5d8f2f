//! How much one HTTP message may cost, and how long it may take.

use std::time::Duration;

use serde::Deserialize;

/// The limits of one HTTP message. Bodies have none: they are streamed.
///
/// In the configuration file they stand in a table `[limits]`, each under its own name, times in
/// whole seconds (`head-seconds`, `keep-alive-seconds`, `answer-seconds`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Limits {
    /// Bytes of a request line: more are answered with 414.
    pub request_line: usize,
    /// Bytes of a head: more are answered with 431, and with 502 where an origin sent them.
    pub head: usize,
    /// Fields of a head or a trailer section; answered as `head` is.
    pub fields: usize,
    /// Bytes of a chunk's size with its extensions: more are answered with 413.
    pub chunk_line: usize,
    /// Bytes of a trailer section: more are answered with 431.
    pub trailers: usize,
    /// A head that began and is not whole after this time is answered with 408.
    pub head_time: Duration,
    /// A client may keep its connection this long without a request.
    pub keep_alive: Duration,
    /// A next hop that has the whole request, or does not take more of it, and says nothing for
    /// this long is given up with 504. Longer than for a CONNECT, because origins may answer
    /// slowly on purpose (long polling).
    pub answer_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_line: 32 * 1024,
            head: 64 * 1024,
            fields: 2048,
            chunk_line: 4096,
            trailers: 64 * 1024,
            head_time: Duration::from_secs(30),
            keep_alive: Duration::from_mins(2),
            answer_time: Duration::from_mins(1),
        }
    }
}

/// A limit that is none, or one that no machine should be asked to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("limits.{name} must be between {least} and {most}")]
pub struct LimitsError {
    name: &'static str,
    least: usize,
    most: usize,
}

/// As it is written in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    request_line: Option<usize>,
    head: Option<usize>,
    fields: Option<usize>,
    chunk_line: Option<usize>,
    trailers: Option<usize>,
    head_seconds: Option<usize>,
    keep_alive_seconds: Option<usize>,
    answer_seconds: Option<usize>,
}

impl TryFrom<Written> for Limits {
    type Error = LimitsError;

    fn try_from(written: Written) -> Result<Self, LimitsError> {
        const MIB: usize = 1024 * 1024;
        const DAY: usize = 24 * 60 * 60;
        let default = Self::default();
        let size = |name, written: Option<usize>, default, least, most| {
            let value = written.unwrap_or(default);
            if (least..=most).contains(&value) {
                Ok(value)
            } else {
                Err(LimitsError { name, least, most })
            }
        };
        let time = |name, written: Option<usize>, default: Duration| {
            if written.is_none() {
                return Ok(default);
            }
            let seconds = size(name, written, 0, 1, DAY)?;
            Ok(Duration::from_secs(seconds as u64))
        };
        // RFC 9112, section 3, wants request lines of 8,000 bytes to pass.
        let line = size(
            "request-line",
            written.request_line,
            default.request_line,
            8000,
            MIB,
        )?;
        Ok(Self {
            request_line: line,
            head: size("head", written.head, default.head.max(line), line, 16 * MIB)?,
            fields: size("fields", written.fields, default.fields, 64, 65_536)?,
            chunk_line: size(
                "chunk-line",
                written.chunk_line,
                default.chunk_line,
                18,
                MIB,
            )?,
            trailers: size("trailers", written.trailers, default.trailers, 2, 16 * MIB)?,
            head_time: time("head-seconds", written.head_seconds, default.head_time)?,
            keep_alive: time(
                "keep-alive-seconds",
                written.keep_alive_seconds,
                default.keep_alive,
            )?,
            answer_time: time(
                "answer-seconds",
                written.answer_seconds,
                default.answer_time,
            )?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Limits;

    #[test]
    fn what_is_not_written_keeps_its_default() {
        let limits: Limits =
            toml::from_str("head = 131072\nanswer-seconds = 300\n").expect("valid");
        let expected = Limits {
            head: 131_072,
            answer_time: Duration::from_mins(5),
            ..Limits::default()
        };
        assert_eq!(limits, expected);
        assert_eq!(
            toml::from_str::<Limits>("").expect("valid"),
            Limits::default()
        );
    }

    #[test]
    fn a_limit_that_would_refuse_everything_is_refused_itself() {
        for (text, named) in [
            ("head = 0", "limits.head"),
            ("head = 10000", "limits.head"),
            ("request-line = 100", "limits.request-line"),
            ("fields = 1", "limits.fields"),
            ("chunk-line = 1", "limits.chunk-line"),
            ("trailers = 0", "limits.trailers"),
            ("head = 99999999999", "limits.head"),
            ("answer-seconds = 0", "limits.answer-seconds"),
            ("head-seconds = 100000", "limits.head-seconds"),
            ("body = 1", "unknown field"),
        ] {
            let error = toml::from_str::<Limits>(text).expect_err(text).to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
