//! Tickets that upstreams were shown. One that was refused is not shown again: the next is another one
//! as soon as the user has it, by `kinit`, a renewal or a new log-in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::standing::{self, Standing};

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum GssError {
    /// Kerberos cannot be used: no library, no ticket, no KDC, no such service, …
    #[error("{0}")]
    Unusable(String),
    /// The KDC refused the password.
    #[error("the KDC refused the password")]
    #[cfg_attr(
        not(any(target_os = "linux", windows)),
        expect(dead_code, reason = "there is no Kerberos to refuse one")
    )]
    Refused,
}

/// Which ticket it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ticket {
    /// Whose.
    pub(super) user: String,
    /// When it expires, in seconds since 1970; [`u64::MAX`]: never.
    pub(super) until: u64,
}

impl Ticket {
    /// The clock that its end was counted by may have moved on by a second in between.
    fn is(&self, other: &Self) -> bool {
        self.user == other.user && self.until.abs_diff(other.until) <= 1
    }
}

/// The last that each upstream was shown, by [`crate::config::Upstream::authority`].
#[derive(Debug, Default)]
pub(super) struct Tickets(Mutex<HashMap<String, Shown>>);

#[derive(Debug)]
struct Shown {
    ticket: Ticket,
    standing: Arc<watch::Sender<Standing>>,
}

impl Tickets {
    /// What is known of this ticket there.
    pub(super) fn standing(&self, authority: &str, ticket: Ticket) -> Arc<watch::Sender<Standing>> {
        // A map of finished values is whole even after a panic elsewhere.
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = shown.get(authority)
            && last.ticket.is(&ticket)
        {
            return Arc::clone(&last.standing);
        }
        let standing = standing::fresh();
        let now = Shown {
            ticket,
            standing: Arc::clone(&standing),
        };
        shown.insert(authority.to_owned(), now);
        standing
    }

    /// Forgets every upstream that `keep` does not name.
    pub(super) fn retain(&self, keep: impl Fn(&str) -> bool) {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shown.retain(|authority, _| keep(authority));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Ticket, Tickets};

    #[test]
    fn the_same_ticket_has_one_standing_at_an_upstream_and_another_a_new_one() {
        let ticket = |user: &str, until| Ticket {
            user: user.into(),
            until,
        };
        let tickets = Tickets::default();
        let first = tickets.standing("a:1", ticket("ann@X", 1000));
        let same = tickets.standing("a:1", ticket("ann@X", 1001));
        assert!(Arc::ptr_eq(&first, &same));
        for (authority, other) in [
            ("b:1", ticket("ann@X", 1000)),
            ("a:1", ticket("ann@X", 1002)),
            ("a:1", ticket("bob@X", 1002)),
        ] {
            let standing = tickets.standing(authority, other);
            assert!(!Arc::ptr_eq(&first, &standing), "{authority}");
        }
        let kept = tickets.standing("b:1", ticket("ann@X", 1000));
        tickets.retain(|authority| authority == "b:1");
        let still = tickets.standing("b:1", ticket("ann@X", 1000));
        assert!(Arc::ptr_eq(&kept, &still));
        let anew = tickets.standing("a:1", ticket("bob@X", 1002));
        assert_eq!(Arc::strong_count(&anew), 2);
    }
}
