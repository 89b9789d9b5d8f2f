#![no_main]

#[path = "../promises/challenges.rs"]
mod challenges;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| challenges::holds(bytes));
