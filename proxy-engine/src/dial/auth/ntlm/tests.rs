use super::{Challenge, flag, hello, key, mac, wide};

/// The second message of MS-NLMP, section 4.2.4.3, without its version (which the flags deny).
fn of_the_specification() -> Vec<u8> {
    let target = wide("Server");
    let mut info = Vec::new();
    for (id, value) in [(2_u16, wide("Domain")), (1, wide("Server"))] {
        info.extend_from_slice(&id.to_le_bytes());
        info.extend_from_slice(&u16::try_from(value.len()).expect("short").to_le_bytes());
        info.extend_from_slice(&value);
    }
    info.extend_from_slice(&[0; 4]);
    second(0xe28a_8233, &target, &info)
}

fn second(flags: u32, target: &[u8], info: &[u8]) -> Vec<u8> {
    let mut message = b"NTLMSSP\0\x02\0\0\0".to_vec();
    message.extend_from_slice(&super::field(target.len(), 48));
    message.extend_from_slice(&flags.to_le_bytes());
    message.extend_from_slice(&[0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]);
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(&super::field(info.len(), 48 + target.len()));
    message.extend_from_slice(target);
    message.extend_from_slice(info);
    message
}

fn part(message: &[u8], at: usize) -> &[u8] {
    let length = u16::from_le_bytes(message[at..at + 2].try_into().expect("two"));
    let offset = u32::from_le_bytes(message[at + 4..at + 8].try_into().expect("four"));
    &message[offset as usize..offset as usize + usize::from(length)]
}

fn hex(bytes: &[u8]) -> String {
    let digits: Vec<_> = bytes.iter().map(|b| format!("{b:02x}")).collect();
    digits.concat()
}

#[test]
fn the_example_of_the_specification_comes_out() {
    let key = key("User", "Domain", &"Password".into());
    assert_eq!(hex(&key), "0c868a403bfd7a93a3001ef22ef02e3f");
    let challenge = Challenge::read(&of_the_specification()).expect("one");
    let third = challenge.answer_with("Domain\\User", &"Password".into(), "p", [0xaa; 8], 0);
    assert_eq!(
        hex(part(&third, 12)),
        "86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa"
    );
    let nt = part(&third, 20);
    assert_eq!(hex(&nt[..16]), "68cd0ab851e51c96aabc927bebef6a1c");
    assert_eq!(
        hex(&mac(&key, &[&nt[..16]])),
        "8de40ccadbc14a82f15cb0ad0de95ca3"
    );
    assert_eq!(part(&third, 28), wide("Domain"));
    assert_eq!(part(&third, 36), wide("User"));
}

#[test]
fn a_domain_is_the_users_own_or_else_the_proxys() {
    let challenge = Challenge::read(&of_the_specification()).expect("one");
    for (named, user, domain) in [
        ("CORP\\anna", "anna", "CORP"),
        ("anna@corp.test", "anna@corp.test", ""),
        ("anna", "anna", "Domain"),
        ("CORP\\a@b\\c", "a@b\\c", "CORP"),
    ] {
        let third = challenge.answer_with(named, &"pw".into(), "p", [0; 8], 0);
        assert_eq!(part(&third, 36), wide(user), "{named}");
        assert_eq!(part(&third, 28), wide(domain), "{named}");
    }
    // One without Unicode, and without pairs.
    let old = Challenge::read(&second(flag::OEM, b"Old", &[])).expect("one");
    let third = old.answer_with("änna€", &"pw".into(), "p", [0; 8], 0);
    assert_eq!(part(&third, 36), b"\xe4nna?");
    assert_eq!(part(&third, 28), b"Old");
}

#[test]
fn no_message_shows_the_password_or_asks_for_an_older_version() {
    let challenge = Challenge::read(&of_the_specification()).expect("one");
    let third = challenge
        .answer("anna", &"canary".into(), "p")
        .expect("random");
    for password in ["canary".as_bytes(), &wide("canary")] {
        assert!(!third.windows(password.len()).any(|part| part == password));
    }
    let flags = u32::from_le_bytes(hello()[12..16].try_into().expect("four"));
    assert!(
        flags & flag::EXTENDED_SECURITY != 0 && flags & 0x80 == 0,
        "{flags:x}"
    );
}

#[test]
fn what_is_no_second_message_is_none() {
    let good = of_the_specification();
    for end in 0..good.len() {
        assert_eq!(Challenge::read(&good[..end]), None, "{end}");
    }
    let with = |at: usize, byte: u8| {
        let mut message = good.clone();
        message[at] = byte;
        Challenge::read(&message)
    };
    assert_eq!(with(0, b'n'), None);
    assert_eq!(with(8, 3), None);
    assert_eq!(with(46, 0xff), None, "the offset of the pairs");
    let elsewhere = with(17, 0xff).expect("a target that is not needed");
    assert!(elsewhere.target.is_empty());
    // A time of seven bytes.
    let short = second(
        flag::UNICODE | flag::TARGET_INFO,
        &[],
        &[7, 0, 7, 0, 1, 2, 3, 4, 5, 6, 7, 0, 0, 0, 0],
    );
    assert_eq!(Challenge::read(&short), None);
}
