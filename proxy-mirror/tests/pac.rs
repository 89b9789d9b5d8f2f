//! Scripts on a real web server: fetched, kept, fetched again.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at the first surprise: a panic is the report"
)]

use std::time::Duration;

use proxy_mirror::pac::{Keeper, Kept, inline_address};
use testbed::Nginx;

/// Whatever a test waits for comes within this, on a busy machine too.
const SOON: Duration = Duration::from_secs(20);

fn script(proxy: &str) -> String {
    format!("// Büro\nfunction FindProxyForURL(url, host) {{ return 'PROXY {proxy}'; }}\n")
}

/// Waits until what is kept is so.
async fn until(keeper: &Keeper, address: &str, so: impl Fn(&Kept) -> bool) -> Kept {
    let wait = async {
        loop {
            let kept = keeper.get(address, SOON).await;
            if so(&kept) {
                return kept;
            }
            // What is the same again is not told: it is looked for.
            let _ = tokio::time::timeout(Duration::from_millis(20), keeper.changed()).await;
        }
    };
    tokio::time::timeout(SOON, wait).await.unwrap()
}

fn text(kept: &Kept) -> &str {
    kept.script.as_ref().unwrap().text()
}

#[tokio::test]
async fn a_script_is_fetched_anew_when_the_server_says_it_changed_and_outlives_it() {
    let nginx = Nginx::start("").unwrap();
    nginx
        .put("proxy.pac", script("a.test:1").as_bytes())
        .unwrap();
    let (keeper, address) = (Keeper::default(), nginx.url("proxy.pac"));
    let first = until(&keeper, &address, |kept| kept.script.is_some()).await;
    assert_eq!(text(&first), script("a.test:1"));

    // It is not sent again as long as it is the same.
    keeper.renew();
    let same = until(&keeper, &address, |kept| kept.good_at > first.good_at).await;
    assert_eq!(text(&same), text(&first));
    assert_eq!(nginx.log(), ["GET /proxy.pac 200", "GET /proxy.pac 304"]);

    nginx
        .put("proxy.pac", script("b.test:22").as_bytes())
        .unwrap();
    keeper.renew();
    let changed = until(&keeper, &address, |kept| text(kept).contains("b.test")).await;
    assert_eq!(changed.error, None);

    nginx.remove("proxy.pac").unwrap();
    keeper.renew();
    let gone = until(&keeper, &address, |kept| kept.error.is_some()).await;
    assert_eq!(
        gone.error.as_deref(),
        Some("the server answers 404 Not Found")
    );
    assert_eq!(gone.script, changed.script);
    assert_eq!(gone.good_at, changed.good_at);

    drop(nginx);
    keeper.renew();
    let dead = until(&keeper, &address, |kept| kept.error != gone.error).await;
    assert_eq!(dead.script, changed.script);
}

#[tokio::test]
async fn a_script_is_read_in_the_encoding_that_it_has() {
    let (plain, said) = (
        Nginx::start("").unwrap(),
        Nginx::start("charset windows-1252; charset_types *;").unwrap(),
    );
    let text_of = script("a.test:1");
    let old: Vec<u8> = text_of.chars().map(|c| u8::try_from(c).unwrap()).collect();
    let mut marked = b"\xFF\xFE".to_vec();
    marked.extend(text_of.encode_utf16().flat_map(u16::to_le_bytes));
    for nginx in [&plain, &said] {
        for (name, bytes) in [("old.pac", &old), ("marked.pac", &marked)] {
            nginx.put(name, bytes).unwrap();
            let kept = Keeper::default().get(&nginx.url(name), SOON).await;
            assert_eq!(text(&kept), text_of, "{name}");
        }
    }
}

#[tokio::test]
async fn what_is_no_script_is_not_kept() {
    let nginx = Nginx::start("").unwrap();
    nginx.put("login.html", b"<html>Log in</html>").unwrap();
    let long = format!("{}{}", script("a.test:1"), " ".repeat(5 << 20));
    nginx.put("long.pac", long.as_bytes()).unwrap();
    for (name, why) in [
        ("login.html", "FindProxyForURL"),
        ("long.pac", "1 MiB"),
        ("none.pac", "404"),
    ] {
        let kept = Keeper::default().get(&nginx.url(name), SOON).await;
        assert_eq!(kept.script, None);
        assert!(kept.error.unwrap().contains(why), "{name}");
    }
    let nowhere = Keeper::default()
        .get("http://127.0.0.1:9/x.pac", SOON)
        .await;
    assert!(nowhere.error.is_some());
}

#[tokio::test]
async fn redirections_are_followed_to_servers_and_to_nothing_else() {
    let target = Nginx::start("").unwrap();
    target
        .put("proxy.pac", script("a.test:1").as_bytes())
        .unwrap();
    let file = target.url("proxy.pac");
    for (line, works) in [
        (format!("return 302 {file};"), true),
        ("return 302 file:///etc/hostname;".to_owned(), false),
        ("return 302 $uri;".to_owned(), false),
        ("return 302 gopher://a.test/;".to_owned(), false),
    ] {
        let nginx = Nginx::start(&line).unwrap();
        let kept = Keeper::default().get(&nginx.url("x.pac"), SOON).await;
        assert_eq!(kept.script.is_some(), works, "{line}: {:?}", kept.error);
    }
}

#[tokio::test]
async fn a_script_that_stands_in_its_address_is_had_and_one_that_is_none_refused() {
    let keeper = Keeper::default();
    let good = inline_address(&script("a.test:1"));
    let kept = keeper.get(&good, SOON).await;
    assert_eq!(text(&kept), script("a.test:1"));
    let long = inline_address(&script(&"x".repeat(1 << 20)));
    for (address, why) in [
        ("data:;base64,***", "data:"),
        ("data:,<html>", "FindProxyForURL"),
        (long.as_str(), "1 MiB"),
    ] {
        let error = keeper.get(address, SOON).await.error.unwrap();
        assert!(error.contains(why), "{error}");
    }
}
