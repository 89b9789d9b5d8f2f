#![no_main]

#[path = "../promises/socks_reply.rs"]
mod socks_reply;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| socks_reply::holds(bytes));
