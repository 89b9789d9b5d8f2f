//! A socket comes in: what did the client ask for?
