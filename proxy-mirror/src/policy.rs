//! Sources and settings become the engine's policy.
