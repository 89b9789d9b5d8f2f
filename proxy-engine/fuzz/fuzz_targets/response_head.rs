#![no_main]

#[path = "../promises/response_head.rs"]
mod response_head;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| response_head::holds(bytes));
