//! Header fields in the order and spelling in which they came.

use bytes::Bytes;

/// Header fields. Names compare without case; nothing is ever re-spelled or re-ordered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(Bytes, Bytes)>);

/// Fields that speak of one connection only, whether `Connection` lists them or not
/// (RFC 9110, section 7.6.1), and the credentials for us, which no origin may see.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "proxy-connection",
    "keep-alive",
    "te",
    "upgrade",
    "proxy-authorization",
    "proxy-authenticate",
    "proxy-authentication-info",
    "http2-settings",
];

/// Fields that `Connection` cannot take away: without them the message would say something else.
const NEVER_HOP_BY_HOP: [&str; 4] = ["host", "content-length", "transfer-encoding", "via"];

impl Fields {
    pub(super) fn push(&mut self, name: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.0.push((name.into(), value.into()));
    }

    /// Every value of the field, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0
            .iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value.as_ref())
    }

    /// The first value of the field.
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        let found = self
            .0
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, value)| value.as_ref())
    }

    /// The members of a comma-separated field, over all its lines.
    pub fn members<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.all(name)
            .flat_map(|value| value.split(|b| *b == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|member| !member.is_empty())
    }

    /// Whether the field lists the member, without case.
    pub fn lists(&self, name: &str, member: &str) -> bool {
        self.members(name)
            .any(|m| m.eq_ignore_ascii_case(member.as_bytes()))
    }

    /// Sets the value where the field stands first, removes its other lines; without one it
    /// becomes the first line.
    pub(super) fn set_in_place(&mut self, name: &'static str, value: impl Into<Bytes>) {
        let is_it = |n: &Bytes| n.eq_ignore_ascii_case(name.as_bytes());
        let Some(at) = self.0.iter().position(|(n, _)| is_it(n)) else {
            self.0
                .insert(0, (Bytes::from_static(name.as_bytes()), value.into()));
            return;
        };
        self.0[at].1 = value.into();
        let mut index = 0;
        self.0.retain(|(n, _)| {
            index += 1;
            index - 1 <= at || !is_it(n)
        });
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.0
            .retain(|(n, _)| !n.eq_ignore_ascii_case(name.as_bytes()));
    }

    /// Removes what speaks of this connection only. With `keep_upgrade`, `Upgrade` stays, and
    /// `Connection` says nothing but that.
    pub(super) fn remove_hop_by_hop(&mut self, keep_upgrade: bool) {
        let listed: Vec<Vec<u8>> = self
            .members("connection")
            .chain(self.members("proxy-connection"))
            .map(<[u8]>::to_ascii_lowercase)
            .filter(|name| !NEVER_HOP_BY_HOP.iter().any(|n| n.as_bytes() == name))
            .collect();
        self.0.retain_mut(|(name, value)| {
            let lower = name.to_ascii_lowercase();
            if keep_upgrade && lower == b"upgrade" {
                return true;
            }
            if keep_upgrade && lower == b"connection" {
                *value = Bytes::from_static(b"Upgrade");
                return true;
            }
            !HOP_BY_HOP.iter().any(|n| n.as_bytes() == lower) && !listed.contains(&lower)
        });
        if keep_upgrade {
            self.set_in_place("Connection", "Upgrade");
        }
    }

    /// Writes the fields as lines.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for (name, value) in &self.0 {
            out.extend_from_slice(name);
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Keeps the fields that a trailer section may carry (RFC 9110, section 6.5.1).
    pub(super) fn keep_trailers(&mut self) {
        self.remove_hop_by_hop(false);
        for name in NEVER_HOP_BY_HOP {
            self.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Fields;

    fn fields(lines: &[(&'static str, &'static str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in lines {
            fields.push(*name, *value);
        }
        fields
    }

    fn written(fields: &Fields) -> String {
        let mut out = Vec::new();
        fields.write(&mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn what_speaks_of_one_connection_goes_and_the_rest_keeps_order_and_spelling() {
        let mut all = fields(&[
            ("hOsT", "a"),
            ("X-One", "1"),
            ("Connection", "x-hop , close"),
            ("Keep-Alive", "timeout=5"),
            ("X-HOP", "gone"),
            ("TE", "trailers"),
            ("Proxy-Authorization", "Basic x"),
            ("x-TWO", "2"),
            ("Proxy-Connection", "keep-alive, x-other"),
            ("X-Other", "gone"),
            ("X-One", "3"),
        ]);
        all.remove_hop_by_hop(false);
        assert_eq!(
            written(&all),
            "hOsT: a\r\nX-One: 1\r\nx-TWO: 2\r\nX-One: 3\r\n"
        );
    }

    #[test]
    fn connection_cannot_take_away_what_frames_the_message() {
        let mut all = fields(&[
            ("Host", "a"),
            ("Content-Length", "3"),
            ("Connection", "host, content-length, transfer-encoding, via"),
            ("Via", "1.1 x"),
        ]);
        all.remove_hop_by_hop(false);
        assert_eq!(
            written(&all),
            "Host: a\r\nContent-Length: 3\r\nVia: 1.1 x\r\n"
        );
    }

    #[test]
    fn an_upgrade_is_passed_on_with_nothing_else_in_connection() {
        let mut all = fields(&[
            ("Host", "a"),
            ("Connection", "keep-alive, Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Key", "k"),
        ]);
        all.remove_hop_by_hop(true);
        assert_eq!(
            written(&all),
            "Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n"
        );
    }
}
