//! Another network namespace, as a name that can be checked before anything is opened.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A network namespace: one that `ip netns` or Docker has named, or that of a process.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Netns {
    /// `/run/netns/NAME`.
    Named(String),
    /// `/var/run/docker/netns/NAME`.
    Docker(String),
    /// `/proc/PID/ns/net`, or the number alone.
    Process(u32),
}

/// Why the name of a network namespace was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no network namespace: write /run/netns/NAME, /var/run/docker/netns/NAME, /proc/PID/ns/net, or a process's number"
)]
pub struct NetnsError(String);

impl FromStr for Netns {
    type Err = NetnsError;

    fn from_str(text: &str) -> Result<Self, NetnsError> {
        let refused = || NetnsError(text.escape_debug().to_string());
        let name = |name: &str| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:@".contains(&b);
            let good = (1..=255).contains(&name.len()) && name.bytes().all(plain);
            (good && name != "." && name != "..").then(|| name.to_owned())
        };
        let process = |digits: &str| {
            let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
            digits.parse::<u32>().ok().filter(|_| plain)
        };
        for folder in ["/run/docker/netns/", "/var/run/docker/netns/"] {
            if let Some(rest) = text.strip_prefix(folder) {
                return name(rest).map(Self::Docker).ok_or_else(refused);
            }
        }
        for folder in ["/run/netns/", "/var/run/netns/"] {
            if let Some(rest) = text.strip_prefix(folder) {
                return name(rest).map(Self::Named).ok_or_else(refused);
            }
        }
        let digits = match text.strip_prefix("/proc/") {
            Some(rest) => rest.strip_suffix("/ns/net").ok_or_else(refused)?,
            None => text,
        };
        process(digits).map(Self::Process).ok_or_else(refused)
    }
}

impl TryFrom<String> for Netns {
    type Error = NetnsError;

    fn try_from(text: String) -> Result<Self, NetnsError> {
        text.parse()
    }
}

impl From<Netns> for String {
    fn from(netns: Netns) -> Self {
        netns.to_string()
    }
}

impl fmt::Display for Netns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => write!(f, "/run/netns/{name}"),
            Self::Docker(name) => write!(f, "/run/docker/netns/{name}"),
            Self::Process(pid) => write!(f, "/proc/{pid}/ns/net"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Netns;

    #[test]
    fn what_names_no_network_namespace_is_refused() {
        for bad in [
            "",
            "/",
            "0",
            "01",
            "-1",
            "+1",
            "1 ",
            "4294967296",
            "self",
            "/proc/self/ns/net",
            "/proc/1/ns/mnt",
            "/proc/1/ns/net/",
            "/proc/1/../2/ns/net",
            "/proc/01/ns/net",
            "/run/netns/",
            "/run/netns/.",
            "/run/netns/..",
            "/run/netns/a/b",
            "/run/netns/../x",
            "/run/netns/a\n",
            "/run/netns/a\0",
            "/run/docker/netns/../../x",
            "/etc/passwd",
            "/run/user/1000/netns/a",
            "run/netns/a",
        ] {
            assert!(bad.parse::<Netns>().is_err(), "{bad:?}");
        }
        for good in [
            "/run/netns/a-1",
            "/run/docker/netns/1f_default",
            "/proc/4711/ns/net",
        ] {
            assert_eq!(good.parse::<Netns>().expect(good).to_string(), good);
        }
        assert_eq!("4711".parse(), Ok(Netns::Process(4711)));
        assert_eq!("/var/run/netns/a".parse(), Ok(Netns::Named("a".to_owned())));
    }
}
