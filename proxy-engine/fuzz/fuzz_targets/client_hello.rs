#![no_main]

#[path = "../promises/client_hello.rs"]
mod client_hello;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| client_hello::holds(bytes));
