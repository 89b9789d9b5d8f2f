//! The agent's local API: HTTP and JSON on a Unix socket, spoken by the command line and the window.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/status` | [`Status`] |
//! | `GET /v1/events` | server-sent events: `status` ([`Status`]), first at once, then at every change |
//! | `GET /v1/plan` | [`Plan`] |
//! | `POST /v1/apply` | body [`ApplyRequest`]; [`Applied`] |
//! | `POST /v1/undo` | [`Undone`]; `?target=…`: of that target alone, which is left alone from then on |
//! | `GET /v1/explain?url=…` | [`Explanation`] |
//! | `GET /v1/doctor` | [`Examination`] |
//! | `GET /v1/settings` | [`SettingsView`] |
//! | `PUT /v1/settings` | body [`SettingsChange`]; [`SettingsView`] |
//! | `PUT /v1/credentials` | body [`StoreCredentials`]; 204 |
//! | `DELETE /v1/credentials?authority=…` | 204 |
//!
//! Errors are [`Problem`]s, with 4xx or 5xx.

mod api;
pub mod client;
mod connections;
mod door;
mod examination;
mod explanation;
mod login;
mod peer;
mod problem;
mod said;
pub mod server;
mod settings;
mod verdict;

pub use api::*;
pub use connections::*;
pub use door::Door;
pub use examination::{Examination, Finding, Fix, Verdict};
pub use explanation::{Explanation, RouteKind, Tried, WayKind, WorldWay};
pub use login::LoginWanted;
pub use settings::{ManagedView, SettingsChange, SettingsView, StoreCredentials};
