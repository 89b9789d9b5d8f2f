//! Whether what is captured reaches the listener.

use crate::intercept::nftables::Counted;

/// So many opening segments in a row that did not arrive are no accident: one client alone sends
/// as many in its first three seconds.
const LOST: u64 = 3;

/// Follows the table's counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Handshakes {
    last: Counted,
    lost: u64,
}

impl Handshakes {
    /// Takes note of the counters as they are now.
    pub(super) fn note(&mut self, now: Counted) {
        // Rules that were written anew count from nothing.
        let rewritten = now.sent < self.last.sent || now.arrived < self.last.arrived;
        let last = if rewritten {
            Counted::default()
        } else {
            self.last
        };
        if now.arrived > last.arrived {
            self.lost = 0;
        } else {
            self.lost += now.sent - last.sent;
        }
        self.last = now;
    }

    /// Whether something on this machine drops what is captured.
    pub(super) fn are_dropped(&self) -> bool {
        self.lost >= LOST
    }
}

#[cfg(test)]
mod tests {
    use super::Handshakes;
    use crate::intercept::nftables::Counted;

    #[test]
    fn only_a_row_of_lost_segments_counts() {
        let mut handshakes = Handshakes::default();
        let steps = [
            (2, 0, false),
            (4, 0, true),
            (9, 0, true),
            (10, 1, false),
            (12, 1, false),
            (13, 1, true),
            (1, 0, true), // written anew
            (2, 1, false),
            (2, 1, false),
        ];
        for (sent, arrived, dropped) in steps {
            handshakes.note(Counted { sent, arrived });
            assert_eq!(handshakes.are_dropped(), dropped, "{sent} {arrived}");
        }
    }
}
