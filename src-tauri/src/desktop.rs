//! What the controller wants from a desktop. Nothing else in the app's logic knows a toolkit.

use crate::tray::TrayView;
use crate::view::StatusPage;

/// A desktop: a window and a tray item. Calls return at once; what cannot be done is logged by
/// whoever keeps this contract, since there is nothing the controller could do about it.
pub trait Desktop: Send + Sync + 'static {
    /// Brings the window to the front, wherever it was.
    fn show_window(&self);

    /// Takes the window away; the pages live on.
    fn hide_window(&self);

    /// Gives the pages a new status.
    fn publish(&self, page: &StatusPage);

    /// Gives the tray item a new face.
    fn show_tray(&self, tray: &TrayView);
}
