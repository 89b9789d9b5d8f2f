//! Two streams, bytes, until both directions have ended.
