//! What an agent answers, whoever is asked.

use super::{
    Applied, ApplyRequest, Examination, Explanation, Plan, Problem, SettingsChange, SettingsView,
    Status, StoreCredentials, Undone,
};
use crate::target::TargetId;

/// The questions of the API. [`crate::agent::Core`] answers them itself, [`super::client::Client`]
/// passes them on to the agent that runs: a command behaves the same with either.
pub trait Door: Send + Sync {
    /// The whole picture, every target asked.
    fn status(&self) -> impl Future<Output = Result<Status, Problem>> + Send;

    /// What `apply` would do now.
    fn plan(&self) -> impl Future<Output = Result<Plan, Problem>> + Send;

    /// Carries out the plan that was shown; refuses when the machine has changed since.
    fn apply(&self, request: ApplyRequest)
    -> impl Future<Output = Result<Applied, Problem>> + Send;

    /// Gives every file back.
    fn undo(&self, only: Option<&TargetId>)
    -> impl Future<Output = Result<Undone, Problem>> + Send;

    /// What would happen to one URL.
    fn explain(&self, url: &str) -> impl Future<Output = Result<Explanation, Problem>> + Send;

    /// What is in force at every layer, and what to do where it disagrees.
    fn examine(&self) -> impl Future<Output = Result<Examination, Problem>> + Send;

    /// The settings as they are.
    fn settings(&self) -> impl Future<Output = Result<SettingsView, Problem>> + Send;

    /// Writes a change of settings; it reaches new connections within a second.
    fn change_settings(
        &self,
        change: SettingsChange,
    ) -> impl Future<Output = Result<SettingsView, Problem>> + Send;

    /// Puts credentials into the keychain, and lends them where the policy wants them.
    fn store_credentials(
        &self,
        credentials: StoreCredentials,
    ) -> impl Future<Output = Result<(), Problem>> + Send;

    /// Forgets the credentials of one upstream (`host:port`).
    fn forget_credentials(
        &self,
        authority: &str,
    ) -> impl Future<Output = Result<(), Problem>> + Send;
}
