//! How the engine starts, swaps its policy and ends.
