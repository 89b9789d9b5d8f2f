//! The loop: watch, decide, apply, verify.
