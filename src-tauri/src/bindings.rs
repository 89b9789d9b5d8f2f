//! The doors between the pages and Rust, and their TypeScript.

use serde::{Deserialize, Serialize};
use specta::Type;
use tauri_specta::{Builder, collect_commands, collect_events};

use crate::commands;
use crate::view::StatusPage;

/// The status page changed.
#[derive(Debug, Clone, Serialize, Deserialize, Type, tauri_specta::Event)]
pub struct StatusChanged(pub StatusPage);

/// Every command and event there is.
pub fn builder() -> Builder<tauri::Wry> {
    Builder::new()
        .commands(collect_commands![
            commands::status,
            commands::switch,
            commands::choose_profile,
            commands::settings,
            commands::save_settings,
            commands::log_in,
            commands::plan,
            commands::apply,
            commands::undo,
            commands::speak,
        ])
        .events(collect_events![StatusChanged])
}

#[cfg(test)]
mod tests {
    use specta_typescript::Typescript;

    const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../ui/src/bindings.ts");

    #[test]
    fn the_pages_are_typed_by_what_rust_says_now() {
        let folder = tempfile::tempdir().unwrap();
        let fresh = folder.path().join("bindings.ts");
        super::builder()
            .export(Typescript::default(), &fresh)
            .unwrap();
        let fresh = std::fs::read_to_string(fresh).unwrap();
        if std::env::var_os("GANGWAY_WRITE_BINDINGS").is_some() {
            std::fs::write(COMMITTED, &fresh).unwrap();
        }
        let committed = std::fs::read_to_string(COMMITTED).unwrap_or_default();
        assert!(
            committed == fresh,
            "ui/src/bindings.ts is out of date: GANGWAY_WRITE_BINDINGS=1 cargo test -p gangway-app \
             bindings writes it"
        );
    }
}
