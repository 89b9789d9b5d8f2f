#![no_main]

#[path = "../promises/ntlm_challenge.rs"]
mod ntlm_challenge;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ntlm_challenge::holds(bytes));
