//! A route becomes a connected stream.
