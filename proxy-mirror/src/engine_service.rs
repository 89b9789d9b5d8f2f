//! The engine as a system service: install, remove, ask.
