//! Whatever a script answers: ways are bounded, name no user, are what they are shown as, and none is
//! direct that the script did not call so.

use proxy_engine::config::Way;
use proxy_engine::pac::ways;

/// Panics where it does not hold.
pub(crate) fn holds(bytes: &[u8]) {
    let Ok(answer) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(found) = ways(answer) else {
        return;
    };
    assert!(!found.is_empty() && found.len() <= 16, "{found:?}");
    let called_direct = answer.to_ascii_uppercase().contains("DIRECT");
    for way in &found {
        match way {
            Way::Direct => assert!(called_direct || answer.trim().is_empty(), "{answer:?}"),
            Way::Upstream(upstream) => {
                assert_eq!(upstream.user(), None, "{answer:?}");
                let shown = upstream.to_string();
                assert_eq!(shown.parse().as_ref(), Ok(upstream), "{answer:?}");
            }
        }
    }
}
