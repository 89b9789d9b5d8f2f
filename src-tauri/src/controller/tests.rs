use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::testing::{FakeAgent, asking, status, switched_off};
use crate::view::Health;

/// Remembers what it was told.
#[derive(Clone, Default)]
struct FakeDesktop {
    calls: Arc<Mutex<Vec<&'static str>>>,
    pages: Arc<Mutex<Vec<StatusPage>>>,
    trays: Arc<Mutex<Vec<TrayView>>>,
    notices: Arc<Mutex<Vec<Notice>>>,
}

impl FakeDesktop {
    fn call(&self, name: &'static str) {
        self.calls.lock().unwrap().push(name);
    }
}

impl Desktop for FakeDesktop {
    fn show_window(&self) {
        self.call("show");
    }

    fn hide_window(&self) {
        self.call("hide");
    }

    fn publish(&self, page: &StatusPage) {
        self.pages.lock().unwrap().push(page.clone());
    }

    fn notify(&self, notice: &Notice) {
        self.notices.lock().unwrap().push(notice.clone());
    }

    fn show_tray(&self, tray: &TrayView) {
        self.trays.lock().unwrap().push(tray.clone());
    }
}

/// What a desktop was told after these events.
async fn after(events: Vec<Event>) -> FakeDesktop {
    let (said, heard) = mpsc::channel(EVENTS);
    let desktop = FakeDesktop::default();
    let (pages, _) = watch::channel(StatusPage::default());
    // Its own sender is another channel's, so that the events end.
    let (own, _) = mpsc::channel(EVENTS);
    let controller = Controller::new(
        Link::<FakeAgent>::new(),
        desktop.clone(),
        own,
        pages,
        Language::En,
    );
    for event in events {
        said.try_send(event).unwrap();
    }
    drop(said);
    controller.run(heard).await;
    desktop
}

fn on() -> Event {
    Event::Status(Box::new(status()))
}

fn codes(page: &StatusPage) -> Vec<&str> {
    page.notices.iter().map(|n| n.code.as_str()).collect()
}

#[tokio::test]
async fn a_new_status_reaches_the_pages_and_the_tray() {
    let desktop = after(vec![on(), Event::Status(Box::new(switched_off()))]).await;
    let pages = desktop.pages.lock().unwrap();
    let health: Vec<Health> = pages.iter().skip(1).map(|p| p.health).collect();
    assert_eq!(health, [Health::On, Health::Off]);
    let tray = desktop.trays.lock().unwrap().last().unwrap().clone();
    assert_eq!(tray.health, Health::Off);
}

#[tokio::test]
async fn the_same_status_twice_is_told_once() {
    let desktop = after(vec![on(), on(), on()]).await;
    // The first says that the agent is starting.
    assert_eq!(desktop.pages.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn an_agent_that_is_gone_leaves_a_page_that_says_why() {
    let gone = Problem::new("agent_ended", "the agent has ended");
    let desktop = after(vec![on(), Event::Lost(gone)]).await;
    let page = desktop.pages.lock().unwrap().last().unwrap().clone();
    assert!(!page.connected && page.targets.is_empty());
    assert_eq!(codes(&page), ["agent_ended"]);
}

#[tokio::test]
async fn without_a_tray_the_window_opens_and_says_so_and_closing_it_ends_the_app() {
    let desktop = after(vec![
        Event::Tray(TrayHost::Missing),
        on(),
        Event::CloseWindow,
        Event::ShowWindow,
    ])
    .await;
    assert_eq!(*desktop.calls.lock().unwrap(), ["show"]);
    let page = desktop.pages.lock().unwrap().last().unwrap().clone();
    assert_eq!(codes(&page), ["no_tray"]);
}

#[tokio::test]
async fn with_a_tray_closing_hides_the_window() {
    let desktop = after(vec![
        Event::Tray(TrayHost::Here),
        Event::ShowWindow,
        Event::CloseWindow,
        Event::ShowWindow,
    ])
    .await;
    assert_eq!(*desktop.calls.lock().unwrap(), ["show", "hide", "show"]);
}

#[tokio::test]
async fn a_tray_that_comes_later_takes_the_notice_away() {
    let desktop = after(vec![
        Event::Tray(TrayHost::Missing),
        on(),
        Event::Tray(TrayHost::Here),
    ])
    .await;
    let page = desktop.pages.lock().unwrap().last().unwrap().clone();
    assert_eq!(codes(&page), [""; 0]);
}

#[tokio::test]
async fn the_switch_asks_the_agent_and_nothing_else() {
    let link = Link::new();
    let agent = FakeAgent::default();
    link.set(Ok(agent.clone()));
    switch(&link, false, None).await.unwrap();
    let asked = SettingsChange {
        on: Some(false),
        ..SettingsChange::default()
    };
    switch(&link, false, Some(1800)).await.unwrap();
    let paused = SettingsChange {
        off_for: Some(1800),
        ..asked.clone()
    };
    assert_eq!(*agent.changes.lock().unwrap(), [asked, paused]);
}

#[tokio::test]
async fn a_switch_that_fails_is_said_and_changes_nothing() {
    let link = Link::new();
    let refusal = Problem::new("settings_unwritable", "the settings cannot be written");
    link.set(Ok(FakeAgent {
        refuses: Some(refusal),
        ..FakeAgent::default()
    }));
    let (said, heard) = mpsc::channel(EVENTS);
    let desktop = FakeDesktop::default();
    let (pages, mut shown) = watch::channel(StatusPage::default());
    let controller = Controller::new(link, desktop, said.clone(), pages, Language::En);
    let running = tokio::spawn(controller.run(heard));
    said.send(on()).await.unwrap();
    said.send(Event::Switch(false)).await.unwrap();
    let failed = shown.wait_for(|page| codes(page) == ["settings_unwritable"]);
    let page = tokio::time::timeout(Duration::from_secs(5), failed).await;
    assert!(page.unwrap().unwrap().on);
    running.abort();
}

#[tokio::test]
async fn a_proxy_that_asks_for_a_password_is_told_once_and_again_when_it_refuses_one() {
    let asks = || Event::Status(Box::new(asking("credentials_wanted")));
    let refuses = || Event::Status(Box::new(asking("credentials_refused")));
    let desktop = after(vec![
        on(),
        asks(),
        asks(),
        refuses(),
        refuses(),
        on(),
        asks(),
    ])
    .await;
    let notices = desktop.notices.lock().unwrap();
    let bodies: Vec<&str> = notices.iter().map(|notice| notice.body.as_str()).collect();
    assert_eq!(bodies.len(), 3, "{bodies:?}");
    assert!(
        bodies
            .iter()
            .all(|body| body.contains("proxy.corp.example:3128"))
    );
    assert_ne!(bodies[0], bodies[1], "a refused password is said");
    let page = desktop.pages.lock().unwrap().last().unwrap().clone();
    assert_eq!(page.logins.len(), 1);
}
