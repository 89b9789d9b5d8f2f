#![no_main]

#[path = "../promises/connect_reply.rs"]
mod connect_reply;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| connect_reply::holds(bytes));
