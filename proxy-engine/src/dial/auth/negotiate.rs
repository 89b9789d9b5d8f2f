//! Tokens for Negotiate (RFC 4559): of the user's ticket, or of a password that the KDC gives a
//! ticket for.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::sync::{Mutex, Semaphore};

use super::gss::{Cred, GssError};
use super::tickets::Ticket;
use super::{Attempt, spnego};

/// A KDC that cannot be reached in this time is given up.
const PATIENCE: Duration = Duration::from_secs(15);
/// Tokens that are made at once, each on a thread of its own: the library waits for the KDC.
static ROOM: Semaphore = Semaphore::const_new(8);

/// What the KDC gave for one user's password; made when it is first needed, and anew when it is too
/// old.
#[derive(Debug, Default)]
pub(super) struct Kerberos(Mutex<Option<Arc<Cred>>>);

/// The ticket that this process's user has now, and which one it is.
///
/// # Errors
/// [`GssError::Unusable`].
pub(super) async fn ticket() -> Result<(Cred, Ticket), GssError> {
    apart(|| {
        let cred = Cred::of_tickets()?;
        let ticket = cred.ticket();
        Ok((cred, ticket))
    })
    .await
}

/// A token of that ticket.
///
/// # Errors
/// [`GssError::Unusable`].
pub(super) async fn of_ticket(cred: Cred, host: &str) -> Result<Vec<u8>, GssError> {
    let host = host.to_owned();
    let made = apart(move || cred.token(&host)).await?;
    Ok(spnego::wrap(&made))
}

/// A token for the password. The right to try it is held by the caller: the KDC counts tries.
///
/// # Errors
/// See [`GssError`].
pub(super) async fn of_password(attempt: &Attempt, host: &str) -> Result<Vec<u8>, GssError> {
    let mut kept = attempt.kerberos().0.lock().await;
    if let Some(cred) = kept.clone() {
        let host = host.to_owned();
        if let Ok(token) = apart(move || cred.token(&host)).await {
            return Ok(spnego::wrap(&token));
        }
    }
    let (user, host) = (principal(attempt.user()), host.to_owned());
    let password = attempt.password().clone();
    let (cred, token) = apart(move || {
        let cred = Cred::of_password(&user, password.expose_secret())?;
        let token = cred.token(&host)?;
        Ok((cred, token))
    })
    .await?;
    *kept = Some(Arc::new(cred));
    Ok(spnego::wrap(&token))
}

/// As Kerberos names a user: `user@REALM`, or in the machine's own realm. A domain of Windows
/// before it is not the realm's name.
fn principal(user: &str) -> String {
    let user = user.split_once('\\').map_or(user, |(_, user)| user);
    match user.rsplit_once('@') {
        Some((name, realm)) => format!("{name}@{}", realm.to_uppercase()),
        None => user.to_owned(),
    }
}

async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, GssError> + Send + 'static,
) -> Result<T, GssError> {
    let late = || GssError::Unusable("Kerberos did not answer in time".into());
    let done = async {
        // It is never closed.
        let place = ROOM.acquire().await.map_err(|_| late())?;
        let task = tokio::task::spawn_blocking(move || {
            // Kept as long as the thread: also where nobody waits any more.
            let _place = place;
            work()
        });
        task.await.unwrap_or_else(|_| Err(late()))
    };
    tokio::time::timeout(PATIENCE, done)
        .await
        .unwrap_or_else(|_| Err(late()))
}

#[cfg(test)]
mod tests {
    use super::principal;

    #[test]
    fn a_user_is_named_as_kerberos_has_it() {
        for (user, named) in [
            ("anna", "anna"),
            ("CORP\\anna", "anna"),
            ("anna@corp.test", "anna@CORP.TEST"),
        ] {
            assert_eq!(principal(user), named);
        }
    }
}
