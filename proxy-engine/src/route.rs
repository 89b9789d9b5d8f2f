//! A destination becomes a route, with its reason.
