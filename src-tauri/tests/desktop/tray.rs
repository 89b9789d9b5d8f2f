//! The tray item, seen and clicked over D-Bus as a panel would.

use std::collections::HashMap;
use std::time::Duration;

use testbed::Session;
use tokio::sync::mpsc;
use zbus::connection::Builder;
use zbus::message::Header;
use zbus::zvariant::{OwnedValue, Value};
use zbus::{Connection, Proxy};

use crate::desk::{Desk, SOON};

/// A panel that shows tray items.
struct Panel {
    items: mpsc::UnboundedSender<String>,
}

#[allow(
    clippy::needless_pass_by_value,
    clippy::unused_self,
    reason = "zbus calls these as D-Bus has them"
)]
#[zbus::interface(name = "org.kde.StatusNotifierWatcher")]
impl Panel {
    fn register_status_notifier_item(&mut self, service: &str, #[zbus(header)] header: Header<'_>) {
        // A name, or a path on the caller's connection.
        let name = if service.starts_with('/') {
            header.sender().map(ToString::to_string).unwrap_or_default()
        } else {
            service.to_owned()
        };
        let _ = self.items.send(name);
    }

    fn register_status_notifier_host(&self, service: &str) {
        // Another panel: nothing that an item would ask about.
        let _ = service;
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        Vec::new()
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }
}

/// A panel on the session's bus, and the items that come to it.
pub(crate) async fn panel(session: &Session) -> (Connection, mpsc::UnboundedReceiver<String>) {
    let (items, coming) = mpsc::unbounded_channel();
    let connection = Builder::address(session.bus_address().unwrap())
        .unwrap()
        .serve_at("/StatusNotifierWatcher", Panel { items })
        .unwrap()
        .name("org.kde.StatusNotifierWatcher")
        .unwrap()
        .build()
        .await
        .unwrap();
    (connection, coming)
}

/// The item's menu.
pub(crate) struct Menu {
    dbusmenu: Proxy<'static>,
}

/// One line of it.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    id: i32,
    label: String,
    enabled: bool,
    checked: bool,
}

type Layout = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);

impl Menu {
    pub(crate) async fn of(connection: &Connection, item: String) -> Self {
        let item_proxy = Proxy::new(
            connection,
            item.clone(),
            "/StatusNotifierItem",
            "org.kde.StatusNotifierItem",
        );
        let path: zbus::zvariant::OwnedObjectPath = item_proxy
            .await
            .unwrap()
            .get_property("Menu")
            .await
            .unwrap();
        let dbusmenu = Proxy::new(connection, item, path, "com.canonical.dbusmenu");
        Self {
            dbusmenu: dbusmenu.await.unwrap(),
        }
    }

    async fn lines(&self) -> Vec<Line> {
        let (_, (_, _, children)): (u32, Layout) = self
            .dbusmenu
            .call("GetLayout", &(0_i32, -1_i32, Vec::<&str>::new()))
            .await
            .unwrap();
        children.into_iter().map(line).collect()
    }

    /// The line with this text, as soon as `wanted` holds for it.
    pub(crate) async fn line(&self, label: &str, wanted: impl Fn(&Line) -> bool) -> Line {
        let looking = async {
            loop {
                let lines = self.lines().await;
                if let Some(line) = lines.into_iter().find(|l| l.label == label && wanted(l)) {
                    return line;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        match tokio::time::timeout(SOON, looking).await {
            Ok(line) => line,
            Err(late) => panic!("{late}: no line {label:?} in {:?}", self.lines().await),
        }
    }

    pub(crate) async fn click(&self, line: &Line) {
        let () = self
            .dbusmenu
            .call("Event", &(line.id, "clicked", Value::from(0_i32), 0_u32))
            .await
            .unwrap();
    }
}

fn line(value: OwnedValue) -> Line {
    let (id, properties, _) = Layout::try_from(value).unwrap();
    let text = |name: &str| {
        properties
            .get(name)
            .and_then(|value| String::try_from(value.clone()).ok())
            .unwrap_or_default()
    };
    Line {
        id,
        label: text("label").replace("__", "_"),
        // Both are left out where they have their default.
        enabled: properties
            .get("enabled")
            .is_none_or(|v| bool::try_from(v).unwrap()),
        checked: properties
            .get("toggle-state")
            .is_some_and(|v| i32::try_from(v).unwrap() == 1),
    }
}

/// The next item that comes.
pub(crate) async fn item(coming: &mut mpsc::UnboundedReceiver<String>) -> String {
    let item = tokio::time::timeout(SOON, coming.recv()).await;
    item.expect("the tray item comes to the panel").unwrap()
}

#[tokio::test]
async fn the_toggle_in_the_tray_switches_gangway() {
    let desk = Desk::new();
    let (connection, mut coming) = panel(&desk.session).await;
    let app = desk.app(&["--tray"]);
    let menu = Menu::of(&connection, item(&mut coming).await).await;

    let toggle = menu.line("Gangway on", |line| line.checked).await;
    assert!(toggle.enabled);
    let way = format!("Through {}", desk.upstream);
    assert!(!menu.line(&way, |_| true).await.enabled);

    menu.click(&toggle).await;
    desk.status_when(|status| !status.on).await;
    let toggle = menu.line("Gangway on", |line| !line.checked).await;
    menu.line("Gangway is off", |_| true).await;

    menu.click(&toggle).await;
    desk.status_when(|status| status.on).await;
    menu.line("Gangway on", |line| line.checked).await;
    app.terminate(SOON).unwrap();
}

#[tokio::test]
async fn a_profile_is_chosen_in_the_tray() {
    // A table of the settings begins after every key that stands alone.
    let desk = Desk::with(
        "profiles = [{ name = \"office\", upstream = \"http://corp.test:1\", mode = \"manual\" }]\n",
    );
    let (connection, mut coming) = panel(&desk.session).await;
    let app = desk.app(&["--tray"]);
    let menu = Menu::of(&connection, item(&mut coming).await).await;
    menu.line("Profile by network: none", |line| line.checked)
        .await;
    let office = menu.line("Profile office", |line| !line.checked).await;
    menu.click(&office).await;
    desk.status_when(|status| status.profile.as_ref().is_some_and(|holds| holds.by_hand))
        .await;
    menu.line("Profile office", |line| line.checked).await;
    menu.line("Through http://corp.test:1", |_| true).await;
    menu.click(&menu.line("Profile by network: none", |_| true).await)
        .await;
    desk.status_when(|status| status.profile.is_none()).await;
    app.terminate(SOON).unwrap();
}

#[tokio::test]
async fn settings_opens_the_window_and_quit_ends_the_app_and_its_agent() {
    let desk = Desk::new();
    let (connection, mut coming) = panel(&desk.session).await;
    let mut app = desk.app(&["--tray"]);
    let menu = Menu::of(&connection, item(&mut coming).await).await;
    desk.status_when(|_| true).await;
    assert_eq!(windows(&desk), 0, "only the tray item was asked for");

    menu.click(&menu.line("Settings…", |_| true).await).await;
    window_appears(&desk).await;

    menu.click(&menu.line("Quit", |_| true).await).await;
    let ended = testbed::wait_for("the app ends", SOON, || app.ended()).unwrap();
    assert!(ended.success(), "{ended}");
    assert!(
        !desk
            .session
            .runtime_dir()
            .join("gangway/agent.sock")
            .exists()
    );
}

#[tokio::test]
async fn without_a_tray_the_window_opens() {
    let desk = Desk::new();
    let app = desk.app(&["--tray"]);
    window_appears(&desk).await;
    app.terminate(SOON).unwrap();
}

#[tokio::test]
async fn a_second_start_shows_the_window_of_the_first() {
    let desk = Desk::new();
    let (_connection, mut coming) = panel(&desk.session).await;
    let first = desk.app(&["--tray"]);
    item(&mut coming).await;
    desk.status_when(|_| true).await;
    assert_eq!(windows(&desk), 0);

    let mut second = desk.app(&[]);
    let ended = testbed::wait_for("the second ends", SOON, || second.ended()).unwrap();
    assert!(ended.success(), "{ended}");
    window_appears(&desk).await;
    first.terminate(SOON).unwrap();
}

pub(crate) async fn window_appears(desk: &Desk) {
    let appearing = async {
        while windows(desk) == 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let appeared = tokio::time::timeout(SOON, appearing).await;
    appeared.expect("the window appears on the display");
}

/// How many windows titled Gangway the display shows.
fn windows(desk: &Desk) -> usize {
    let mut command = desk.command("xwininfo");
    command.args(["-root", "-tree"]);
    let shown = command
        .output()
        .expect("xwininfo runs: apt-get install x11-utils");
    let tree = String::from_utf8_lossy(&shown.stdout).into_owned();
    tree.lines()
        .filter(|line| line.contains("\"Gangway\""))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|id| is_viewable(desk, id))
        .count()
}

fn is_viewable(desk: &Desk, id: &str) -> bool {
    let mut command = desk.command("xwininfo");
    let shown = command.args(["-id", id]).output().unwrap();
    String::from_utf8_lossy(&shown.stdout).contains("IsViewable")
}
