//! The window, driven as a person would, over WebDriver.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use fantoccini::elements::Element;
use fantoccini::error::NewSessionError;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use proxy_mirror::target::TargetState;
use testbed::Child;

use crate::desk::{APP, Desk, SOON};

/// The app's window under WebKit's own driver.
pub(crate) struct Window {
    page: Client,
    driver: Child,
}

impl Window {
    async fn open(desk: &Desk, language: &str) -> Self {
        let this = Self::open_by(Self::driver(desk, language)).await;
        // A page answers its driver behind a hidden window, too; but it is not drawn, and a
        // picture of it never comes.
        crate::tray::window_appears(desk).await;
        this
    }

    /// The driver that will start the app: what it is given, the app is given.
    pub(crate) fn driver(desk: &Desk, language: &str) -> Command {
        let mut command = desk.command("WebKitWebDriver");
        command
            .arg("--host=127.0.0.1")
            .env("TAURI_WEBVIEW_AUTOMATION", "true")
            .env("LANGUAGE", language);
        command
    }

    pub(crate) async fn open_by(mut driver: Command) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        driver.arg(format!("--port={port}"));
        let driver = Child::spawn(driver)
            .expect("WebKitWebDriver starts: apt-get install webkit2gtk-driver");
        let options = serde_json::json!({ "binary": APP, "args": [] });
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(
            [("webkitgtk:browserOptions".to_owned(), options)]
                .into_iter()
                .collect(),
        );
        let url = format!("http://127.0.0.1:{port}");
        let connecting = async {
            loop {
                match builder.connect(&url).await {
                    Ok(page) => return page,
                    // The driver does not listen yet.
                    Err(NewSessionError::FailedC(_) | NewSessionError::Lost(_)) => {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                    Err(error) => panic!("the window cannot be driven: {error}"),
                }
            }
        };
        let page = tokio::time::timeout(SOON, connecting).await.unwrap();
        Self { page, driver }
    }

    async fn find(&self, css: &str) -> Element {
        self.page
            .wait()
            .at_most(SOON)
            .for_element(Locator::Css(css))
            .await
            .unwrap_or_else(|error| panic!("no `{css}` in the window: {error}"))
    }

    pub(crate) async fn click(&self, css: &str) {
        self.find(css).await.click().await.unwrap();
    }

    /// Types this in place of what stands in the field.
    pub(crate) async fn fill(&self, css: &str, text: &str) {
        let field = self.find(css).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Waits until the page says all of these.
    pub(crate) async fn says(&self, words: &[&str]) {
        let reading = async {
            loop {
                let text = self.find("body").await.text().await.unwrap_or_default();
                if words.iter().all(|word| text.contains(word)) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        if tokio::time::timeout(SOON, reading).await.is_err() {
            let text = self.find("body").await.text().await.unwrap_or_default();
            panic!("the page does not say {words:?}, but:\n{text}");
        }
    }

    /// Keeps the picture of the window, and checks that something is drawn on it.
    async fn picture(&self, name: &str) {
        let drawn = tokio::time::timeout(SOON, self.page.screenshot()).await;
        let png = drawn.expect("the window is drawn").unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/out");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), &png).unwrap();
        let image = image::load_from_memory(&png).unwrap().to_rgb8();
        assert!(image.width() >= 600 && image.height() >= 400, "{name}");
        let mut colours = std::collections::HashMap::<[u8; 3], usize>::new();
        for pixel in image.pixels() {
            *colours.entry(pixel.0).or_default() += 1;
        }
        let commonest = colours.values().max().copied().unwrap_or_default();
        let all = image.pixels().len();
        assert!(colours.len() > 60, "{name}: {} colours", colours.len());
        assert!(commonest * 100 < all * 95, "{name} is blank");
    }

    pub(crate) async fn close(self) {
        // The session's end ends the app; the driver goes with its handle.
        let _ = self.page.close().await;
        self.driver.kill();
    }
}

#[tokio::test]
async fn the_window_shows_the_way_from_the_source_to_the_upstream() {
    let desk = Desk::new();
    let window = Window::open(&desk, "en").await;
    window.find("[data-source=environment]").await;
    window
        .says(&[
            "Gangway",
            "Where it is set",
            "Environment",
            "Followed",
            "Engine",
            "Runs inside the agent",
            "Sends on to",
            &desk.upstream,
            "Who is told",
            "Docker",
        ])
        .await;
    window
        .find("[data-from=carries][data-source=environment]")
        .await;
    window.picture("status.png").await;
    window.close().await;
}

#[tokio::test]
async fn the_window_opens_beside_a_panel_that_shows_the_tray_item() {
    let desk = Desk::new();
    let (_panel, _items) = crate::tray::panel(&desk.session).await;
    let window = Window::open(&desk, "en").await;
    window.says(&["Engine", &desk.upstream]).await;
    window.close().await;
}

#[tokio::test]
async fn without_a_panel_the_window_says_that_there_is_no_tray() {
    let desk = Desk::new();
    let window = Window::open(&desk, "en").await;
    window.says(&["This desktop shows no tray icons"]).await;
    window.close().await;
}

#[tokio::test]
async fn the_mode_chosen_in_the_window_is_the_agents() {
    let desk = Desk::new();
    let window = Window::open(&desk, "en").await;
    desk.status_when(|status| status.on).await;
    window.click("nav button:nth-child(2)").await;
    window.click("input[name=mode][value=off]").await;
    window.picture("settings.png").await;
    window.click("#save").await;
    let status = desk.status_when(|status| !status.on).await;
    assert_eq!(status.mode, proxy_mirror::settings::Mode::Off);
    window.says(&["Saved", "Switched off"]).await;
    window.click("#switch").await;
    desk.status_when(|status| status.on).await;
    window.find("#switch[aria-checked=true]").await;
    window.close().await;
}

#[tokio::test]
async fn what_a_restart_of_docker_may_do_is_chosen_in_the_window() {
    let desk = Desk::new();
    let window = Window::open(&desk, "en").await;
    desk.status_when(|status| status.on).await;
    window.click("nav button:nth-child(2)").await;
    window.click("#live-restore").await;
    window.fill("#leave-alone", "docker-cli").await;
    window.picture("settings-docker.png").await;
    window.click("#save").await;
    let left = desk
        .status_when(|status| {
            let mut targets = status.targets.iter();
            targets
                .any(|target| target.id.0 == "docker-cli" && target.state == TargetState::Untouched)
        })
        .await;
    assert!(left.on);
    window.click("nav button:nth-child(1)").await;
    window.click("#pause").await;
    let paused = desk.status_when(|status| status.off_until.is_some()).await;
    assert!(!paused.on);
    window.says(&["Off until "]).await;
    window.picture("paused.png").await;
    window.click("#switch").await;
    desk.status_when(|status| status.on && status.off_until.is_none())
        .await;
    window.close().await;
}

#[tokio::test]
async fn a_profile_is_chosen_in_the_window() {
    let profiles = "profiles = [{ name = \"home\" }, { name = \"office\", mode = \"manual\", \
                    upstream = \"http://corp.test:1\" }]\n";
    let desk = Desk::with(profiles);
    let window = Window::open(&desk, "en").await;
    let select = window.find("#profile").await;
    select.select_by_value("office").await.unwrap();
    desk.status_when(|status| {
        let holds = status.profile.as_ref();
        holds.is_some_and(|holds| holds.by_hand && holds.name == "office")
    })
    .await;
    window.says(&["http://corp.test:1"]).await;
    window.picture("profile.png").await;
    // Nothing of the page is beside the window.
    let wide = "return document.documentElement.scrollWidth <= window.innerWidth";
    let fits = window.page.execute(wide, Vec::new()).await.unwrap();
    assert_eq!(fits, true);
    select.select_by_value("auto").await.unwrap();
    desk.status_when(|status| status.profile.is_none()).await;
    window.close().await;
}

#[tokio::test]
async fn the_window_says_why_the_upstream_lets_nothing_through() {
    let desk = Desk::new();
    let window = Window::open(&desk, "en").await;
    let listens = |status: &proxy_mirror::control::Status| !status.engine.listening.is_empty();
    desk.status_when(listens).await;
    desk.is_refused();
    window.says(&["answered 403 Forbidden to CONNECT"]).await;
    window.close().await;
}

#[tokio::test]
async fn a_wrong_proxy_is_refused_beside_its_field_and_nothing_is_saved() {
    let desk = Desk::new();
    let window = Window::open(&desk, "en").await;
    let before = desk.status_when(|status| status.on).await;
    window.click("nav button:nth-child(2)").await;
    window.click("input[name=mode][value=manual]").await;
    let proxy = window.find("#upstream").await;
    proxy
        .send_keys("ftp://proxy.corp.example:21")
        .await
        .unwrap();
    window.click("#save").await;
    window.find("#upstream[aria-invalid=true]").await;
    let problem = window.find("#upstream-hint [role=alert]").await;
    assert!(problem.text().await.unwrap().contains("ftp"));
    let after = desk.status_when(|_| true).await;
    assert_eq!(after.mode, before.mode);
    window.close().await;
}

#[tokio::test]
async fn the_window_speaks_japanese_when_asked_to() {
    let desk = Desk::new();
    let window = Window::open(&desk, "en").await;
    window.click("select option[value=ja]").await;
    window.says(&["設定元", "エンジン", "設定先"]).await;
    window.picture("status-ja.png").await;
    window.close().await;
}

#[tokio::test]
async fn the_plan_is_shown_before_anything_is_applied() {
    let desk = Desk::mirroring();
    let docker = desk.session.home().join(".docker/config.json");
    std::fs::create_dir_all(docker.parent().unwrap()).unwrap();
    std::fs::write(&docker, "{}\n").unwrap();
    let window = Window::open(&desk, "en").await;
    window.click("#plan").await;
    window
        .says(&["What Gangway would change", "httpProxy"])
        .await;
    window.picture("plan.png").await;
    assert_eq!(std::fs::read_to_string(&docker).unwrap(), "{}\n");
    window.click("#apply").await;
    window.says(&["Applied 1 steps"]).await;
    let written = std::fs::read_to_string(&docker).unwrap();
    assert!(written.contains("proxy.corp.example"), "{written}");
    window.close().await;
}
