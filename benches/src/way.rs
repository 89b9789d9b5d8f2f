//! The ways from the pod to the origins that are measured beside each other.

/// One way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// The node forwards packets: no relay.
    Routed,
    /// HAProxy, TCP mode, without any CONNECT.
    HaProxy,
    /// redsocks, `http-connect`.
    Redsocks,
    /// Squid without a cache, explicit.
    Squid,
    /// tinyproxy, explicit.
    Tinyproxy,
    /// Gangway.
    Gangway,
}

impl Way {
    /// Those of intercepted traffic.
    pub(crate) const TRANSPARENT: [Self; 4] =
        [Self::Routed, Self::HaProxy, Self::Redsocks, Self::Gangway];
    /// Those of clients that know their proxy.
    pub(crate) const EXPLICIT: [Self; 4] =
        [Self::Routed, Self::Squid, Self::Tinyproxy, Self::Gangway];

    /// As the table shows it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Routed => "routed",
            Self::HaProxy => "HAProxy TCP",
            Self::Redsocks => "redsocks",
            Self::Squid => "Squid",
            Self::Tinyproxy => "tinyproxy",
            Self::Gangway => "Gangway",
        }
    }
}

/// How the clients speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// They know of no proxy.
    Transparent,
    /// They ask a proxy on the node.
    Explicit,
}
