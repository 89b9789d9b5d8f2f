//! Notifications of the desktop (Desktop Notifications Specification, `org.freedesktop.Notifications`).

use std::collections::HashMap;

use futures_util::StreamExt;
use tokio::sync::mpsc;
use zbus::zvariant::Value;

use crate::controller::Event;
use crate::desktop::Notice;

/// The action of a click on the notification itself.
const CLICK: &str = "default";

#[zbus::proxy(
    interface = "org.freedesktop.Notifications",
    default_service = "org.freedesktop.Notifications",
    default_path = "/org/freedesktop/Notifications"
)]
trait Notifications {
    #[expect(clippy::too_many_arguments, reason = "the specification's")]
    fn notify(
        &self,
        app_name: &str,
        replaces_id: u32,
        app_icon: &str,
        summary: &str,
        body: &str,
        actions: &[&str],
        hints: HashMap<&str, Value<'_>>,
        expire_timeout: i32,
    ) -> zbus::Result<u32>;

    #[zbus(signal)]
    fn action_invoked(&self, id: u32, action_key: String) -> zbus::Result<()>;
}

/// Shows what comes, each in the place of the one before; a click opens the window. Where no desktop
/// shows notifications, the tray and the window say the same.
pub async fn show(mut notices: mpsc::Receiver<Notice>, controller: mpsc::Sender<Event>) {
    while let Some(notice) = notices.recv().await {
        if let Err(error) = shown(notice, &mut notices, &controller).await {
            tracing::info!(%error, "a notification was not shown");
        }
    }
}

/// Shows one, and those that follow it, until the bus is gone.
async fn shown(
    first: Notice,
    notices: &mut mpsc::Receiver<Notice>,
    controller: &mpsc::Sender<Event>,
) -> zbus::Result<()> {
    let bus = zbus::Connection::session().await?;
    let desktop = NotificationsProxy::new(&bus).await?;
    let mut clicks = desktop.receive_action_invoked().await?;
    let mut id = put(&desktop, &first, 0).await?;
    loop {
        tokio::select! {
            notice = notices.recv() => match notice {
                Some(notice) => id = put(&desktop, &notice, id).await?,
                None => return Ok(()),
            },
            click = clicks.next() => match click {
                Some(click) if click.args()?.id == id => {
                    // The controller only ever ends with the app.
                    let _ = controller.send(Event::ShowWindow).await;
                }
                Some(_) => {}
                None => return Ok(()),
            },
        }
    }
}

async fn put(desktop: &NotificationsProxy<'_>, notice: &Notice, before: u32) -> zbus::Result<u32> {
    let actions = [CLICK, notice.action.as_str()];
    let hints = HashMap::from([("desktop-entry", Value::from("gangway"))]);
    let Notice { title, body, .. } = notice;
    desktop
        .notify(
            "Gangway", before, "gangway", title, body, &actions, hints, -1,
        )
        .await
}
