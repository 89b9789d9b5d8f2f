//! What a head says before it goes on.

use bytes::Bytes;

use super::{RequestHead, ResponseHead};
use crate::dial::auth::Said;
use crate::route::Destination;

/// Whether the request has been at this engine before.
pub(super) fn has_looped(head: &RequestHead, pseudonym: &str) -> bool {
    head.fields.members("via").any(|via| {
        // `1.1 pseudonym (comment)`
        let mut words = via.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty());
        words.nth(1) == Some(pseudonym.as_bytes())
    })
}

/// Whether the client asks to speak another protocol from here on.
pub(super) fn asks_for_upgrade(head: &RequestHead) -> bool {
    // RFC 9110, section 7.8: not from an HTTP/1.0 client.
    !head.is_1_0
        && head.fields.first("upgrade").is_some()
        && head.fields.lists("connection", "upgrade")
}

/// Whether the connection ends after this message.
pub(super) fn request_closes(head: &RequestHead) -> bool {
    // RFC 9112, section 9.3: a proxy keeps no connection with an HTTP/1.0 client.
    head.is_1_0
        || head.fields.lists("connection", "close")
        || head.fields.lists("proxy-connection", "close")
}

/// Whether the client waits for a word before it sends the body.
pub(super) fn expects_continue(head: &RequestHead) -> bool {
    !head.is_1_0 && head.fields.lists("expect", "100-continue")
}

/// Whether the response cannot have a body and says that it has one: what its sender sends next
/// is not sure to be a response.
pub(super) fn contradicts_itself(head: &ResponseHead) -> bool {
    let has_length = || {
        head.fields
            .first("content-length")
            .is_some_and(|l| l != b"0")
    };
    let has_coding = || head.fields.first("transfer-encoding").is_some();
    never_has_a_body(head) && (has_length() || has_coding())
}

/// Not even in answer to a GET, and not one that is only left out (RFC 9110, section 6.4.1).
fn never_has_a_body(head: &ResponseHead) -> bool {
    matches!(head.status, 100..200 | 204)
}

/// Whether the origin's connection ends after this message.
pub(super) fn response_closes(head: &ResponseHead) -> bool {
    head.is_1_0
        || head.fields.lists("connection", "close")
        || head.fields.lists("proxy-connection", "close")
}

/// Makes the request that goes on: target and `Host` as given, nothing hop-by-hop, our `Via`, and
/// for an upstream what is said about who asks.
pub(super) fn request(
    mut head: RequestHead,
    target: Bytes,
    host: &Destination,
    pseudonym: &str,
    said: Option<&Said>,
) -> Vec<u8> {
    let upgrade = asks_for_upgrade(&head);
    let version = if head.is_1_0 { "1.0" } else { "1.1" };
    head.target = target;
    head.fields.remove_hop_by_hop(upgrade);
    if head.is_1_0 {
        // RFC 9110, section 10.1.1: it means nothing there, and would in the version sent on.
        head.fields.remove("expect");
    }
    head.fields
        .set_in_place("Host", super::target::authority(host));
    head.fields.push("Via", format!("{version} {pseudonym}"));
    for (name, value) in said.into_iter().flat_map(Said::fields) {
        head.fields.push(name, value.to_vec());
    }
    head.write()
}

/// Makes the response that goes back.
pub(super) fn response(mut head: ResponseHead, to: &Client, pseudonym: &str) -> Vec<u8> {
    let version = if head.is_1_0 { "1.0" } else { "1.1" };
    // 426 says which protocol is wanted (RFC 9110, section 15.5.22).
    head.fields
        .remove_hop_by_hop(matches!(head.status, 101 | 426));
    if never_has_a_body(&head) {
        // RFC 9110, section 8.6, and RFC 9112, section 6.1: they must not say how long it is.
        head.fields.remove("content-length");
        head.fields.remove("transfer-encoding");
    }
    if to.is_1_0 && head.fields.first("transfer-encoding").is_some() {
        head.fields.remove("transfer-encoding");
        head.fields.remove("trailer");
    }
    head.fields.push("Via", format!("{version} {pseudonym}"));
    if to.closes && head.status >= 200 {
        head.fields.push("Connection", "close");
    }
    head.write()
}

/// What matters about the client when it is answered.
pub(super) struct Client {
    pub(super) is_1_0: bool,
    pub(super) closes: bool,
}
