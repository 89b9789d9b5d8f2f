//! Checks that say which value is in force at each layer, and why.
