//! Request by request: hop-by-hop rules, absolute form, upgrades.
//!
//! The parser is ours over `httparse`, because a proxy must keep the spelling and order of every
//! field, and refuse what two parsers could read in two ways.

mod answer;
mod body;
mod chunked;
mod drain;
mod exchange;
mod fields;
mod forward;
mod framing;
mod head;
mod long;
mod pace;
mod serve;
mod target;

pub use answer::{Answer, printable, turn_away};
pub use chunked::{ChunkError, Chunked, Part};
pub(crate) use drain::drain;
pub use fields::Fields;
pub use framing::{Framing, FramingError};
pub use head::{HeadError, RequestHead, ResponseHead};
pub(crate) use long::goes_on;
pub use long::{LongSections, NoRoom};
pub use serve::{Asked, Client, serve};
