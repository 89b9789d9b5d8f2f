//! A message that is about to come: two processes that answer each other in microseconds spend more
//! on being put to sleep and woken up than on their work.

use std::time::{Duration, Instant};

use rustix::io::Errno;

/// So long one side looks for the other's next message before it sleeps: a few times what a script
/// takes, and nothing beside a connection's way through the network. Who is asked nothing sleeps.
const SPIN: Duration = Duration::from_micros(60);

/// What `look` finds within [`SPIN`]; `None` where nothing comes so soon. The processor is offered to
/// whoever may need it, the other side first, each time nothing is there.
pub(super) fn soon<T>(mut look: impl FnMut() -> Result<T, Errno>) -> Option<Result<T, Errno>> {
    let begun = Instant::now();
    loop {
        match look() {
            Err(Errno::AGAIN | Errno::INTR) => {}
            found => return Some(found),
        }
        if begun.elapsed() > SPIN {
            return None;
        }
        std::thread::yield_now();
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::{SPIN, soon};

    #[test]
    fn what_comes_soon_is_found_and_what_does_not_is_slept_for() {
        assert_eq!(soon(|| Ok(3)), Some(Ok(3)));
        let begun = std::time::Instant::now();
        assert_eq!(soon(|| Err::<(), _>(Errno::AGAIN)), None);
        assert!(begun.elapsed() >= SPIN);
        assert_eq!(soon(|| Err::<(), _>(Errno::PIPE)), Some(Err(Errno::PIPE)));
    }
}
