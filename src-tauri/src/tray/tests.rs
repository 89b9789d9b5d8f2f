use proxy_mirror::control::{Problem, ProfileView};

use super::*;
use crate::testing::{asking, status, switched_off};

fn words(view: &TrayView) -> Vec<String> {
    view.menu
        .iter()
        .map(|item| match item {
            Item::Words(words) => format!("({words})"),
            Item::Separator => "-".into(),
            Item::Switch { label, on, enabled } => format!(
                "[{}] {label}{}",
                if *on { "x" } else { " " },
                if *enabled { "" } else { " (dim)" }
            ),
            Item::Profiles { choices, chosen } => {
                let lines = choices.iter().enumerate().map(|(at, (label, name))| {
                    let mark = if at == *chosen { "o" } else { " " };
                    format!("({mark}) {label} = {name}")
                });
                lines.collect::<Vec<_>>().join("; ")
            }
            Item::Pause(label) | Item::LogIn(label) | Item::Settings(label) | Item::Quit(label) => {
                label.clone()
            }
        })
        .collect()
}

#[test]
fn the_menu_says_the_state_the_switch_and_the_way() {
    let view = TrayView::of(Ok(&status()), Language::En);
    assert_eq!(
        words(&view),
        [
            "(Gangway is on)",
            "[x] Gangway on",
            "Direct for 30 minutes",
            "(Through http://proxy.corp.example:3128)",
            "-",
            "Settings…",
            "Quit"
        ]
    );
    assert_eq!(view.health, Health::On);
}

#[test]
fn profiles_are_lines_of_which_one_is_chosen() {
    let holds = |name: &str, by_hand| {
        Some(ProfileView {
            name: name.into(),
            by_hand,
        })
    };
    for (profile, wanted) in [
        (
            None,
            "(o) Profile by network: none = auto; ( ) Profile home = home; ( ) Profile office = office",
        ),
        (
            holds("office", false),
            "(o) Profile by network: office = auto; ( ) Profile home = home; ( ) Profile office = office",
        ),
        (
            holds("office", true),
            "( ) Profile by network: none = auto; ( ) Profile home = home; (o) Profile office = office",
        ),
    ] {
        let status = Status {
            profile,
            profiles: vec!["home".into(), "office".into()],
            ..status()
        };
        let words = words(&TrayView::of(Ok(&status), Language::En));
        assert!(words.contains(&wanted.to_owned()), "{words:?}");
    }
}

#[test]
fn off_says_that_everything_goes_direct() {
    let view = TrayView::of(Ok(&switched_off()), Language::En);
    assert_eq!(
        words(&view)[..3],
        [
            "(Gangway is off)",
            "[ ] Gangway on",
            "(Everything goes direct)"
        ]
    );
    assert_eq!(view.health, Health::Off);
}

#[test]
fn without_an_agent_the_switch_is_dim_and_quitting_still_works() {
    let gone = Problem::new("agent_ended", "gone");
    let view = TrayView::of(Err(&gone), Language::En);
    assert_eq!(
        words(&view),
        [
            "(Gangway's agent does not answer)",
            "[ ] Gangway on (dim)",
            "-",
            "Settings…",
            "Quit"
        ]
    );
    assert_eq!(view.health, Health::Problem);
}

#[test]
fn the_menu_speaks_japanese() {
    let view = TrayView::of(Ok(&status()), Language::Ja);
    assert_eq!(words(&view)[0], "(Gangway はオンです)");
}

#[test]
fn each_state_has_an_icon_of_its_own_shape() {
    // Alpha alone: the shape, without any colour.
    let shapes = [Health::On, Health::Off, Health::Problem].map(|health| {
        let icon = icon::of(health);
        assert_eq!((icon.width(), icon.height()), (64, 64));
        icon.rgba()
            .iter()
            .skip(3)
            .step_by(4)
            .map(|alpha| *alpha > 127)
            .collect::<Vec<_>>()
    });
    let differ = |a: &[bool], b: &[bool]| a.iter().zip(b).filter(|(a, b)| a != b).count();
    assert!(differ(&shapes[0], &shapes[1]) > 150);
    assert!(differ(&shapes[0], &shapes[2]) > 150);
    assert!(differ(&shapes[1], &shapes[2]) > 150);
}

#[test]
fn a_proxy_that_asks_for_a_password_is_a_line_of_the_menu() {
    let view = TrayView::of(Ok(&asking("credentials_wanted")), Language::En);
    let wanted = "Log in to proxy.corp.example:3128…".to_owned();
    assert!(words(&view).contains(&wanted), "{:?}", words(&view));
    assert!(!words(&TrayView::of(Ok(&status()), Language::En)).contains(&wanted));
}
