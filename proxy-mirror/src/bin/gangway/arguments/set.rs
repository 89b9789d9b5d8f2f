//! `gangway set`.

use clap::{Subcommand, ValueEnum};
use proxy_mirror::bypass::Dialect;
use proxy_mirror::settings::{Mode, PacUnavailable, Style};

#[derive(Debug, Subcommand)]
pub(crate) enum SetCommand {
    /// Where the proxy comes from
    Mode {
        /// system: what this machine says; manual: `set upstream`; pac: `set pac`; off: direct
        mode: ModeArgument,
    },
    /// The upstreams of mode `manual`, in order; switches to it
    #[command(after_help = "\
Where a proxy asks for a password, name the user here and store the password with `gangway login`.
Of several, each serves while those before it cannot be had. They may speak http, https, socks4,
socks4a, socks5 or socks5h.
  gangway set upstream http://ann@proxy.corp:3128 && gangway login
  gangway set upstream http://one.corp:3128 https://two.corp:3129 socks5h://three.corp:1080")]
    Upstream {
        /// `http://HOST:PORT` or `http://USER@HOST:PORT`
        #[arg(required = true)]
        urls: Vec<String>,
    },
    /// A file of certificates that proxies over TLS may prove themselves by, beside the system's
    #[command(after_help = "\
  gangway set upstream-ca /etc/corp/ca.pem
  gangway set upstream-ca ''")]
    UpstreamCa {
        /// Absolute path of a PEM file; '' for none
        file: String,
    },
    /// Proxies that are shown your Kerberos ticket, where they ask for one
    #[command(after_help = "\
The ticket is that of whoever runs the engine: yours where the agent runs it, not where the service
does (log in with a password there: it gets a ticket for it).
  gangway set tickets proxy.corp:3128,two.corp:3129
  gangway set tickets ''")]
    Tickets {
        /// HOST:PORT, with commas between them
        list: String,
    },
    /// Destinations that go a way of their own; the first rule that names one decides
    #[command(after_help = "\
  gangway set rules 'registry.example.com=http://other.corp:8080' '.lab.example=direct'
  gangway set rules ''")]
    Rules {
        /// ENTRY=WAY, as the engine's --rule has them
        #[arg(required = true)]
        rules: Vec<String>,
    },
    /// The PAC file of mode `pac`; switches to it
    #[command(after_help = "\
The script is fetched without a proxy, and again every minute where the server says that it has
changed. Who you are at proxies that it names, `gangway login` says.
  gangway set pac http://wpad.corp.example/proxy.pac
  gangway set pac file:///etc/corp/proxy.pac
  gangway set pac - < proxy.pac")]
    Pac {
        /// http, https or file; `-` reads the script itself from standard input
        url: String,
    },
    /// What holds where no PAC script can be had, or it gives no answer
    PacUnavailable {
        /// block: what is not direct is refused; direct: everything is dialled directly
        what: UnavailableArgument,
    },
    /// What targets are told
    Style {
        /// relay: the engine's address; mirror: the upstream itself
        style: StyleArgument,
    },
    /// Whether containers keep running while dockerd restarts
    #[command(after_help = "\
`live-restore` is set in daemon.json with the next `apply`; dockerd reads it, and is restarted only
once it says that it is in force. `gangway undo` takes it out again, and the restart that comes with
that stops containers, as one without live-restore does. Not for a swarm, where dockerd knows none.
  gangway set live-restore yes && gangway apply")]
    LiveRestore {
        /// yes or no
        #[arg(value_enum)]
        whether: YesNo,
    },
    /// Whether dockerd may be restarted where this machine is part of a swarm
    #[command(after_help = "\
A restart moves the tasks that run here to other nodes.
  gangway set restart-swarm yes && gangway apply")]
    RestartSwarm {
        /// yes or no
        #[arg(value_enum)]
        whether: YesNo,
    },
    /// Whether builders of `docker buildx` may be made anew with the proxy
    #[command(after_help = "\
The container of a builder gets its proxy when it is made. A new one takes its place, with the same
name, options and cache; never while a build runs, and never before `apply` has shown it.
  gangway set recreate-builders yes && gangway apply
  gangway set leave-alone buildx:NAME   not this one
  gangway undo buildx:NAME              as it was, with its cache")]
    RecreateBuilders {
        /// yes or no
        #[arg(value_enum)]
        whether: YesNo,
    },
    /// Targets that nothing is asked of
    #[command(after_help = "\
What they were told already stays: `gangway undo TARGET` takes it out, and names it here.
  gangway set leave-alone docker-cli,wsl:Ubuntu/docker-daemon
  gangway set leave-alone ''")]
    LeaveAlone {
        /// Targets as `gangway status` names them, with commas between them
        list: String,
    },
    /// Destinations that are dialled directly, beside the private ranges
    #[command(after_help = "\
Examples:
  gangway set bypass .corp.example,git.example.com:22,192.0.2.0/24
  gangway set bypass '=git.example.com,*corp.example,<local>'
  gangway set bypass '*,!example.com'   everything but example.com and what is below it
  gangway set bypass '*.corp.example;10.*' --dialect windows
  gangway set bypass ''")]
    Bypass {
        /// Hosts with what is below them, .domains alone, =hosts alone, patterns with *, addresses,
        /// networks and <local>, with commas between them; ! before one leaves it out
        list: String,
        /// How the list is written: gangway, windows, macos, gnome, kde, kde-reversed, firefox,
        /// chrome, go, curl or docker
        #[arg(long, value_name = "DIALECT", default_value_t = Dialect::Gangway)]
        dialect: Dialect,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ModeArgument {
    System,
    Manual,
    Pac,
    Off,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum YesNo {
    Yes,
    No,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum UnavailableArgument {
    Block,
    Direct,
}

impl From<UnavailableArgument> for PacUnavailable {
    fn from(what: UnavailableArgument) -> Self {
        match what {
            UnavailableArgument::Block => Self::Block,
            UnavailableArgument::Direct => Self::Direct,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum StyleArgument {
    Relay,
    Mirror,
}

impl From<ModeArgument> for Mode {
    fn from(mode: ModeArgument) -> Self {
        match mode {
            ModeArgument::System => Self::System,
            ModeArgument::Manual => Self::Manual,
            ModeArgument::Pac => Self::Pac,
            ModeArgument::Off => Self::Off,
        }
    }
}

impl From<StyleArgument> for Style {
    fn from(style: StyleArgument) -> Self {
        match style {
            StyleArgument::Relay => Self::Relay,
            StyleArgument::Mirror => Self::Mirror,
        }
    }
}
