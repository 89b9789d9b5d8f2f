//! Whatever a proxy calls the second message of NTLM, it is read within its bounds, and what is
//! answered to it is well formed.

use proxy_engine::dial::auth::NtlmChallenge;

/// Panics where it does not hold.
pub(crate) fn holds(bytes: &[u8]) {
    let Some(challenge) = NtlmChallenge::read(bytes) else {
        return;
    };
    assert!(bytes.starts_with(b"NTLMSSP\0\x02\0\0\0"));
    for user in ["anna", "CORP\\anna", "anna@corp.test"] {
        let third = challenge.answer(user, &"pw".into(), "proxy.test");
        let third = third.expect("random bytes");
        assert!(third.starts_with(b"NTLMSSP\0\x03\0\0\0"));
        // Each part stands in the message.
        for at in (12..60).step_by(8) {
            let length = u16::from_le_bytes([third[at], third[at + 1]]);
            let offset = [third[at + 4], third[at + 5], third[at + 6], third[at + 7]];
            let end = usize::from(length) + u32::from_le_bytes(offset) as usize;
            assert!(end <= third.len(), "{at}: {end} of {}", third.len());
        }
    }
}
