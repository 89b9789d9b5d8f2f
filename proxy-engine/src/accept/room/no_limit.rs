//! Windows has no table that fills up; what the system lacks shows as an error.

use std::io;

/// `WSAENOBUFS` and `WSAEMFILE`.
const LACKING: [i32; 2] = [10055, 10024];

pub(super) fn limit() -> u64 {
    u64::MAX
}

pub(super) fn number<T>(_socket: &T) -> u64 {
    0
}

pub(super) fn next_number() -> io::Result<u64> {
    Ok(0)
}

pub(super) fn is_lacking(error: &io::Error) -> bool {
    error
        .raw_os_error()
        .is_some_and(|code| LACKING.contains(&code))
}

pub(super) fn is_of_this_process(_error: &io::Error) -> bool {
    false
}

pub(super) fn too_many() -> io::Error {
    io::Error::from_raw_os_error(LACKING[1])
}
