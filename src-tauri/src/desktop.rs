//! What the controller wants from a desktop. Nothing else in the app's logic knows a toolkit.

use crate::tray::TrayView;
use crate::view::StatusPage;

/// What a notification says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// In few words.
    pub title: String,
    /// In one sentence.
    pub body: String,
    /// What a click does, which is to open the window.
    pub action: String,
}

/// A desktop: a window and a tray item. Calls return at once; what cannot be done is logged by
/// whoever keeps this contract, since there is nothing the controller could do about it.
pub trait Desktop: Send + Sync + 'static {
    /// Brings the window to the front, wherever it was.
    fn show_window(&self);

    /// Takes the window away; the pages live on.
    fn hide_window(&self);

    /// Gives the pages a new status.
    fn publish(&self, page: &StatusPage);

    /// Tells the user that something waits for him, wherever he looks.
    fn notify(&self, notice: &Notice);

    /// Gives the tray item a new face.
    fn show_tray(&self, tray: &TrayView);
}
