//! The item on the session bus (StatusNotifierItem, with its menu over `com.canonical.dbusmenu`).

use std::sync::atomic::{AtomicBool, Ordering};

use ksni::menu::{CheckmarkItem, RadioGroup, RadioItem, StandardItem};
use ksni::{MenuItem, OfflineReason, ToolTip, TrayMethods};
use tokio::sync::{mpsc, watch};

use super::{Item, TrayView, icon};
use crate::controller::{Event, TrayHost};

/// Puts the item on the bus and keeps its face like `views`, until `views` ends. The controller is
/// told whether a tray shows it, now and whenever that changes.
pub async fn show(mut views: watch::Receiver<TrayView>, controller: mpsc::Sender<Event>) {
    let item = TrayItem {
        view: views.borrow_and_update().clone(),
        hosted: AtomicBool::new(true),
        controller: controller.clone(),
    };
    // A panel may start after us: the item waits for it, and the window serves meanwhile.
    let handle = match item.assume_sni_available(true).spawn().await {
        Ok(handle) => handle,
        Err(error) => {
            tracing::warn!(%error, "no tray item: the window serves instead");
            tell(&controller, TrayHost::Missing);
            return;
        }
    };
    let hosted = handle.update(|item| item.hosted.load(Ordering::Relaxed));
    if hosted.await == Some(true) {
        tell(&controller, TrayHost::Here);
    }
    while views.changed().await.is_ok() {
        let view = views.borrow_and_update().clone();
        if handle.update(|item| item.view = view).await.is_none() {
            tell(&controller, TrayHost::Missing);
            return;
        }
    }
    handle.shutdown().await;
}

struct TrayItem {
    view: TrayView,
    hosted: AtomicBool,
    controller: mpsc::Sender<Event>,
}

impl TrayItem {
    fn say(&self, event: Event) {
        // Called under the item's lock, where waiting would hold up the bus. A full queue means
        // that the user clicked dozens of times in no time.
        if self.controller.try_send(event).is_err() {
            tracing::warn!("a click on the tray was lost: too many at once");
        }
    }
}

fn tell(controller: &mpsc::Sender<Event>, host: TrayHost) {
    if controller.try_send(Event::Tray(host)).is_err() {
        tracing::warn!(?host, "the controller did not hear of the tray");
    }
}

impl ksni::Tray for TrayItem {
    // A click opens the menu, which says everything; the window is one line further.
    const MENU_ON_ACTIVATE: bool = true;

    fn id(&self) -> String {
        "gangway".to_owned()
    }

    fn title(&self) -> String {
        "Gangway".to_owned()
    }

    fn category(&self) -> ksni::Category {
        ksni::Category::SystemServices
    }

    fn icon_pixmap(&self) -> Vec<ksni::Icon> {
        let image = icon::of(self.view.health);
        vec![ksni::Icon {
            width: i32::try_from(image.width()).unwrap_or_default(),
            height: i32::try_from(image.height()).unwrap_or_default(),
            data: argb(image.rgba()),
        }]
    }

    fn tool_tip(&self) -> ToolTip {
        ToolTip {
            title: self.view.state.clone(),
            ..ToolTip::default()
        }
    }

    fn menu(&self) -> Vec<MenuItem<Self>> {
        self.view.menu.iter().map(line).collect()
    }

    fn watcher_online(&self) {
        self.hosted.store(true, Ordering::Relaxed);
        tell(&self.controller, TrayHost::Here);
    }

    fn watcher_offline(&self, reason: OfflineReason) -> bool {
        tracing::info!(?reason, "no tray shows the item");
        self.hosted.store(false, Ordering::Relaxed);
        tell(&self.controller, TrayHost::Missing);
        true
    }
}

fn line(item: &Item) -> MenuItem<TrayItem> {
    match item {
        Item::Words(words) => StandardItem {
            label: without_access_keys(words),
            enabled: false,
            ..StandardItem::default()
        }
        .into(),
        Item::Separator => MenuItem::Separator,
        &Item::Switch {
            ref label,
            on,
            enabled,
        } => CheckmarkItem {
            label: without_access_keys(label),
            enabled,
            checked: on,
            activate: Box::new(move |item: &mut TrayItem| item.say(Event::Switch(!on))),
            ..CheckmarkItem::default()
        }
        .into(),
        Item::Profiles { choices, chosen } => RadioGroup {
            selected: *chosen,
            options: { choices.iter() }
                .map(|(label, _)| RadioItem {
                    label: without_access_keys(label),
                    ..RadioItem::default()
                })
                .collect(),
            select: {
                let names: Vec<String> = choices.iter().map(|(_, name)| name.clone()).collect();
                Box::new(move |item: &mut TrayItem, at| {
                    if let Some(name) = names.get(at) {
                        item.say(Event::Profile(name.clone()));
                    }
                })
            },
        }
        .into(),
        Item::Pause(label) => click(label, || Event::Pause),
        Item::LogIn(label) | Item::Settings(label) => click(label, || Event::ShowWindow),
        Item::Quit(label) => click(label, || Event::Quit),
    }
}

fn click(label: &str, event: fn() -> Event) -> MenuItem<TrayItem> {
    StandardItem {
        label: without_access_keys(label),
        activate: Box::new(move |item: &mut TrayItem| item.say(event())),
        ..StandardItem::default()
    }
    .into()
}

/// dbusmenu takes `_` for the mark of an access key, and two for one underscore.
fn without_access_keys(label: &str) -> String {
    label.replace('_', "__")
}

/// The protocol wants ARGB in network byte order.
fn argb(rgba: &[u8]) -> Vec<u8> {
    rgba.chunks_exact(4)
        .flat_map(|pixel| [pixel[3], pixel[0], pixel[1], pixel[2]])
        .collect()
}
