#![no_main]

#[path = "../promises/pac_answer.rs"]
mod pac_answer;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pac_answer::holds(bytes));
