//! Why no stream could be had, for a log, for a client and for the status page.

use std::io;
use std::sync::Arc;

use crate::chain::{HandshakeError, KeyError};
use crate::config::{EngineAddress, Ports, Upstream};
use crate::control::Problem;
use crate::dial::socks::Refusal;
use crate::http::NoRoom;

/// What a user does who has no ticket.
const HOW_TO_GET_A_TICKET: &str = if cfg!(windows) {
    "log in to the domain (\"klist\" shows its tickets)"
} else {
    "get one with \"kinit\""
};

/// What proxies are shown of a user without a password.
const WHAT_IS_SHOWN: &str = if cfg!(windows) {
    "the user who is logged in"
} else {
    "the Kerberos ticket"
};

/// Why a route did not become a connected stream.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name of an origin that is dialled directly does not resolve.
    #[error("{host} does not resolve here: {detail}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        detail: String,
    },
    /// An origin that is dialled directly cannot be connected to.
    #[error("{destination} cannot be reached: {source}")]
    OriginUnreachable {
        /// `host:port`.
        destination: String,
        /// Why.
        source: io::Error,
    },
    /// An origin that is dialled directly, or a plain-HTTP origin behind an upstream, says nothing.
    #[error("{destination} does not answer")]
    OriginTimeout {
        /// `host:port`.
        destination: String,
    },
    /// An origin's answer is no HTTP, or ends in the middle.
    #[error("{destination} gave no valid answer: {detail}")]
    OriginAnswer {
        /// `host:port`.
        destination: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The policy names no upstream.
    #[error("no proxy is known")]
    NoUpstream,
    /// The upstream cannot be connected to.
    #[error("the proxy {} cannot be reached: {source}", upstream.authority())]
    UpstreamUnreachable {
        /// Which.
        upstream: Upstream,
        /// Why.
        source: io::Error,
    },
    /// The upstream says nothing.
    #[error("the proxy {} does not answer", upstream.authority())]
    UpstreamTimeout {
        /// Which.
        upstream: Upstream,
    },
    /// The upstream's answer is no HTTP, or it hung up.
    #[error("the proxy {} gave no valid answer: {detail}", upstream.authority())]
    UpstreamAnswer {
        /// Which.
        upstream: Upstream,
        /// What is wrong with it.
        detail: String,
    },
    /// It needs credentials, and nobody lends any.
    #[error(
        "no password is lent for {}; start the agent with \"gangway run\"",
        upstream.authority()
    )]
    CredentialsNotLent {
        /// Which.
        upstream: Upstream,
    },
    /// It refused the credentials that are lent; they are not tried again.
    #[error(
        "the proxy {} refused the user or password; store the right one with \"gangway login\"",
        upstream.authority()
    )]
    CredentialsRefused {
        /// Which.
        upstream: Upstream,
    },
    /// It asks for credentials, and the policy names no user for it.
    #[error(
        "the proxy {} asks for a user and password; store them with \"gangway login\"",
        upstream.authority()
    )]
    CredentialsWanted {
        /// Which.
        upstream: Upstream,
    },
    /// It asks for credentials, and those that are lent are another user's of this machine.
    #[error(
        "the proxy {} asks for a user and password, and those lent here belong to another user of \
         this machine; its administrator can allow you to use them (--credential-users)",
        upstream.authority()
    )]
    CredentialsWithheld {
        /// Which.
        upstream: Upstream,
    },
    /// It asks for a ticket, and there is none that it could be shown.
    #[error(
        "the proxy {} asks for a Kerberos ticket: {detail}; {HOW_TO_GET_A_TICKET}",
        upstream.authority()
    )]
    NoTicket {
        /// Which.
        upstream: Upstream,
        /// What Kerberos says.
        detail: String,
    },
    /// It refused a ticket that is valid here.
    #[error(
        "the proxy {} refused {WHAT_IS_SHOWN}: its user may not use it, or it has another key for \
         its name",
        upstream.authority()
    )]
    TicketRefused {
        /// Which.
        upstream: Upstream,
    },
    /// None of the ways in which it lets users log in can be gone here.
    #[error(
        "the proxy {} asks for a user and password, and none of the ways that it offers for them \
         works here: {offered}",
        upstream.authority()
    )]
    LoginImpossible {
        /// Which.
        upstream: Upstream,
        /// The names of the ways: printable ASCII.
        offered: String,
    },
    /// It refused to connect us to the destination.
    #[error("the proxy {} answered {status} {reason} to CONNECT {destination}", upstream.authority())]
    ConnectRefused {
        /// Which.
        upstream: Upstream,
        /// `host:port`.
        destination: String,
        /// Its status.
        status: u16,
        /// Its reason phrase: printable ASCII.
        reason: String,
    },
    /// It connects to port 443, and refused another one.
    #[error(
        "the proxy {} seems to permit CONNECT to port 443 only: it answered {status} to CONNECT \
         {destination}, and connected to port 443 before; its administrator can allow the port, or a \
         rule can send this destination another way",
        upstream.authority()
    )]
    ConnectOnly443 {
        /// Which.
        upstream: Upstream,
        /// `host:port`.
        destination: String,
        /// Its status.
        status: u16,
    },
    /// It does not prove who it is.
    #[error(
        "the certificate of the proxy {} does not prove who it is: {detail}; the authority that \
         signed it must be trusted by this system, or named with --upstream-ca",
        upstream.authority()
    )]
    UpstreamCertificate {
        /// Which.
        upstream: Upstream,
        /// What is wrong with it.
        detail: String,
    },
    /// It speaks no TLS, or none that is understood here.
    #[error(
        "the proxy {} does not speak TLS as it should: {detail}; write http:// where it speaks in \
         clear",
        upstream.authority()
    )]
    UpstreamTls {
        /// Which.
        upstream: Upstream,
        /// What went wrong.
        detail: String,
    },
    /// A SOCKS proxy did not connect us to the destination.
    #[error("the proxy {} does not connect to {destination}: {refusal}", upstream.authority())]
    SocksRefused {
        /// Which.
        upstream: Upstream,
        /// `host:port`.
        destination: String,
        /// What it says.
        refusal: Refusal,
    },
    /// The policy refuses.
    #[error("{reason}")]
    Refused {
        /// One sentence.
        reason: String,
    },
    /// A client from outside asked for something inside this machine.
    #[error("{destination} is refused: {reason}")]
    Inward {
        /// `host:port`.
        destination: String,
        /// Which rule.
        reason: String,
    },
    /// CONNECT is not for this port.
    #[error(
        "{destination} is refused: this engine lets clients CONNECT to port {ports} only (--connect-ports)"
    )]
    Port {
        /// `host:port`.
        destination: String,
        /// Which ports it is for.
        ports: Ports,
    },
    /// The engine that decides cannot be connected to.
    #[error(
        "the engine at {engine}, which decides for this one, cannot be reached: {source}; is it \
         running with --chained?"
    )]
    EngineUnreachable {
        /// Where it should be.
        engine: EngineAddress,
        /// Why.
        source: io::Error,
    },
    /// It does not take the connection, or is not the one that it should be.
    #[error(
        "the engine at {engine}, which decides for this one, does not take the connection: {source}"
    )]
    EngineRefused {
        /// Where it is.
        engine: EngineAddress,
        /// Why.
        source: Box<HandshakeError>,
    },
    /// The key for it is not there any more, or not for this engine alone.
    #[error("this engine cannot prove to the one that decides for it which one it is: {0}")]
    ChainKey(Arc<KeyError>),
    /// The request has been here before.
    #[error("the request came back to this engine: a proxy behind it forwards to it")]
    Loop,
    /// Too many messages have long heads at once.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
}

impl DialError {
    /// The error for people and programs.
    pub fn problem(&self) -> Problem {
        Problem {
            code: self.code().into(),
            message: self.to_string(),
        }
    }

    /// The error for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Resolve { .. } => "name_not_resolved",
            Self::OriginUnreachable { .. } => "origin_unreachable",
            Self::OriginTimeout { .. } => "origin_timeout",
            Self::OriginAnswer { .. } => "origin_answer",
            Self::NoUpstream => "no_upstream",
            Self::UpstreamUnreachable { .. } => "upstream_unreachable",
            Self::UpstreamTimeout { .. } => "upstream_timeout",
            Self::UpstreamAnswer { .. } => "upstream_answer",
            Self::CredentialsNotLent { .. } => "credentials_not_lent",
            Self::CredentialsRefused { .. } => "credentials_refused",
            Self::CredentialsWanted { .. } => "credentials_wanted",
            Self::CredentialsWithheld { .. } => "credentials_withheld",
            Self::NoTicket { .. } => "no_ticket",
            Self::TicketRefused { .. } => "ticket_refused",
            Self::LoginImpossible { .. } => "login_impossible",
            Self::ConnectRefused { .. } | Self::SocksRefused { .. } => "connect_refused",
            Self::ConnectOnly443 { .. } => "connect_only_443",
            Self::UpstreamCertificate { .. } => "upstream_certificate",
            Self::UpstreamTls { .. } => "upstream_tls",
            Self::Refused { .. } => "refused",
            Self::Inward { .. } => "inward",
            Self::Port { .. } => "port_refused",
            Self::EngineUnreachable { .. } => "engine_unreachable",
            Self::EngineRefused { .. } => "engine_refused",
            Self::ChainKey(_) => "chain_key",
            Self::Loop => "loop",
            Self::NoRoom(_) => NoRoom::CODE,
        }
    }

    /// The status that an HTTP client gets.
    pub fn status(&self) -> u16 {
        match self {
            Self::OriginTimeout { .. } | Self::UpstreamTimeout { .. } => 504,
            Self::OriginUnreachable { source, .. }
            | Self::UpstreamUnreachable { source, .. }
            | Self::EngineUnreachable { source, .. }
                if source.kind() == io::ErrorKind::TimedOut =>
            {
                504
            }
            Self::ConnectRefused { status, .. } | Self::ConnectOnly443 { status, .. }
                if (400..600).contains(status) =>
            {
                *status
            }
            Self::SocksRefused { refusal, .. } => refusal.status(),
            Self::Resolve { .. }
            | Self::ConnectRefused { .. }
            | Self::ConnectOnly443 { .. }
            | Self::UpstreamCertificate { .. }
            | Self::UpstreamTls { .. }
            | Self::OriginUnreachable { .. }
            | Self::OriginAnswer { .. }
            | Self::NoUpstream
            | Self::UpstreamUnreachable { .. }
            | Self::UpstreamAnswer { .. }
            | Self::EngineUnreachable { .. }
            | Self::EngineRefused { .. }
            | Self::ChainKey(_)
            | Self::Refused { .. } => 502,
            Self::CredentialsNotLent { .. }
            | Self::CredentialsRefused { .. }
            | Self::CredentialsWanted { .. }
            | Self::CredentialsWithheld { .. }
            | Self::NoTicket { .. }
            | Self::TicketRefused { .. }
            | Self::LoginImpossible { .. } => 407,
            Self::Inward { .. } | Self::Port { .. } => 403,
            Self::Loop => 508,
            Self::NoRoom(_) => NoRoom::STATUS,
        }
    }

    /// Whether the upstream itself said no, so that another one is not asked.
    pub fn is_an_answer(&self) -> bool {
        matches!(
            self,
            Self::ConnectRefused { .. }
                | Self::ConnectOnly443 { .. }
                | Self::SocksRefused { .. }
                | Self::CredentialsWanted { .. }
                | Self::CredentialsWithheld { .. }
                | Self::CredentialsRefused { .. }
                | Self::NoTicket { .. }
                | Self::TicketRefused { .. }
                | Self::LoginImpossible { .. }
                | Self::Loop
        )
    }

    /// Whether the upstream could not be had: it is left alone for a while.
    pub fn is_lost(&self) -> bool {
        matches!(
            self,
            Self::UpstreamUnreachable { .. }
                | Self::UpstreamTimeout { .. }
                | Self::UpstreamAnswer { .. }
                | Self::UpstreamCertificate { .. }
                | Self::UpstreamTls { .. }
        )
    }

    /// The same, or the reason for it: a refusal by an upstream that connects to port 443 only.
    pub(super) fn for_443_only(self, port: u16, connects_to_443_only: impl Fn() -> bool) -> Self {
        match self {
            Self::ConnectRefused {
                upstream,
                destination,
                // 407 and 5xx but 501 are about something else.
                status: status @ (400 | 403 | 404 | 405 | 501),
                ..
            } if port != 443 && connects_to_443_only() => Self::ConnectOnly443 {
                upstream,
                destination,
                status,
            },
            other => other,
        }
    }
}
