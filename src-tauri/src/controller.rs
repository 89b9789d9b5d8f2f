//! What the app does, knowing no toolkit: events in, and calls of a [`Desktop`] out.

use proxy_mirror::control::{Door, LoginWanted, Problem, SettingsChange, Status};
use proxy_mirror::messages::{Catalogue, Language};
use tokio::sync::{mpsc, watch};

use crate::desktop::{Desktop, Notice};
use crate::link::Link;
use crate::tray::TrayView;
use crate::view::StatusPage;

/// What happens to the app.
#[derive(Debug)]
pub enum Event {
    /// The agent has a new status.
    Status(Box<Status>),
    /// The agent is gone, or cannot be reached.
    Lost(Problem),
    /// The user switched Gangway on or off.
    Switch(bool),
    /// The user wants everything direct for half an hour.
    Pause,
    /// The user chose a profile by its name, or that the network decides.
    Profile(String),
    /// What the user asked for did not work.
    Failed(Problem),
    /// The user wants the window: from the tray, or by starting the app again.
    ShowWindow,
    /// The user closed the window.
    CloseWindow,
    /// Whether a tray shows our item.
    Tray(TrayHost),
    /// The window speaks another language now; so does the tray.
    Language(Language),
    /// The user has had enough.
    Quit,
}

/// Whether the desktop has a place for our tray item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrayHost {
    /// It is not known yet.
    Unknown,
    /// The item is shown.
    Here,
    /// There is none (plain GNOME, no session bus): the window is all there is.
    Missing,
}

/// In seconds.
const HALF_AN_HOUR: u32 = 1800;

/// Room for this many events; who is faster waits.
pub const EVENTS: usize = 64;

/// The app's state. See [`Controller::run`].
pub struct Controller<A, D> {
    link: Link<A>,
    desktop: D,
    events: mpsc::Sender<Event>,
    pages: watch::Sender<StatusPage>,
    status: Result<Status, Problem>,
    failure: Option<Problem>,
    tray: TrayHost,
    language: Language,
    /// Whom the user was told to log in to.
    told: Option<LoginWanted>,
}

impl<A: Door + Clone + 'static, D: Desktop> Controller<A, D> {
    /// A controller that asks the agent behind `link`, and hears of the answers through `events`;
    /// `pages` holds what the pages show, for a page that has just loaded.
    pub fn new(
        link: Link<A>,
        desktop: D,
        events: mpsc::Sender<Event>,
        pages: watch::Sender<StatusPage>,
        language: Language,
    ) -> Self {
        Self {
            link,
            desktop,
            events,
            pages,
            status: Err(Problem::new("agent_starting", "the agent is starting")),
            failure: None,
            tray: TrayHost::Unknown,
            language,
            told: None,
        }
    }

    /// Handles events until the user quits, or nobody can send any more: then the app ends.
    pub async fn run(mut self, mut events: mpsc::Receiver<Event>) {
        self.show();
        while let Some(event) = events.recv().await {
            if self.handle(event).is_break() {
                return;
            }
        }
    }

    fn handle(&mut self, event: Event) -> std::ops::ControlFlow<()> {
        use std::ops::ControlFlow::{Break, Continue};
        match event {
            Event::Status(status) => {
                self.tell_of_login(status.login_wanted());
                self.status = Ok(*status);
            }
            Event::Lost(problem) => self.status = Err(problem),
            Event::Switch(on) => {
                self.failure = None;
                self.change(switched(on, None));
            }
            Event::Pause => {
                self.failure = None;
                self.change(switched(false, Some(HALF_AN_HOUR)));
            }
            Event::Profile(name) => {
                self.failure = None;
                self.change(SettingsChange {
                    profile: Some(name),
                    ..SettingsChange::default()
                });
            }
            Event::Failed(problem) => self.failure = Some(problem),
            Event::ShowWindow => self.desktop.show_window(),
            Event::CloseWindow if self.tray == TrayHost::Here => self.desktop.hide_window(),
            Event::CloseWindow | Event::Quit => return Break(()),
            Event::Tray(host) => {
                self.tray = host;
                if host == TrayHost::Missing {
                    self.desktop.show_window();
                }
            }
            Event::Language(language) => self.language = language,
        }
        self.show();
        Continue(())
    }

    /// Once for each proxy that asks, and once more when it refuses what it was sent: a status comes
    /// with every connection.
    fn tell_of_login(&mut self, wanted: Option<LoginWanted>) {
        if let Some(wanted) = &wanted
            && self.told.as_ref() != Some(wanted)
        {
            let words = Catalogue::of(self.language);
            let say = |key| words.text(key, &[("authority", &wanted.authority)]);
            self.desktop.notify(&Notice {
                title: say("login_title"),
                body: say(if wanted.refused {
                    "login_refused"
                } else {
                    "login_wanted"
                }),
                action: say("action_log_in"),
            });
        }
        self.told = wanted;
    }

    /// Beside the loop: an agent that takes its time must not hold up the menu.
    fn change(&self, change: SettingsChange) {
        let (link, events) = (self.link.clone(), self.events.clone());
        tokio::spawn(async move {
            if let Err(problem) = ask(&link, change).await {
                // Nobody listens any more: the app is ending, and the failure with it.
                let _ = events.send(Event::Failed(problem)).await;
            }
        });
    }

    fn show(&self) {
        self.desktop
            .show_tray(&TrayView::of(self.status.as_ref(), self.language));
        let page = self.page();
        let changed = self.pages.send_if_modified(|shown| {
            let changed = *shown != page;
            shown.clone_from(&page);
            changed
        });
        if changed {
            self.desktop.publish(&page);
        }
    }

    fn page(&self) -> StatusPage {
        let mut page = match &self.status {
            Ok(status) => StatusPage::from(status.clone()),
            Err(problem) => StatusPage {
                notices: vec![problem.clone().into()],
                ..StatusPage::default()
            },
        };
        if self.tray == TrayHost::Missing {
            page.notices.push(no_tray().into());
        }
        if let Some(failure) = &self.failure {
            page.notices.insert(0, failure.clone().into());
        }
        page
    }
}

/// A change of the settings, asked of the agent.
async fn ask<A: Door + Clone>(link: &Link<A>, change: SettingsChange) -> Result<(), Problem> {
    link.agent()?.change_settings(change).await.map(drop)
}

/// Switches Gangway on (to the last mode that was not `off`) or off, for so many seconds or until it
/// is switched on.
///
/// # Errors
/// The agent's [`Problem`].
pub async fn switch<A: Door + Clone>(
    link: &Link<A>,
    on: bool,
    off_for: Option<u32>,
) -> Result<(), Problem> {
    ask(link, switched(on, off_for)).await
}

fn switched(on: bool, off_for: Option<u32>) -> SettingsChange {
    SettingsChange {
        on: Some(on),
        off_for,
        ..SettingsChange::default()
    }
}

fn no_tray() -> Problem {
    Problem::new(
        "no_tray",
        "This desktop shows no tray icons, so Gangway lives in this window. Closing it ends Gangway's \
         window; on GNOME, the AppIndicator extension brings the icon.",
    )
}

#[cfg(test)]
mod tests;
