//! An `off` that ends by itself.

use std::time::Duration;

use super::*;

#[test]
fn a_pause_ends_by_itself_and_is_over_with_any_other_mode() {
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    let paused = Settings {
        mode: Mode::Off,
        resume: Mode::Manual,
        upstream: Some("http://proxy.test:1".parse().unwrap()),
        off_until: Some(1000),
        ..Settings::default()
    };
    assert_eq!(paused.clone().at(at(999)), paused);
    let over = paused.clone().at(at(1000));
    assert_eq!((over.mode, over.off_until), (Mode::Manual, None));
    let first = Settings {
        resume: Mode::Off,
        ..paused.clone()
    };
    assert_eq!(first.at(at(1000)).mode, Mode::System);
    let forever = Settings {
        off_until: None,
        ..paused.clone()
    };
    assert_eq!(forever.clone().at(at(u64::from(u32::MAX))), forever);

    let asked = |edit: &dyn Fn(&mut SettingsChange)| {
        let mut asked = SettingsChange::default();
        edit(&mut asked);
        change(&paused, &asked).map(|changed| changed.settings)
    };
    let page = asked(&|change| change.mode = Some(Mode::Off)).unwrap();
    assert_eq!(page.off_until, Some(1000), "the page found it so");
    let off = asked(&|change| change.on = Some(false)).unwrap();
    assert_eq!((off.mode, off.off_until), (Mode::Off, None));
    let on = asked(&|change| change.on = Some(true)).unwrap();
    assert_eq!((on.mode, on.off_until), (Mode::Manual, None));
    for (seconds, refused) in [(59, true), (60, false), (604_800, false), (604_801, true)] {
        let paused = asked(&|change| {
            change.on = Some(false);
            change.off_for = Some(seconds);
        });
        assert_eq!(paused.is_err(), refused, "{seconds}");
    }
}
