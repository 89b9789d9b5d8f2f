//! The tray icon: a gangway between ship and shore. Whole when on, drawn up when off, broken with a
//! mark when something is wrong: the shapes differ, not only the colours.

use tauri::image::Image;

use crate::view::Health;

/// 64 × 64 RGBA pixels for a state; drawn by `icons/draw.py`.
pub fn of(health: Health) -> Image<'static> {
    match health {
        Health::On => tauri::include_image!("icons/tray-on.png"),
        Health::Off => tauri::include_image!("icons/tray-off.png"),
        Health::Problem => tauri::include_image!("icons/tray-problem.png"),
    }
}
