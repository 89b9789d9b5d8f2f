//! Which of several ways is tried first, and how long.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::{CONNECT_TIMEOUT, DialError, connect};
use crate::config::{Upstream, Way};
use crate::observe::UpstreamHealth;

/// An upstream that does not take a connection in this time is passed over, where another way is
/// left: long enough for a lost packet to be sent again (RFC 6298 says after a second).
const PASSED_OVER: Duration = Duration::from_secs(3);

/// The ways in the order in which they are tried, and how long each may take to connect: those that
/// are left alone at the moment come last, and not at all where the destination itself is a way.
pub(super) fn order<'a>(
    ways: &'a [Way],
    health: &UpstreamHealth,
) -> impl Iterator<Item = (&'a Way, Duration)> {
    let is_down = |way: &&Way| {
        way.upstream()
            .is_some_and(|upstream| ways.len() > 1 && health.is_down(&upstream.authority()))
    };
    let (down, mut up): (Vec<&Way>, Vec<&Way>) = ways.iter().partition(is_down);
    if !up.contains(&&Way::Direct) {
        up.extend(down);
    }
    let last = up.len().saturating_sub(1);
    up.into_iter().enumerate().map(move |(at, way)| {
        let patience = if at < last {
            PASSED_OVER
        } else {
            CONNECT_TIMEOUT
        };
        (way, patience)
    })
}

/// Looks for an upstream that could not be had, until it can be connected to again or nobody asks
/// for it any more.
pub(super) async fn look_for(upstream: Upstream, health: Weak<UpstreamHealth>) {
    let authority = upstream.authority();
    let due = |health: Arc<UpstreamHealth>| health.due(&authority);
    while let Some(due) = health.upgrade().and_then(due) {
        tokio::time::sleep_until(due).await;
        let found = connect::upstream(&upstream, CONNECT_TIMEOUT).await;
        let Some(health) = health.upgrade() else {
            return;
        };
        if found.is_ok() {
            tracing::info!(upstream = %authority, "upstream is back");
        }
        let found = found
            .map(|_| ())
            .map_err(|error: DialError| error.problem());
        health.found(&authority, found);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::{CONNECT_TIMEOUT, PASSED_OVER, order};
    use crate::config::Way;
    use crate::control::Problem;
    use crate::observe::UpstreamHealth;

    const A: &str = "http://a.test:1";
    const B: &str = "socks5h://b.test:2";

    fn ways(words: &[&str]) -> Vec<Way> {
        words.iter().map(|word| word.parse().expect(word)).collect()
    }

    #[test]
    fn what_is_down_comes_last_and_never_where_direct_is_a_way() {
        let problem = || Problem {
            code: "upstream_unreachable".into(),
            message: "gone".into(),
        };
        let health = UpstreamHealth::default();
        let tried = |words: &[&str]| -> Vec<String> {
            let ways = ways(words);
            let tried = order(&ways, &health).map(|(way, _)| way.to_string());
            tried.collect()
        };
        assert_eq!(tried(&[A, B, "direct"]), [A, B, "direct"]);
        assert!(health.lost("a.test:1", problem(), Instant::now()));
        assert_eq!(tried(&[A, B, "direct"]), [B, "direct"]);
        assert_eq!(tried(&[A, B]), [B, A]);
        assert_eq!(tried(&[A]), [A], "there is no other");
        assert!(health.lost("b.test:2", problem(), Instant::now()));
        assert_eq!(tried(&[A, B]), [A, B], "one of them may be back");
        assert_eq!(tried(&["direct", A]), ["direct"]);
        health.found("a.test:1", Ok(()));
        assert_eq!(tried(&[A, B]), [A, B]);
        assert_eq!(tried(&[B, A]), [A, B]);
    }

    #[test]
    fn only_the_last_way_is_waited_for_as_long_as_it_takes() {
        let health = UpstreamHealth::default();
        let ways = ways(&[A, B]);
        let patience: Vec<_> = order(&ways, &health)
            .map(|(_, patience)| patience)
            .collect();
        assert_eq!(patience, [PASSED_OVER, CONNECT_TIMEOUT]);
    }
}
