//! The desktop that Tauri gives: one window, and the tray item beside it.

use tauri::{AppHandle, Manager, WebviewUrl, WebviewWindow, WebviewWindowBuilder};
use tauri_specta::Event as _;
use tokio::sync::{mpsc, watch};

use crate::bindings::StatusChanged;
use crate::desktop::{Desktop, Notice};
use crate::tray::TrayView;
use crate::view::StatusPage;

/// The window's label; the capability names it.
pub const MAIN: &str = "main";

/// Tauri, seen from the controller.
pub struct TauriDesktop {
    /// The app.
    pub app: AppHandle,
    /// Where the tray item reads its face.
    pub tray: watch::Sender<TrayView>,
    /// Where notifications go.
    pub notices: mpsc::Sender<Notice>,
}

impl Desktop for TauriDesktop {
    fn show_window(&self) {
        let Some(window) = self.app.get_webview_window(MAIN) else {
            return;
        };
        let shown = window
            .show()
            .and_then(|()| window.unminimize())
            .and_then(|()| window.set_focus());
        if let Err(error) = shown {
            tracing::error!(%error, "the window cannot be shown");
        }
    }

    fn hide_window(&self) {
        if let Some(window) = self.app.get_webview_window(MAIN)
            && let Err(error) = window.hide()
        {
            tracing::error!(%error, "the window cannot be hidden");
        }
    }

    fn publish(&self, page: &StatusPage) {
        if let Err(error) = StatusChanged(page.clone()).emit(&self.app) {
            tracing::error!(%error, "the pages did not get the status");
        }
    }

    fn notify(&self, notice: &Notice) {
        // Full: nobody shows them, or more than anybody reads.
        if self.notices.try_send(notice.clone()).is_err() {
            tracing::warn!("a notification was not shown");
        }
    }

    fn show_tray(&self, tray: &TrayView) {
        self.tray.send_if_modified(|shown| {
            let changed = shown != tray;
            shown.clone_from(tray);
            changed
        });
    }
}

/// Makes the window, hidden: the controller shows it.
///
/// # Errors
/// Those of Tauri, where the web view cannot be made.
pub fn make(app: &AppHandle) -> tauri::Result<WebviewWindow> {
    WebviewWindowBuilder::new(app, MAIN, WebviewUrl::App("index.html".into()))
        .title("Gangway")
        .inner_size(880.0, 660.0)
        .min_inner_size(640.0, 480.0)
        .visible(false)
        .build()
}
