#![no_main]

#[path = "../promises/chain_frame.rs"]
mod chain_frame;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chain_frame::holds(bytes));
