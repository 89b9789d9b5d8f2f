//! A bypass list that is understood says the same when it is written down and read again.

use proxy_engine::config::Bypass;

/// Panics where it does not hold.
pub(crate) fn holds(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(bypass) = text.parse::<Bypass>() else {
        return;
    };
    let written = bypass.to_string();
    let again = written.parse::<Bypass>();
    assert_eq!(
        again.as_ref(),
        Ok(&bypass),
        "{text:?} was written as {written:?}"
    );
}
