//! However a proxy asks for a log-in, what is read of it is bounded and stands in it.

use proxy_engine::dial::auth::{Challenge, challenges};

/// Panics where it does not hold.
pub(crate) fn holds(bytes: &[u8]) {
    // A line is a field.
    let fields: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
    let found = challenges(fields.iter().copied());
    assert!(found.len() <= 16);
    for challenge in &found {
        assert!(!challenge.scheme.is_empty() && challenge.parameters.len() <= 32);
        assert_eq!(challenge.scheme, challenge.scheme.to_ascii_lowercase());
        let said: usize = challenge
            .parameters
            .iter()
            .map(|(n, v)| n.len() + v.len())
            .sum();
        assert!(said <= bytes.len());
        // A token stands alone.
        assert!(challenge.token.is_none() || challenge.parameters.is_empty());
    }
    // Field by field it is the same: none reaches into another.
    let apart = fields
        .iter()
        .flat_map(|field| challenges([*field].into_iter()));
    let apart: Vec<Challenge> = apart.take(16).collect();
    assert_eq!(found, apart);
}
