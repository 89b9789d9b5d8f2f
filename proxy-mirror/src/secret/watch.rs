//! Notice that the keychain may hold something else now.

use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use zbus::message::Type;
use zbus::{Connection, MatchRule, MessageStream};

/// A session without a bus, or one that has gone, is looked for again after this.
const AGAIN: Duration = Duration::from_secs(15);

/// Yields whenever an item of the Secret Service came, went or changed (Secret Service API,
/// `org.freedesktop.Secret.Collection`); whose it was is not told. What its prompts tell is not
/// heard: one that was dismissed would be shown again at once.
pub(crate) fn changes() -> impl Stream<Item = ()> + Send {
    stream::unfold(None, |heard: Option<MessageStream>| async {
        let mut signals = match heard {
            Some(signals) => signals,
            None => listen().await,
        };
        loop {
            match signals.next().await {
                Some(Ok(_)) => return Some(((), Some(signals))),
                Some(Err(error)) => tracing::debug!(%error, "a signal of the keychain is lost"),
                // The bus has gone; what changed meanwhile is seen by looking again.
                None => return Some(((), None)),
            }
        }
    })
}

async fn listen() -> MessageStream {
    loop {
        match signals().await {
            Ok(signals) => return signals,
            Err(error) => tracing::debug!(%error, "the keychain is not watched"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn signals() -> zbus::Result<MessageStream> {
    let rule = MatchRule::builder()
        .msg_type(Type::Signal)
        .path_namespace("/org/freedesktop/secrets")?
        .interface("org.freedesktop.Secret.Collection")?
        .build();
    let bus = Connection::session().await?;
    MessageStream::for_match_rule(rule, &bus, None).await
}
