//! Heads and trailer sections that are longer than usual: how many of them there may be at a time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::body::READ;

/// So many at a time. With 64 KiB each, kept in the form that it came in and in the form that it
/// goes on in, that is some 200 MiB.
const MOST: usize = 1024;

/// Whether a long head cannot be whole yet, by what came behind the first `seen` bytes alone: one that
/// trickles in is not read from its first byte again for each that comes. Shorter ones are, which
/// costs little.
pub(crate) fn goes_on(read: &[u8], seen: usize, most: usize) -> bool {
    const END: &[u8] = b"\r\n\r\n";
    let from = seen.min(read.len()).saturating_sub(END.len() - 1);
    seen > READ && read.len() < most && !read[from..].windows(END.len()).any(|end| end == END)
}

/// There is no room for another long head or trailer section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many messages with long heads or trailers at once; try again later")]
pub struct NoRoom;

impl NoRoom {
    /// The problem's code.
    pub const CODE: &'static str = "too_many_long_heads";
    /// The status that a client gets.
    pub const STATUS: u16 = 503;
}

/// The heads and trailer sections that are longer than one read: whoever holds thousands of
/// connections must not hold that much memory with each.
#[derive(Debug)]
pub struct LongSections {
    most: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// By the address of the client that they are for; no zeros.
    by_client: HashMap<IpAddr, usize>,
}

impl Default for LongSections {
    fn default() -> Self {
        Self::of(MOST)
    }
}

impl LongSections {
    fn of(most: usize) -> Self {
        Self {
            most,
            taken: Mutex::default(),
        }
    }

    /// What this client may have.
    pub fn share(&self, client: IpAddr) -> Share<'_> {
        Share {
            of: self,
            client: client.to_canonical(),
        }
    }

    /// A section of so many bytes is held, for whom `client` says once it is a long one.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub(crate) fn hold<'a>(
        &'a self,
        length: usize,
        client: impl FnOnce() -> IpAddr,
        held: &mut Option<Right<'a>>,
    ) -> Result<(), NoRoom> {
        if length > READ && held.is_none() {
            self.share(client()).hold(length, held)?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // Two counts that are whole between two statements.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One client's share: never more than is left to all the others.
#[derive(Debug, Clone, Copy)]
pub struct Share<'a> {
    of: &'a LongSections,
    client: IpAddr,
}

/// The right to one long section, given back when it is dropped. Few connections hold one, and all
/// have the place for it.
#[derive(Debug)]
pub(crate) struct Right<'a>(Box<Share<'a>>);

impl<'a> Share<'a> {
    /// A section of so many bytes is held, with the right in `held` once it is a long one.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub(super) fn hold(&self, length: usize, held: &mut Option<Right<'a>>) -> Result<(), NoRoom> {
        if length > READ && held.is_none() {
            *held = Some(self.take().ok_or(NoRoom)?);
        }
        Ok(())
    }

    fn take(&self) -> Option<Right<'a>> {
        let mut taken = self.of.lock();
        let left = self.of.most - taken.all;
        let own = taken.by_client.get(&self.client).copied().unwrap_or(0);
        if own >= left {
            return None;
        }
        taken.all += 1;
        taken.by_client.insert(self.client, own + 1);
        Some(Right(Box::new(*self)))
    }
}

impl Drop for Right<'_> {
    fn drop(&mut self) {
        let Share { of, client } = *self.0;
        let mut taken = of.lock();
        taken.all -= 1;
        if let Some(own) = taken.by_client.get_mut(&client) {
            *own -= 1;
            if *own == 0 {
                taken.by_client.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LongSections, READ};

    #[test]
    fn no_client_takes_all_and_what_it_gives_back_is_there_again() {
        let sections = LongSections::of(8);
        let share = |last: u8| sections.share([10, 0, 0, last].into());
        let take_all = |last: u8| -> Vec<_> { std::iter::from_fn(|| share(last).take()).collect() };
        let first = take_all(1);
        let second = take_all(2);
        let third = take_all(3);
        let counts = [first.len(), second.len(), third.len()];
        assert_eq!(counts, [4, 2, 1], "never more than is left to the others");
        drop((second, third));
        assert_eq!(share(1).take().map(drop), None, "it has its half");
        drop(first);
        assert!(sections.lock().by_client.is_empty(), "forgotten");
        assert_eq!(take_all(1).len(), 4);
    }

    #[test]
    fn an_address_in_the_form_of_ipv6_is_the_same_client() {
        let sections = LongSections::of(2);
        let mapped = sections.share("::ffff:10.0.0.1".parse().expect("an address"));
        let _held = mapped.take().expect("room");
        assert!(sections.share([10, 0, 0, 1].into()).take().is_none());
    }

    #[test]
    fn only_what_is_longer_than_usual_needs_a_right_and_one_is_enough() {
        let sections = LongSections::of(2);
        let share = sections.share([10, 0, 0, 1].into());
        let (mut usual, mut long, mut another) = (None, None, None);
        share.hold(READ, &mut usual).expect("room");
        assert!(usual.is_none());
        share.hold(READ + 1, &mut long).expect("room");
        share.hold(4 * READ, &mut long).expect("the same one");
        assert!(share.hold(READ + 1, &mut another).is_err());
    }
}
