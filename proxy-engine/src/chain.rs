//! Engines of other worlds: one passes every connection on, the other decides.
//!
//! The first engine dials the one that decides, and both prove that they hold the same key. Then
//! it says what it alone knows of the connection ([`Facts`]), and from there on the connection
//! carries the client's own bytes: the deciding engine serves them as if they had come to its own
//! relay, or had been intercepted by itself.
//!
//! | from | frame | meaning |
//! |---|---|---|
//! | first | hello | a nonce, and under which name it is known |
//! | deciding | challenge | a nonce, its id, and its proof over both nonces |
//! | first | facts | its proof over all of this and the facts |
//! | deciding | verdict | goes on, or refused with a sentence |
//!
//! A proof is HMAC-SHA-256 (RFC 2104) under the key of that name. What somebody wrote down is worth
//! nothing later, because either side chose a nonce of its own; whoever stands between can neither
//! make a connection nor change a fact. What this does **not** protect: nothing is encrypted, and
//! the client's bytes behind the verdict carry no proof. Whoever stands on the link reads them,
//! and can put bytes of his own in their place. It is for links inside one machine: to its virtual
//! machines, its containers, a cluster's nodes on it.

mod facts;
mod frame;
mod handshake;
mod kept;
mod key;
mod name;

pub use facts::{Facts, FactsError, MOST_HOPS};
pub use frame::{Frame, FrameError, Nonce, Proof, VERSION, Verdict};
pub use handshake::{Called, Caller, HandshakeError, answer, call};
pub use kept::Kept;
pub use key::{Key, KeyError, Keys};
pub use name::{EngineId, EngineName, NameError};
