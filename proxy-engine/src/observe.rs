//! Who is connected: the connection table, counters, events.
