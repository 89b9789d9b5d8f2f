//! Tray icon and settings window: thin, over [`proxy_mirror::control`].
//!
//! [`link`] finds or starts the agent and follows it, [`controller`] decides what that means for a
//! [`desktop`], [`window`] and [`tray`] are that desktop, [`view`] is what the pages are given, and
//! [`commands`] are what they may ask.

use proxy_mirror::messages::Language;
use tauri::{AppHandle, Manager, RunEvent, WindowEvent};
use tokio::sync::{mpsc, watch};

pub mod bindings;
pub mod commands;
pub mod controller;
pub mod desktop;
pub mod link;
#[cfg(target_os = "linux")]
pub mod notify;
#[cfg(test)]
mod testing;
pub mod tray;
pub mod view;
pub mod window;

use controller::{Controller, EVENTS, Event};
use link::Link;
use tray::TrayView;
use view::StatusPage;
use window::TauriDesktop;

/// How the app was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Whether the window opens at once; else only the tray item shows, where there is a tray.
    pub window: bool,
}

/// Runs the app until the user quits.
///
/// # Errors
/// Those of Tauri, where neither X11 nor Wayland can be reached or the web view cannot be made.
pub fn run(start: Start) -> tauri::Result<()> {
    let bindings = bindings::builder();
    let (controller, events) = mpsc::channel(EVENTS);
    let second_start = controller.clone();
    let app = tauri::Builder::default()
        // First, so that a second start ends before it has touched anything.
        .plugin(tauri_plugin_single_instance::init(move |_, _, _| {
            say(&second_start, Event::ShowWindow);
        }))
        .invoke_handler(bindings.invoke_handler())
        .setup(move |app| {
            bindings.mount_events(app);
            set_up(app.handle(), controller, events)?;
            Ok(())
        })
        .build(tauri::generate_context!())?;
    app.run(move |app, event| {
        let say = |event| say(&app.state::<commands::Reach>().controller, event);
        match event {
            // Not before: a window that is shown while the toolkit still starts may never be drawn.
            RunEvent::Ready if start.window => say(Event::ShowWindow),
            // Whether closing ends the app is the controller's to decide.
            RunEvent::WindowEvent {
                event: WindowEvent::CloseRequested { api, .. },
                ..
            } => {
                api.prevent_close();
                say(Event::CloseWindow);
            }
            _ => {}
        }
    });
    Ok(())
}

fn set_up(
    app: &AppHandle,
    controller: mpsc::Sender<Event>,
    events: mpsc::Receiver<Event>,
) -> tauri::Result<()> {
    let language = Language::from_env();
    let link = Link::new();
    let (pages, shown) = watch::channel(StatusPage::default());
    let starting = proxy_mirror::control::Problem::new("agent_starting", "the agent is starting");
    let (tray, faces) = watch::channel(TrayView::of(Err(&starting), language));
    app.manage(commands::Reach {
        link: link.clone(),
        pages: shown,
        controller: controller.clone(),
    });
    window::make(app)?;
    let (notices, told) = mpsc::channel(EVENTS);
    let desktop = TauriDesktop {
        app: app.clone(),
        tray,
        notices,
    };
    let logic = Controller::new(link.clone(), desktop, controller.clone(), pages, language);
    let linked = tauri::async_runtime::spawn(link::follow(link, controller.clone()));
    let ending = app.clone();
    tauri::async_runtime::spawn(async move {
        logic.run(events).await;
        // An agent of our own takes its credentials back before the process ends.
        if let Err(error) = linked.await {
            tracing::error!(%error, "the agent did not end in order");
        }
        ending.exit(0);
    });
    tauri::async_runtime::spawn(quit_when_asked(controller.clone()));
    #[cfg(target_os = "linux")]
    tauri::async_runtime::spawn(tray::item::show(faces, controller.clone()));
    #[cfg(target_os = "linux")]
    tauri::async_runtime::spawn(notify::show(told, controller));
    #[cfg(not(target_os = "linux"))]
    {
        drop((faces, told));
        say(&controller, Event::Tray(controller::TrayHost::Missing));
    }
    Ok(())
}

/// Ends the app in order when the session ends or somebody presses Ctrl-C in its terminal.
async fn quit_when_asked(controller: mpsc::Sender<Event>) {
    match asked_to_quit().await {
        Ok(()) => say(&controller, Event::Quit),
        Err(error) => tracing::warn!(%error, "signals cannot be heard"),
    }
}

#[cfg(unix)]
async fn asked_to_quit() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        pressed = tokio::signal::ctrl_c() => pressed,
    }
}

#[cfg(not(unix))]
async fn asked_to_quit() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}

/// Tauri's callbacks cannot wait. The queue is only full when the controller is stuck, and then
/// nothing that is said would help.
fn say(controller: &mpsc::Sender<Event>, event: Event) {
    if let Err(error) = controller.try_send(event) {
        tracing::error!(%error, "the controller does not listen");
    }
}
