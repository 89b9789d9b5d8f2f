//! What the pages may ask. Each command passes one question on.

use proxy_mirror::control::client::Client;
use proxy_mirror::control::{ApplyRequest, Door, SettingsChange, StoreCredentials};
use proxy_mirror::messages::Language;
use proxy_mirror::target::TargetId;
use tauri::State;
use tokio::sync::{mpsc, watch};

use crate::controller::{self, Event};
use crate::link::Link;
use crate::view::{
    AppliedPage, PlanPage, Problem, SettingsEdit, SettingsPage, StatusPage, UndonePage,
};

/// What the commands reach.
pub struct Reach {
    /// The way to the agent.
    pub link: Link<Client>,
    /// What the status page shows now.
    pub pages: watch::Receiver<StatusPage>,
    /// The controller.
    pub controller: mpsc::Sender<Event>,
}

/// The status page as it is now; every later one comes as an event.
#[tauri::command]
#[specta::specta]
#[allow(
    clippy::needless_pass_by_value,
    reason = "Tauri hands its state over by value"
)]
pub fn status(reach: State<'_, Reach>) -> StatusPage {
    reach.pages.borrow().clone()
}

/// Switches Gangway on or off, at once; off for so many seconds or until it is switched on.
#[tauri::command]
#[specta::specta]
pub async fn switch(
    reach: State<'_, Reach>,
    on: bool,
    off_for: Option<u32>,
) -> Result<(), Problem> {
    Ok(controller::switch(&reach.link, on, off_for).await?)
}

/// The settings as they are.
#[tauri::command]
#[specta::specta]
pub async fn settings(reach: State<'_, Reach>) -> Result<SettingsPage, Problem> {
    Ok(reach.link.agent()?.settings().await?.into())
}

/// Writes the settings; refused whole where a field is wrong.
#[tauri::command]
#[specta::specta]
pub async fn save_settings(
    reach: State<'_, Reach>,
    edit: SettingsEdit,
) -> Result<SettingsPage, Problem> {
    let change = SettingsChange::from(edit);
    Ok(reach.link.agent()?.change_settings(change).await?.into())
}

/// Chooses the profile that holds whatever the network, or with `auto` leaves it to the network.
#[tauri::command]
#[specta::specta]
pub async fn choose_profile(reach: State<'_, Reach>, name: String) -> Result<(), Problem> {
    let change = SettingsChange {
        profile: Some(name),
        ..SettingsChange::default()
    };
    let changed = reach.link.agent()?.change_settings(change).await?;
    drop(changed);
    Ok(())
}

/// Keeps a password in the keychain; the proxy is asked with it again.
#[tauri::command]
#[specta::specta]
pub async fn log_in(
    reach: State<'_, Reach>,
    authority: String,
    user: String,
    password: String,
) -> Result<(), Problem> {
    let credentials = StoreCredentials {
        authority,
        // As the source says that names it.
        scheme: None,
        user,
        password,
    };
    Ok(reach.link.agent()?.store_credentials(credentials).await?)
}

/// What `apply` would do now.
#[tauri::command]
#[specta::specta]
pub async fn plan(reach: State<'_, Reach>) -> Result<PlanPage, Problem> {
    Ok(reach.link.agent()?.plan().await?.into())
}

/// Carries out the plan that was shown.
#[tauri::command]
#[specta::specta]
pub async fn apply(reach: State<'_, Reach>, plan: String) -> Result<AppliedPage, Problem> {
    let request = ApplyRequest { plan };
    Ok(reach.link.agent()?.apply(request).await?.into())
}

/// Gives every file back, or those of one target, which is left alone from then on.
#[tauri::command]
#[specta::specta]
pub async fn undo(reach: State<'_, Reach>, target: Option<String>) -> Result<UndonePage, Problem> {
    let target = target.map(TargetId);
    let agent = reach.link.agent()?;
    Ok(agent.undo(target.as_ref()).await?.into())
}

/// The language that the window speaks (`en`, `ja`): the tray follows it.
#[tauri::command]
#[specta::specta]
pub async fn speak(reach: State<'_, Reach>, language: String) -> Result<(), Problem> {
    let language = if language == "ja" {
        Language::Ja
    } else {
        Language::En
    };
    let event = Event::Language(language);
    // The controller only ever ends with the app.
    let _ = reach.controller.send(event).await;
    Ok(())
}
