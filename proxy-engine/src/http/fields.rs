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
    HTTP2_SETTINGS,
];

/// Fields that `Connection` cannot take away: without them the message would say something else.
const NEVER_HOP_BY_HOP: [&str; 4] = ["host", "content-length", "transfer-encoding", "via"];

/// The settings of an upgrade to HTTP/2 (RFC 7540, section 3.2.1): they go where `Upgrade` goes.
const HTTP2_SETTINGS: &str = "http2-settings";

/// The names that `Connection` (or `Proxy-Connection`) lists, in lower case, sorted.
#[derive(Debug, Default)]
pub(super) struct Listed(Vec<Vec<u8>>);

impl Listed {
    /// What a head lists.
    pub(super) fn by(fields: &Fields) -> Self {
        let mut names: Vec<_> = fields
            .members("connection")
            .chain(fields.members("proxy-connection"))
            .map(<[u8]>::to_ascii_lowercase)
            .filter(|name| !NEVER_HOP_BY_HOP.iter().any(|n| n.as_bytes() == name))
            .collect();
        names.sort_unstable();
        Self(names)
    }

    fn contains(&self, lower: &[u8]) -> bool {
        let found = self.0.binary_search_by(|name| name.as_slice().cmp(lower));
        found.is_ok()
    }
}

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
    /// `Connection` says nothing but that (and names the settings that an upgrade to HTTP/2 needs).
    pub(super) fn remove_hop_by_hop(&mut self, keep_upgrade: bool) {
        let listed = Listed::by(self);
        let settings = keep_upgrade
            && listed.contains(HTTP2_SETTINGS.as_bytes())
            && self.first(HTTP2_SETTINGS).is_some();
        self.0.retain(|(name, _)| {
            let lower = name.to_ascii_lowercase();
            match &lower[..] {
                b"upgrade" | b"connection" if keep_upgrade => true,
                b"http2-settings" if settings => true,
                name => !HOP_BY_HOP.iter().any(|n| n.as_bytes() == name) && !listed.contains(name),
            }
        });
        if keep_upgrade {
            let options = if settings {
                "Upgrade, HTTP2-Settings"
            } else {
                "Upgrade"
            };
            self.set_in_place("Connection", options);
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

    /// Keeps the fields that a trailer section may carry (RFC 9110, section 6.5.1), but for those
    /// that the head's `Connection` lists.
    pub(super) fn keep_trailers(&mut self, listed: &Listed) {
        self.remove_hop_by_hop(false);
        self.0
            .retain(|(name, _)| !listed.contains(&name.to_ascii_lowercase()));
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
    fn an_upgrade_to_http_2_keeps_its_settings_and_others_lose_them() {
        for (upgrade, connection) in [
            (
                true,
                "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n",
            ),
            (false, ""),
        ] {
            let mut all = fields(&[
                ("Connection", "HTTP2-Settings, Upgrade, close"),
                ("Upgrade", "h2c"),
                ("HTTP2-Settings", "AA"),
            ]);
            all.remove_hop_by_hop(upgrade);
            assert_eq!(written(&all), connection);
        }
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
