#![no_main]

#[path = "../promises/bypass.rs"]
mod bypass;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bypass::holds(bytes));
