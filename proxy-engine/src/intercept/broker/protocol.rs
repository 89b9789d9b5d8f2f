//! What engine and broker say to each other.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::config::{Interception, Netns, Ports};
use crate::control::{InterceptionState, Problem};
use crate::intercept::Families;

/// No message is larger; a larger one is refused.
pub(super) const MOST: usize = 64 * 1024;

/// More patterns than any machine has bridges, named or excepted: a rule each.
const MOST_INTERFACES: usize = 256;

/// From the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    /// Chosen by the engine, not 0; the answer carries it.
    pub(super) id: u64,
    /// What it wants.
    pub(super) wish: Wish,
}

/// What an engine may want.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub(super) enum Wish {
    /// Rules and listeners are to be in this network namespace from now on; without one, in the
    /// broker's own. What was in force elsewhere ends.
    Enter {
        /// Which.
        netns: Option<Netns>,
    },
    /// Would the kernel take the table?
    Probe {},
    /// What is in force?
    State {},
    /// A listening socket; it comes with the answer.
    OpenListener {
        /// Where.
        address: SocketAddr,
        /// Whose connections.
        #[serde(default)]
        families: Families,
    },
    /// Capture this.
    Intercept {
        /// What.
        interception: Interception,
        /// Port of the transparent listener.
        listener: u16,
    },
    /// Capture nothing.
    Withdraw {},
}

/// From the broker: an answer, or with the id 0 something that happened by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    /// That of the request.
    pub(super) id: u64,
    /// Why it was refused; with the id 0: why the broker hangs up.
    pub(super) refused: Option<Problem>,
    /// What is in force now.
    pub(super) state: InterceptionState,
}

impl Wish {
    /// Checks what types cannot say.
    ///
    /// # Errors
    /// One sentence that says what may not be.
    pub(super) fn check(&self) -> Result<(), String> {
        match self {
            Self::Enter { .. } | Self::Probe {} | Self::State {} | Self::Withdraw {} => Ok(()),
            Self::OpenListener { address, .. } => check_listener(*address),
            Self::Intercept {
                interception,
                listener,
            } => check_interception(interception, *listener),
        }
    }
}

fn check_listener(address: SocketAddr) -> Result<(), String> {
    if (1..1024).contains(&address.port()) {
        return Err(format!(
            "{address}: the broker opens no port below 1024: choose a higher one"
        ));
    }
    let ip = address.ip();
    if ip.is_multicast() || ip == IpAddr::from([255; 4]) {
        return Err(format!("{address}: not an address to listen on"));
    }
    Ok(())
}

fn check_interception(interception: &Interception, listener: u16) -> Result<(), String> {
    if listener < 1024 {
        return Err(format!(
            "port {listener} is no transparent listener's: it is 1024 or higher"
        ));
    }
    for patterns in [&interception.interfaces, &interception.exclude] {
        if patterns.len() > MOST_INTERFACES {
            return Err(format!(
                "{} interface patterns are too many: {MOST_INTERFACES} at most, use a star",
                patterns.len()
            ));
        }
    }
    if let Ports::List(ports) = &interception.ports
        && (ports.is_empty() || ports.len() > Ports::MOST)
    {
        return Err(format!("between 1 and {} ports can be named", Ports::MOST));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Request, Wish};

    fn read(text: &str) -> Result<Wish, String> {
        let request: Request = serde_json::from_str(text).map_err(|e| e.to_string())?;
        request.wish.check()?;
        Ok(request.wish)
    }

    #[test]
    fn what_an_engine_may_not_ask_for_is_refused() {
        for bad in [
            r#"{"id":1,"wish":{"kind":"run","command":"sh"}}"#,
            r#"{"id":1,"wish":{"kind":"probe","more":1}}"#,
            r#"{"id":1,"wish":{"kind":"enter","netns":"/etc/passwd"}}"#,
            r#"{"id":1,"wish":{"kind":"enter","netns":"/run/netns/../x"}}"#,
            r#"{"id":1,"wish":{"kind":"enter","netns":"/proc/self/ns/net"}}"#,
            r#"{"id":1,"wish":{"kind":"enter","netns":4711}}"#,
            r#"{"id":1,"wish":{"kind":"probe"},"more":1}"#,
            r#"{"id":-1,"wish":{"kind":"probe"}}"#,
            r#"{"id":1,"wish":{"kind":"open_listener","address":"127.0.0.1:22"}}"#,
            r#"{"id":1,"wish":{"kind":"open_listener","address":"224.0.0.1:2000"}}"#,
            r#"{"id":1,"wish":{"kind":"open_listener","address":"localhost:2000"}}"#,
            r#"{"id":1,"wish":{"kind":"intercept","listener":22,"interception":{"interfaces":["a"]}}}"#,
            r#"{"id":1,"wish":{"kind":"intercept","listener":3183,"interception":{"interfaces":["a\nb"]}}}"#,
            r#"{"id":1,"wish":{"kind":"intercept","listener":3183,"interception":{"interfaces":["a\u0000"]}}}"#,
            r#"{"id":1,"wish":{"kind":"intercept","listener":3183,"interception":{"interfaces":["*"]}}}"#,
            r#"{"id":1,"wish":{"kind":"intercept","listener":3183,"interception":{"interfaces":["a234567890123456"]}}}"#,
            r#"{"id":1,"wish":{"kind":"intercept","listener":3183,"interception":{"interfaces":["a"],"ports":"0"}}}"#,
            r#"{"id":1,"wish":{"kind":"intercept","listener":3183,"interception":{"interfaces":["a"],"to":"1.2.3.4"}}}"#,
            "",
            "[]",
            "\u{0}",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_an_engine_asks_for_is_understood() {
        for good in [
            r#"{"id":1,"wish":{"kind":"probe"}}"#,
            r#"{"id":1,"wish":{"kind":"enter","netns":null}}"#,
            r#"{"id":1,"wish":{"kind":"enter","netns":"/run/netns/node"}}"#,
            r#"{"id":1,"wish":{"kind":"open_listener","address":"127.0.0.1:0"}}"#,
            r#"{"id":1,"wish":{"kind":"open_listener","address":"[::]:3183"}}"#,
            r#"{"id":1,"wish":{"kind":"intercept","listener":3183,"interception":{"interfaces":["br-*"],"ports":"all"}}}"#,
        ] {
            let wish = read(good).expect(good);
            let text = serde_json::to_string(&Request { id: 1, wish }).expect("JSON");
            assert!(read(&text).is_ok(), "{text}");
        }
    }
}
