//! `gangway login` and `logout`: passwords go to the keychain and nowhere else.

use proxy_engine::config::Upstream;
use proxy_mirror::agent::Reached;
use proxy_mirror::control::{Door, Problem, StoreCredentials};
use proxy_mirror::settings;
use secrecy::ExposeSecret;

use super::reach;
use crate::exit::{Exit, Failure};
use crate::output::{Output, plain};
use crate::words::Words;
use crate::{ask, invalid};

/// Stores a password, asked for without echo or read from standard input.
pub(super) async fn login(
    upstream: Option<String>,
    user: Option<String>,
    output: Output,
    words: Words,
) -> Result<Exit, Failure> {
    let door = reach().await?;
    // `host:port` alone says nothing of how it is spoken to.
    let is_bare = upstream.as_ref().is_some_and(|url| !url.contains("://"));
    let upstream = which(upstream, &door, "login http://ann@proxy.corp:3128").await?;
    let authority = upstream.authority();
    let user = match user.or_else(|| upstream.user().map(str::to_owned)) {
        Some(user) => user,
        None => ask::line(&words.with("cli_login_user", &[("upstream", &authority)])).await?,
    };
    if user.is_empty() {
        return Err(Failure::usage(
            "user_empty",
            "no user was given: write `gangway login --user NAME`",
        ));
    }
    let prompt = words.with(
        "cli_login_password",
        &[("user", &user), ("upstream", &authority)],
    );
    let password = ask::password(&prompt).await?;
    door.store_credentials(StoreCredentials {
        authority: authority.clone(),
        scheme: (!is_bare).then(|| upstream.scheme().as_str().to_owned()),
        user: user.clone(),
        password: password.expose_secret().to_owned(),
    })
    .await?;
    let name = format!("{user}@{authority}");
    say("cli_login_done", &name, &door, output, words).await
}

/// Forgets a password.
pub(super) async fn logout(
    upstream: Option<String>,
    output: Output,
    words: Words,
) -> Result<Exit, Failure> {
    let door = reach().await?;
    let upstream = which(upstream, &door, "logout http://proxy.corp:3128").await?;
    let authority = upstream.authority();
    door.forget_credentials(&authority).await?;
    say("cli_logout_done", &authority, &door, output, words).await
}

async fn say(
    key: &str,
    name: &str,
    door: &Reached,
    output: Output,
    words: Words,
) -> Result<Exit, Failure> {
    if output.is_json() {
        output.json(&door.settings().await?);
    }
    output.line(&plain(&words.with(key, &[("name", name)])));
    Ok(Exit::Ok)
}

/// The upstream that was named, or the one in use, or the one in the settings; without any, what to
/// type.
async fn which(named: Option<String>, door: &Reached, example: &str) -> Result<Upstream, Failure> {
    if let Some(url) = named {
        return settings::upstream(&url).map_err(|error| invalid("upstream", error));
    }
    let settings = door.settings().await?;
    let url = match settings.upstream.as_str() {
        "" => door.status().await?.policy.upstreams.into_iter().next(),
        written => Some(written.to_owned()),
    };
    let Some(url) = url else {
        let message = format!("no upstream is in use: name one, as in `gangway {example}`");
        return Err(Failure {
            exit: Exit::Usage,
            problem: Problem::new("upstream_not_named", message).with("example", example),
        });
    };
    settings::upstream(&url).map_err(|error| invalid("upstream", error))
}
