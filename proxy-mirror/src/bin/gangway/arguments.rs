//! The command line.

mod set;

use clap::{Parser, Subcommand};
use proxy_mirror::bypass::Dialect;

pub(crate) use set::{SetCommand, YesNo};

/// One proxy address for Docker, WSL2 and clusters; what stands behind it changes live.
#[derive(Debug, Parser)]
#[command(name = "gangway", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Arguments {
    /// Print JSON (`schemas/` describes it); problems too
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Log more to standard error; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  gangway run                     watch this machine's proxy settings and follow them
  gangway status                  source, policy, engine and each target, asked now
  gangway plan                    what `apply` would change, as a diff
  gangway apply                   show the diff, ask, then do it
  gangway undo                    give every file back, byte for byte
  gangway explain https://example.com/
  gangway doctor                  what disagrees anywhere, and what to do
  gangway connections             who is connected, which way, and why
  gangway set upstream http://proxy.corp:3128
  gangway login                   store the proxy's password in the keychain
  gangway off                     everything direct, at once; `gangway on` goes back

Exit codes: 0 done, 1 failed, 2 wrong usage (of plan also: there is something to do), 3 another agent
runs, 4 something is not in force (status) or broken (doctor), 130 interrupted.";

#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    /// URL, or host and port
    pub(crate) url: String,
    /// Ask for it through the engine, and say what happened
    #[arg(long = "try", conflicts_with_all = ["upstream", "pac", "bypass"])]
    pub(crate) try_out: bool,
    /// Answer for this proxy, not for what is set; several are tried in order
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: Vec<String>,
    /// Answer for this PAC script, not for what is set
    #[arg(long, value_name = "FILE", conflicts_with = "upstream")]
    pub(crate) pac: Option<std::path::PathBuf>,
    /// Answer for this list of exceptions, not for what is set
    #[arg(long, value_name = "LIST")]
    pub(crate) bypass: Option<String>,
    /// How --bypass is written: gangway, windows, macos, gnome, kde, kde-reversed, firefox, chrome,
    /// go, curl or docker
    #[arg(long, value_name = "DIALECT", requires = "bypass", default_value_t = Dialect::Gangway)]
    pub(crate) dialect: Dialect,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    /// Carry out what Gangway itself can mend, then look again
    #[arg(long)]
    pub(crate) fix: bool,
    /// With --fix: do not ask
    #[arg(short, long, requires = "fix")]
    pub(crate) yes: bool,
    /// Write all of it, status, plan and settings too, into a new file for somebody who helps: no
    /// password is in it, and names of hosts and users are
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle: Option<std::path::PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Be the agent: watch the sources, tell the engine, lend it the passwords; until Ctrl-C
    #[command(after_help = "\
Prints a line whenever something changes; with --json a status a line.
One agent a user: where the tray app or another `gangway run` is the agent, this says where and
ends with 3.")]
    Run,
    /// Show source, policy, engine and each target, asked now
    #[command(after_help = "\
Ends with 4 when something that should be in force is not.
  gangway status --json | jq '.targets[] | {id, state}'")]
    Status,
    /// Show what `apply` would change, as a diff
    #[command(after_help = "\
Ends with 0 when there is nothing to do, with 2 when there is.
The diff is what `patch -p1 -d /` accepts:
  gangway plan --json | jq -r .diff")]
    Plan,
    /// Show the plan, ask, carry it out, ask each target
    #[command(after_help = "\
Examples:
  gangway apply           shows the diff and asks
  gangway apply --yes     for scripts")]
    Apply {
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Give every touched file back, or those of one target, byte for byte
    #[command(after_help = "\
Files that Gangway changed are again what they were, mode and owner included; files that it made go
away. What somebody else wrote into them since is kept: only Gangway's part is taken out. What had
been restarted for them and still runs, as dockerd may, restarts once more. The engine's service
stays (`gangway engine remove`), and so do settings.toml and the keychain.
Examples:
  gangway undo                 asks first
  gangway undo --yes           for scripts
  gangway undo docker-cli      that target alone; `apply` leaves it alone from then on, until
                               `gangway set leave-alone ''`")]
    Undo {
        /// A target, as `gangway status` names them: docker-daemon, docker-cli, podman, …; without it, all
        target: Option<String>,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Say how a URL would go, which rule decided, and where the rule came from
    #[command(after_help = "\
Examples:
  gangway explain https://registry.example.com/v2/
  gangway explain 10.1.2.3:8080
  gangway explain https://example.com/ --try
  gangway explain https://example.com/ --pac proxy.pac
  gangway explain https://a.example.com/ --bypass '*.example.com;<local>' --dialect windows
The schema of --json is schemas/explain.json; fields are added, never renamed or removed.")]
    Explain(Explain),
    /// Look at every layer: what is in force there, what disagrees, and what to do
    #[command(after_help = "\
One line a check: source, engine, upstream, targets, containers that run, builders, systemd, files
of shells, other tools. Each that is not as it should be says what to do. Nothing is changed without
--fix. Nothing is sent anywhere but to the proxies themselves, and by dockerd to a registry that it
has pulled from: is that image still there? Ends with 4 when something is broken.
  gangway doctor --fix              mend what Gangway itself can, after a yes
  gangway doctor --bundle b.json    one file for somebody who helps
  gangway doctor --json | jq '.findings[] | select(.verdict != \"good\")'")]
    Doctor(Doctor),
    /// Show who is connected, whereto, which way and why
    #[command(after_help = "\
Asks the engine: whose each connection is (a process, a container), the name and the address, the
way it went and the rule that decided, bytes, age. Of processes the engine service sees the user
alone: for the program this looks with your rights, and so as root for everybody's.
Examples:
  gangway connections             the open ones
  gangway connections --all       and the last 256 that ended, with their errors
  gangway connections --watch     what happens from now on, a line each, until Ctrl-C
  gangway connections --watch --json | jq 'select(.event == \"ended\") | .connection'")]
    Connections {
        /// Those that ended lately, too
        #[arg(short, long, conflicts_with = "watch")]
        all: bool,
        /// Go on: a line when one has its way, and when it ends
        #[arg(short, long)]
        watch: bool,
    },
    /// The engine as a service of the system, from boot on
    #[command(
        subcommand,
        after_help = "\
The service answers at the address that targets are told, whether or not anybody is logged in. It
runs as a system user of its own without privilege; a broker beside it holds the firewall rules.
Examples:
  gangway engine install  asks, then for root where this is not root
  gangway engine status   ends with 4 when it does not answer
  gangway engine remove   takes all of it away again"
    )]
    Engine(EngineCommand),
    /// Store an upstream's password in the keychain
    #[command(after_help = "\
The password is asked for without echo, or read from standard input; never from the command line.
  gangway login
  gangway login http://ann@proxy.corp:3128
  pass show proxy | gangway login http://ann@proxy.corp:3128")]
    Login {
        /// The upstream; without it the one in use
        upstream: Option<String>,
        /// User name, where the upstream does not say it
        #[arg(short, long)]
        user: Option<String>,
    },
    /// Forget an upstream's password
    Logout {
        /// The upstream; without it the one in use
        upstream: Option<String>,
    },
    /// Show the profiles, or choose the one that holds
    #[command(after_help = "\
A profile is what is another in one network. It stands in settings.toml; every kind of mark that it
names must be there, and of each kind one is enough; the first profile whose network this is holds:
  [[profiles]]
  name = \"office\"
  gateway = [\"10.1.0.1\"]             default gateways
  dns_suffix = [\"corp.example\"]      domains that names are looked up in
  interface = [\"eth0\", \"wg*\"]      interfaces with an address
  reachable = [\"proxy.corp:8080\"]    what takes a connection within a second
  mode = \"manual\"                    and in the place of the settings': mode, upstream, fallbacks,
  upstream = \"http://proxy.corp:8080\"    pac, bypass, rules
Examples:
  gangway profile           which there are, and which holds
  gangway profile office    this one, whatever the network
  gangway profile auto      the network decides again")]
    Profile {
        /// A profile's name, or `auto`
        name: Option<String>,
    },
    /// Change a setting; it holds for new connections at once
    #[command(
        subcommand,
        after_help = "\
It is written to settings.toml, which may be edited by hand as well: comments and order stay. New
connections follow within a second, and nothing restarts; what targets are told changes only with
`gangway apply`.
Examples:
  gangway set upstream http://ann@proxy.corp:3128
  gangway set mode system
  gangway set bypass .corp.example,192.0.2.0/24"
    )]
    Set(SetCommand),
    /// Switch on: back to the mode before `off`
    #[command(after_help = "\
Changes `mode` in settings.toml and nothing else. New connections go the way of that mode at once.
  gangway on && gangway status")]
    On,
    /// Switch off: everything direct at once; what targets were told stays
    #[command(after_help = "\
Changes `mode` in settings.toml and nothing else: targets keep the engine's address, the engine
dials directly, and nothing restarts. To take Gangway out of the targets too:
  gangway off && gangway undo
For a while, after which it switches itself on again, whether or not an agent runs then:
  gangway off --for 30m")]
    Off {
        /// So long alone: 30m, 2h, 1d; a minute to a week
        #[arg(long = "for", value_name = "TIME", value_parser = seconds)]
        while_: Option<u32>,
    },
    /// Show the idea in twenty seconds: no Docker and no company needed (Linux, root)
    #[command(after_help = "\
Makes a company's network of namespaces with a proxy of its own, shows a pod that cannot get out,
switches Gangway on, shows the pod getting out and the way it went, kills the engine, shows that
nothing of it is left, and takes everything away again. Where Docker answers, a real container is
the pod.")]
    Demo,
    /// A process of the demo's network
    #[command(hide = true, subcommand)]
    DemoRole(crate::demo::Role),
    /// The privileged side: carries out what it reads on standard input, or in a file
    #[command(hide = true)]
    Helper {
        /// What a message about root named
        file: Option<std::path::PathBuf>,
    },
}

/// `90s`, `30m`, `2h`, `1d`, in seconds.
fn seconds(text: &str) -> Result<u32, String> {
    let wrong = || "write a number and s, m, h or d: 30m".to_owned();
    let (number, unit) = text
        .split_at_checked(text.len().saturating_sub(1))
        .ok_or_else(wrong)?;
    let of_unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: u32 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(of_unit).ok_or_else(wrong)
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum EngineCommand {
    /// Install and start the service (needs root)
    #[command(after_help = "\
Copies the engine to /usr/local/lib/gangway, writes gangway-engine.service and
gangway-broker.service to /etc/systemd/system, makes the system user `gangway`, and starts both,
now and at each boot. No target is told of it: that is `gangway apply`.
Over an older one, the new engine takes the place of the running one, and no connection is cut. The
broker goes on with the program that it began with, until its next start.
  gangway engine install --yes && gangway apply")]
    Install {
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Stop and remove the service, and everything that came with it (needs root)
    #[command(after_help = "\
Targets that were told its address keep it: give them back first.
  gangway undo && gangway engine remove")]
    Remove {
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Say whether it is installed, runs and answers, and which version it has
    #[command(after_help = "\
Ends with 4 when it does not.
  gangway engine status --json | jq .service")]
    Status,
}

impl Command {
    /// Whether it ends itself in order when it is interrupted.
    pub(crate) fn ends_by_itself(&self) -> bool {
        matches!(self, Self::Run | Self::Helper { .. } | Self::DemoRole(_))
    }
}
