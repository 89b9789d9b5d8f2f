//! Embeds the window's pages, which npm builds before cargo does.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=../ui/dist");
    assert!(
        Path::new("../ui/dist/index.html").is_file(),
        "the window's pages are not built: run `npm ci && npm run build` in ui/ first (make does)"
    );
    tauri_build::build();
}
