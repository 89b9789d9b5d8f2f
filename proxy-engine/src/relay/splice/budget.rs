//! How many pipes the engine may have.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rustix::process::{Resource, getrlimit};

/// Large pipes: half of the pages that the kernel grants a user without privilege (16,384 by
/// default, `pipe-user-pages-soft`, pipe(7)). The user's other programs have pipes too.
const MOST_LARGE: usize = 32;
/// Pipes in total. The rest are of the default size, 16 pages each.
const MOST: usize = 288;
/// One pipe for so many descriptors that this process may open: connections need them more.
const DESCRIPTORS_EACH: u64 = 16;

static LARGE: AtomicUsize = AtomicUsize::new(0);
static ALL: AtomicUsize = AtomicUsize::new(0);

/// The right to one pipe; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    large: bool,
}

impl Share {
    /// A share, unless all are taken.
    pub(super) fn take() -> Option<Self> {
        one_more(&ALL, most())?;
        Some(Self {
            large: one_more(&LARGE, MOST_LARGE).is_some(),
        })
    }

    /// Whether the pipe may be a large one.
    pub(super) fn is_large(&self) -> bool {
        self.large
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.large {
            LARGE.fetch_sub(1, Relaxed);
        }
        ALL.fetch_sub(1, Relaxed);
    }
}

fn one_more(count: &AtomicUsize, most: usize) -> Option<usize> {
    count
        .fetch_update(Relaxed, Relaxed, |now| (now < most).then_some(now + 1))
        .ok()
}

/// The bound, as the limit of open files was when the first pipe was asked for.
fn most() -> usize {
    static MOST_HERE: OnceLock<usize> = OnceLock::new();
    *MOST_HERE.get_or_init(|| {
        let descriptors = getrlimit(Resource::Nofile).current;
        let pipes = descriptors.map_or(u64::MAX, |most| most / DESCRIPTORS_EACH);
        usize::try_from(pipes).unwrap_or(usize::MAX).min(MOST)
    })
}
