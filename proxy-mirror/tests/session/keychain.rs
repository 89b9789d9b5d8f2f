//! Against a real `gnome-keyring`.

use proxy_mirror::secret::{Keychain, KeychainError};
use secrecy::ExposeSecret;

use crate::inside::{headless, inside, with_bus};

const HOST: &str = "proxy.corp:3128";

#[tokio::test]
async fn a_password_is_kept_replaced_and_forgotten() {
    if !inside(
        "keychain::a_password_is_kept_replaced_and_forgotten",
        with_bus,
        |_| {},
    ) {
        return;
    }
    let keychain = Keychain::new();
    keychain.available().await.unwrap();
    assert!(keychain.get("ann", HOST).await.unwrap().is_none());
    for password in ["first", "s p\u{e9}\u{3042}\"\\\n'$"] {
        keychain.store("ann", HOST, password.into()).await.unwrap();
        let kept = keychain.get("ann", HOST).await.unwrap().unwrap();
        assert_eq!(kept.expose_secret(), password);
    }
    // Another user of the same proxy, and the same user of another, have their own.
    assert!(keychain.get("bob", HOST).await.unwrap().is_none());
    assert!(
        keychain
            .get("ann", "proxy.corp:3129")
            .await
            .unwrap()
            .is_none()
    );
    let upstream = "http://ann@proxy.corp:3128".parse().unwrap();
    assert!(keychain.get_for(&upstream).await.unwrap().is_some());
    assert!(keychain.remove("ann", HOST).await.unwrap());
    assert!(!keychain.remove("ann", HOST).await.unwrap());
    assert!(keychain.get("ann", HOST).await.unwrap().is_none());
}

#[tokio::test]
async fn without_a_keychain_it_says_what_to_start() {
    if !inside(
        "keychain::without_a_keychain_it_says_what_to_start",
        headless,
        |command| {
            // The machine's own bus must not answer in its place.
            command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus");
        },
    ) {
        return;
    }
    let keychain = Keychain::new();
    let error = keychain.get("ann", HOST).await.unwrap_err();
    assert!(matches!(error, KeychainError::Absent { .. }), "{error:?}");
    assert!(error.to_string().contains("GNOME Keyring"), "{error}");
    let error = keychain
        .store("ann", HOST, "s3cret".into())
        .await
        .unwrap_err();
    assert!(!format!("{error:?} {error}").contains("s3cret"));
}

#[tokio::test]
async fn an_account_that_could_be_another_line_is_refused() {
    for (user, authority) in [("", HOST), ("ann", ""), ("a\nb", HOST), ("a\0", HOST)] {
        let error = Keychain::new().get(user, authority).await.unwrap_err();
        assert!(matches!(error, KeychainError::Account { .. }), "{error:?}");
    }
}
