//! Request by request: hop-by-hop rules, absolute form, upgrades.
