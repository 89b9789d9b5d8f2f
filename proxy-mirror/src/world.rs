//! A place with its own localhost, and the address at which it reaches an engine.
