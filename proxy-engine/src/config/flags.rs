//! The flags of `proxy-engine run`; a configuration file has the same names.

mod bypass_text;
mod error;

use std::net::SocketAddr;
use std::num::{NonZeroU8, NonZeroU32};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

use super::{
    Access, Authority, Chain, ChainTo, ConfigFileError, CredentialUsers, DefaultRoute,
    EngineAddress, EngineConfig, InterceptBy, Interception, Limits, LogFormat, Netns, Policy,
    Ports, Rule, RuleError, Unavailable, Upstream, UpstreamError,
};
use bypass_text::BypassText;
pub use error::FlagsError;

use crate::intercept::InterfacePattern;
use crate::pac::worker::Program;
use crate::pac::{self, Script};
use crate::relay::IdleLimit;

/// What `proxy-engine run` is told.
#[derive(Debug, Clone, Default, clap::Args, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RunFlags {
    /// Serve clients that know they speak to a proxy here [127.0.0.1:3182 where neither this nor
    /// --transparent is given]
    #[arg(long, value_name = "ADDR", num_args = 1..)]
    pub listen: Vec<SocketAddr>,

    /// Take connections that interception brings here, usually 0.0.0.0:3183 or [::]:3183
    #[arg(long, value_name = "ADDR", num_args = 1..)]
    pub transparent: Vec<SocketAddr>,

    /// Intercept what arrives on these interfaces: a name (docker0) or a prefix and a star (br-*)
    #[arg(long, value_name = "IFACE", num_args = 1..)]
    pub intercept: Vec<InterfacePattern>,

    /// Leave these interfaces alone although --intercept names them: internal networks, which shall
    /// have no way out
    #[arg(long, value_name = "IFACE", num_args = 1.., requires = "intercept")]
    pub exclude: Vec<InterfacePattern>,

    /// Intercept without asking the machine's FORWARD rules: also what they refuse (DOCKER-USER, a
    /// network policy), and what has no route
    #[arg(long, requires = "intercept")]
    pub ignore_forward: bool,

    /// Intercept these TCP ports: numbers with commas, or `all` [80,443]
    #[arg(long, value_name = "PORTS")]
    pub ports: Option<Ports>,

    /// Forward to this proxy: http://HOST:PORT, https://HOST:PORT (TLS to the proxy), socks4a://,
    /// socks5h:// (the proxy resolves names) or socks5:// (they are resolved here), with USER@ before
    /// HOST where it asks for credentials; several are tried in order
    #[arg(long, value_name = "URL", num_args = 1..)]
    // Text, not `Upstream`: what cannot be parsed is shown to people, and may hold a password.
    pub upstream: Vec<String>,

    /// Trust these certificates too where an upstream is https://: a file in PEM; those of the
    /// system are always trusted
    #[arg(long, value_name = "FILE")]
    pub upstream_ca: Option<PathBuf>,

    /// Send these another way, before --bypass is asked; the first rule that names a destination
    /// decides: registry.example.com=http://other:8080, or .example.com,10.0.0.0/8=direct
    #[arg(long, value_name = "PATTERN=URL|direct", num_args = 1..)]
    // Text, as above.
    pub rule: Vec<String>,

    /// Show these proxies, of those that are forwarded to, the Kerberos ticket of the user that the
    /// engine runs as, where they ask for one (KRB5CCNAME, the default cache, or a client's keytab)
    #[arg(long, value_name = "HOST:PORT", num_args = 1.., requires = "upstream")]
    pub ticket_for: Vec<Authority>,

    /// Let the PAC script in this file decide which way each connection goes; --upstream then names
    /// the user at proxies that the script may answer
    #[arg(long, value_name = "FILE")]
    pub pac: Option<PathBuf>,

    /// Where the script gives no answer: block, or go direct [block]
    #[arg(long, value_name = "WHAT", value_enum, requires = "pac")]
    pub pac_unavailable: Option<Unavailable>,

    /// Dial these directly, with commas: example.com, .example.com, 10.1.2.3, 10.0.0.0/8, *
    #[arg(long, value_name = "LIST")]
    pub bypass: Option<BypassText>,

    /// Decide nothing here: pass every connection on, as it is, to the engine that listens there
    /// with --chained. It is told where the connection was going and who the client is, and serves
    /// it by its own policy. Where it cannot be had, connections are refused
    #[arg(long, value_name = "HOST:PORT")]
    pub chain: Option<EngineAddress>,

    /// Prove to that engine which one this is: a file with one line, NAME KEY, that nobody else can
    /// read (chmod 600). KEY is base64 of 32 random bytes: head -c 32 /dev/urandom | base64. It is
    /// read again when it changes
    #[arg(long, value_name = "FILE")]
    pub chain_key: Option<PathBuf>,

    /// Serve connections that other engines pass on here with --chain. Both sides prove that they
    /// hold the same key; nothing is encrypted, and what a client sends can be changed on the way:
    /// for virtual machines, containers and nodes on this machine, not for a network of others
    #[arg(long, value_name = "ADDR", num_args = 1..)]
    pub chained: Vec<SocketAddr>,

    /// The keys of those engines: a file with a line NAME KEY for each, that nobody else can read. It
    /// is read again when it changes
    #[arg(long, value_name = "FILE")]
    pub chained_keys: Option<PathBuf>,

    /// Serve the control API on this Unix socket
    #[arg(long, value_name = "PATH")]
    pub control: Option<PathBuf>,

    /// Let the members of this group speak there, too [root and this process's user alone]
    #[arg(long, value_name = "NAME", requires = "control")]
    pub control_group: Option<String>,

    /// Let the broker behind this socket set the firewall rules, so that this process needs no
    /// privilege
    #[arg(long, value_name = "PATH")]
    pub broker: Option<PathBuf>,

    /// Intercept inside this network namespace, and listen transparently there: a path
    /// (/run/netns/NAME, /var/run/docker/netns/NAME, /proc/PID/ns/net) or a process's number. Who
    /// sets the rules needs CAP_SYS_ADMIN and CAP_SYS_PTRACE for it
    #[arg(long, value_name = "PATH|PID", requires = "transparent")]
    pub netns: Option<Netns>,

    /// Serve metrics for Prometheus at http://ADDR/metrics, to whoever can reach it: upstreams and
    /// counters, no name that a client asked for (the control socket serves them too)
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<SocketAddr>,

    /// Keep the last policy in this folder, and start with it
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,

    /// Close a tunnel or an exchange in which nothing moved for so long [7440]
    #[arg(long, value_name = "SECONDS")]
    pub idle_limit: Option<NonZeroU32>,

    /// How log lines look
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub log: Option<LogFormat>,

    /// Read credentials from this open file descriptor: authority, user and password, each ended
    /// by a NUL byte, as often as needed (they never stand on the command line)
    #[arg(long, value_name = "N")]
    pub credentials_fd: Option<i32>,

    /// Read credentials from this TOML file: for each proxy [[credentials]], proxy = "HOST:PORT",
    /// user, password. It must be root's or this user's own, and nobody else's to read (chmod 600)
    #[arg(long, value_name = "FILE")]
    pub credentials_file: Option<PathBuf>,

    /// Read credentials from this folder, where a secret is mounted: the files proxy (HOST:PORT),
    /// user and password. Who can read them is whoever mounts it to say
    #[arg(long, value_name = "DIR")]
    pub credentials_secret: Option<PathBuf>,

    /// Serve clients of these networks too, beside this machine and its neighbours on the interface
    /// that a listener's address belongs to: 10.20.0.0/16
    #[arg(long, value_name = "NET", num_args = 1..)]
    pub clients: Vec<IpNet>,

    /// Let clients CONNECT to these ports only: numbers with commas, or `all` [all]
    #[arg(long, value_name = "PORTS")]
    pub connect_ports: Option<Ports>,

    /// Let --listen and --chained stand on 0.0.0.0 or [::] although an upstream wants a user: every network that
    /// this machine is attached to can then use the credentials
    #[arg(long)]
    pub wildcard: bool,

    /// Let these users of this machine use lent credentials too, beside root and the one who lent
    /// them: numbers with commas, or `all`; the others get the route without the credentials
    #[arg(long, value_name = "UIDS")]
    pub credential_users: Option<CredentialUsers>,

    /// When told to end (SIGTERM, SIGINT), give live connections this many seconds to end by
    /// themselves; a second signal ends them at once [5]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32))]
    pub drain: Option<u32>,

    /// Carry connections with so many threads [one for every two processors: the others are for
    /// those whose connections they are]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroU8>,

    /// How much one HTTP message may cost; in the file only, as `[limits]`.
    #[arg(skip)]
    pub limits: Limits,

    /// Read all of this from a TOML file with the same names instead; there, [limits] says how much
    /// one HTTP message may cost
    #[arg(long, value_name = "FILE", exclusive = true)]
    #[serde(skip)]
    pub config: Option<PathBuf>,
}

impl RunFlags {
    /// These flags, or those of the file that they name, which keep naming it.
    ///
    /// # Errors
    /// The file cannot be read or understood.
    pub fn resolve(self) -> Result<Self, ConfigFileError> {
        match self.config {
            None => Ok(self),
            Some(path) => Ok(Self {
                config: Some(path.clone()),
                ..super::file::read(&path)?
            }),
        }
    }

    /// The validated configuration.
    ///
    /// # Errors
    /// See [`FlagsError`].
    pub fn into_config(self) -> Result<EngineConfig, FlagsError> {
        let upstreams: Vec<Upstream> = self
            .upstream
            .iter()
            .map(|url| url.parse())
            .collect::<Result<_, UpstreamError>>()?;
        let rules: Vec<Rule> = { self.rule.iter() }
            .map(|rule| rule.parse())
            .collect::<Result<_, RuleError>>()?;
        if self.intercept.is_empty() && self.ports.is_some() {
            return Err(FlagsError::PortsAlone);
        }
        if self.transparent.is_empty() && !self.intercept.is_empty() {
            return Err(FlagsError::NoTransparentListener);
        }
        let chain = self.chain()?;
        let says_policy = chain.to.is_some()
            || !upstreams.is_empty()
            || self.pac.is_some()
            || !rules.is_empty()
            || !self.intercept.is_empty()
            || self.bypass.is_some()
            || !self.clients.is_empty();
        let listen = if self.listen.is_empty() && self.transparent.is_empty() {
            vec![crate::engine::DEFAULT_LISTEN]
        } else {
            self.listen
        };
        let told = match &chain.to {
            Some(to) => Policy::decided_by(&to.engine),
            None => Policy {
                default: if let Some(path) = &self.pac {
                    by_script(path, self.pac_unavailable.unwrap_or_default(), upstreams)?
                } else if upstreams.is_empty() {
                    DefaultRoute::Direct
                } else {
                    DefaultRoute::Upstreams { upstreams }
                },
                rules,
                ..Policy::direct("command line")
            },
        };
        let policy = says_policy.then(|| Policy {
            bypass: self.bypass.map(|text| text.0).unwrap_or_default(),
            clients: self.clients,
            tickets: self.ticket_for,
            intercept: Interception {
                interfaces: self.intercept,
                exclude: self.exclude,
                ports: self.ports.unwrap_or_default(),
                ignore_forward: self.ignore_forward,
            },
            ..told
        });
        let access = Access {
            credential_users: self.credential_users.unwrap_or_default(),
            connect_ports: self.connect_ports.unwrap_or(Ports::All),
            wildcard: self.wildcard,
        };
        let intercepts = policy
            .as_ref()
            .is_some_and(|policy| !policy.intercept.interfaces.is_empty());
        Ok(EngineConfig {
            listen,
            transparent: self.transparent,
            chain,
            control: self.control,
            metrics: self.metrics,
            control_group: self.control_group,
            state: self.state,
            intercept_by: match self.broker {
                Some(socket) => InterceptBy::Broker(socket),
                None if intercepts => InterceptBy::ThisProcess {
                    drop_capabilities: true,
                },
                None => InterceptBy::Nobody,
            },
            netns: self.netns,
            idle_limit: self.idle_limit.map_or_else(IdleLimit::default, |seconds| {
                IdleLimit(Duration::from_secs(seconds.get().into()))
            }),
            policy,
            pac_program: Program::This,
            access,
            upstream_ca: self.upstream_ca,
            limits: self.limits,
        })
    }

    /// Engines before and behind this one.
    fn chain(&self) -> Result<Chain, FlagsError> {
        let to = match (&self.chain, &self.chain_key) {
            (Some(engine), Some(key)) => Some(ChainTo {
                engine: engine.clone(),
                key: key.clone(),
            }),
            (Some(_), None) => return Err(FlagsError::Alone("--chain", "--chain-key FILE")),
            (None, Some(_)) => return Err(FlagsError::Alone("--chain-key", "--chain HOST:PORT")),
            (None, None) => None,
        };
        match (self.chained.is_empty(), &self.chained_keys) {
            (false, None) => return Err(FlagsError::Alone("--chained", "--chained-keys FILE")),
            (true, Some(_)) => return Err(FlagsError::Alone("--chained-keys", "--chained ADDR")),
            (true, None) | (false, Some(_)) => {}
        }
        let idle = [
            ("--upstream", !self.upstream.is_empty()),
            ("--upstream-ca", self.upstream_ca.is_some()),
            ("--pac", self.pac.is_some()),
            ("--rule", !self.rule.is_empty()),
            ("--ticket-for", !self.ticket_for.is_empty()),
            ("--bypass", self.bypass.is_some()),
            ("--credentials-fd", self.credentials_fd.is_some()),
            ("--credentials-file", self.credentials_file.is_some()),
            ("--credentials-secret", self.credentials_secret.is_some()),
            ("--credential-users", self.credential_users.is_some()),
            ("--connect-ports", self.connect_ports.is_some()),
            ("--wildcard", self.wildcard),
        ];
        if to.is_some()
            && let Some((flag, _)) = idle.into_iter().find(|(_, given)| *given)
        {
            return Err(FlagsError::DecidesNothing(flag));
        }
        Ok(Chain {
            to,
            listen: self.chained.clone(),
            keys: self.chained_keys.clone(),
        })
    }
}

/// The script of the file decides.
fn by_script(
    path: &Path,
    unavailable: Unavailable,
    logins: Vec<Upstream>,
) -> Result<DefaultRoute, FlagsError> {
    let failed = |what: String| FlagsError::Pac {
        path: path.to_owned(),
        what,
    };
    if logins.iter().any(|login| login.user().is_none()) {
        return Err(FlagsError::NoUser);
    }
    let bytes = pac::read(path).map_err(|error| failed(error.to_string()))?;
    let text = pac::decode(&bytes, None).map_err(|error| failed(error.to_string()))?;
    Ok(DefaultRoute::Pac {
        script: Script::new(&text).map_err(|error| failed(error.to_string()))?,
        unavailable,
        logins,
    })
}
