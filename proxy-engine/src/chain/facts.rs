//! What the first engine knows of a connection, and the one that decides cannot see.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::EngineId;

/// So many engines may stand between a client and the one that decides.
pub const MOST_HOPS: usize = 8;

/// What is carried from engine to engine. None of it goes upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// The engines that it came through, that which met the client first.
    pub path: Vec<EngineId>,
    /// The client's end of its connection to the first engine.
    pub client: SocketAddr,
    /// Where it was going, as the first engine's firewall remembers it; `None` where the client
    /// knows that it speaks to a proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<SocketAddr>,
}

/// Facts that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FactsError {
    /// No JSON, or not this one.
    #[error("the facts cannot be read")]
    Form,
    /// It came through nobody, or through too many.
    #[error("the connection came through more than {MOST_HOPS} engines, or through none")]
    Path,
    /// An address that nobody has.
    #[error("an address among the facts is nobody's")]
    Address,
}

impl Facts {
    /// As they are carried.
    pub fn write(&self) -> Vec<u8> {
        // Strings, numbers and lists of them: there is nothing that JSON could not hold.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads what was carried, with canonical addresses.
    ///
    /// # Errors
    /// See [`FactsError`].
    pub fn read(json: &[u8]) -> Result<Self, FactsError> {
        let facts: Self = serde_json::from_slice(json).map_err(|_| FactsError::Form)?;
        if !(1..=MOST_HOPS).contains(&facts.path.len()) {
            return Err(FactsError::Path);
        }
        Ok(Self {
            path: facts.path,
            client: usable(facts.client)?,
            original: facts.original.map(usable).transpose()?,
        })
    }
}

/// The address as everything here compares it: without IPv6 clothes, scope and flow.
fn usable(address: SocketAddr) -> Result<SocketAddr, FactsError> {
    let ip = address.ip().to_canonical();
    if ip.is_unspecified() || ip.is_multicast() || address.port() == 0 {
        return Err(FactsError::Address);
    }
    Ok(SocketAddr::new(ip, address.port()))
}

#[cfg(test)]
mod tests {
    use super::{Facts, FactsError};

    #[test]
    fn facts_arrive_as_they_were_carried() {
        let facts = Facts {
            path: vec!["gangway-01".parse().expect("an id")],
            client: "10.244.0.2:41000".parse().expect("an address"),
            original: Some("[2001:db8::1]:443".parse().expect("an address")),
        };
        assert_eq!(Facts::read(&facts.write()), Ok(facts.clone()));
        let explicit = Facts {
            original: None,
            ..facts
        };
        assert_eq!(Facts::read(&explicit.write()), Ok(explicit));
    }

    #[test]
    fn an_address_wears_no_ipv6_clothes() {
        let json = br#"{"path":["a"],"client":"[::ffff:10.0.0.1]:9","original":"[fe80::1%3]:80"}"#;
        let facts = Facts::read(json).expect("facts");
        assert_eq!(facts.client.to_string(), "10.0.0.1:9");
        let original = facts.original.expect("an address");
        assert_eq!(original.to_string(), "[fe80::1]:80");
    }

    #[test]
    fn facts_that_cannot_be_are_refused() {
        let nine = r#""a","a","a","a","a","a","a","a","a""#;
        for (path, client, original, why) in [
            ("", "10.0.0.1:9", "10.0.0.1:9", FactsError::Path),
            (nine, "10.0.0.1:9", "10.0.0.1:9", FactsError::Path),
            ("\"a b\"", "10.0.0.1:9", "10.0.0.1:9", FactsError::Form),
            ("\"\"", "10.0.0.1:9", "10.0.0.1:9", FactsError::Form),
            ("\"a\"", "10.0.0.1", "10.0.0.1:9", FactsError::Form),
            ("\"a\"", "10.0.0.1:0", "10.0.0.1:9", FactsError::Address),
            ("\"a\"", "10.0.0.1:9", "0.0.0.0:9", FactsError::Address),
            ("\"a\"", "10.0.0.1:9", "[::]:9", FactsError::Address),
            (
                "\"a\"",
                "10.0.0.1:9",
                "[::ffff:0.0.0.0]:9",
                FactsError::Address,
            ),
            ("\"a\"", "10.0.0.1:9", "224.0.0.1:9", FactsError::Address),
            ("\"a\"", "10.0.0.1:9", "localhost:9", FactsError::Form),
        ] {
            let json =
                format!(r#"{{"path":[{path}],"client":"{client}","original":"{original}"}}"#);
            assert_eq!(Facts::read(json.as_bytes()), Err(why), "{json}");
        }
        for json in [
            &b""[..],
            b"{}",
            b"[]",
            br#"{"path":["a"],"client":"10.0.0.1:9","more":1}"#,
            b"\xff",
        ] {
            assert_eq!(Facts::read(json), Err(FactsError::Form));
        }
    }
}
