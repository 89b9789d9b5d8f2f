//! A destination becomes a route, with its reason.

mod bypass;
mod destination;
mod original;
mod private;
mod router;
mod rules;
mod script;
mod world;

pub use bypass::BypassIndex;
pub use destination::{Destination, Host};
pub use original::{Belongs, belongs, route_original};
pub use private::{carried, is_inner, is_private};
pub use router::{DirectRule, Route, Router};
pub use rules::Ruling;
pub use world::World;
