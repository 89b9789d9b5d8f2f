//! The story itself, step by step.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::Instant;

use proxy_engine::control::{Connection, RouteTaken};
use proxy_mirror::control::{DemoClient, DemoStep, Demonstration};
use tokio::io::AsyncWriteExt as _;

use super::engine::Engine;
use super::network::{self, Host, NAME, NODE, ORIGIN, PROXY, cable, own_program};
use super::pod::{self, Pod};
use super::{DemoError, spoken_to, wait_for_line};
use crate::output::{Output, Tone};

/// Tells it: prints each step as it happens unless `quiet`, and takes everything away at the end.
pub(crate) async fn tell(output: Output) -> Result<Demonstration, DemoError> {
    if !rustix::process::geteuid().is_root() {
        return Err(DemoError::NotRoot);
    }
    let began = Instant::now();
    let folder = tempfile::Builder::new()
        .prefix("gangway-demo-")
        .tempdir()
        .map_err(|source| DemoError::File {
            path: std::env::temp_dir(),
            source,
        })?;
    let mut teller = Teller {
        output,
        steps: Vec::new(),
    };
    let in_docker = pod::docker_answers().await && !service_answers().await;
    teller.say(&format!(
        "A company in a box: the internet ({NAME}), the company's proxy ({PROXY}), a node and {}.",
        if in_docker {
            "a container of this machine's Docker"
        } else {
            "a pod"
        }
    ));
    let stage = Stage::set(folder.path(), in_docker).await?;
    let told = stage.play(&mut teller, folder.path()).await;
    stage.strike().await?;
    told?;
    let seconds = began.elapsed().as_secs_f64();
    teller.say(&format!(
        "Everything the demo made is gone again. {seconds:.1} s."
    ));
    Ok(Demonstration {
        ok: teller.steps.iter().all(|step| step.ok),
        client: if in_docker {
            DemoClient::Container
        } else {
            DemoClient::Namespace
        },
        steps: teller.steps,
        seconds,
    })
}

/// Where the story plays.
struct Stage {
    internet: Host,
    origin: tokio::process::Child,
    proxy: Host,
    company: Engine,
    /// `None`: this machine itself is the node.
    node: Option<Host>,
    pod: Pod,
    /// The origin's certificate, PEM.
    ca: String,
}

impl Stage {
    async fn set(folder: &Path, in_docker: bool) -> Result<Self, DemoError> {
        let hosts = folder.join("hosts");
        let text = format!("127.0.0.1 localhost\n{ORIGIN} {NAME}\n");
        std::fs::write(&hosts, text).map_err(|source| DemoError::File {
            path: hosts.clone(),
            source,
        })?;
        let hosts = hosts.to_string_lossy();

        let internet = Host::new("internet", &hosts).await?;
        let proxy = Host::new("proxy", &hosts).await?;
        cable(
            (Some(&proxy), "internet", Some("203.0.113.1/24")),
            (&internet, "eth0", "203.0.113.10/24"),
        )
        .await?;
        proxy.sysctl("ipv4/ip_forward", "0").await?;
        let (origin, ca) = start_origin(&internet).await?;

        // A real container's node is this machine.
        let node = if in_docker {
            None
        } else {
            Some(Host::new("node", &hosts).await?)
        };
        let (interface, behind) = match node {
            Some(_) => ("eth0", "default"),
            None => ("gwdemo-office", "203.0.113.0/24"),
        };
        cable(
            (node.as_ref(), interface, Some(&format!("{NODE}/24"))),
            (&proxy, "office", &format!("{PROXY}/24")),
        )
        .await?;
        network::ip(node.as_ref(), &["route", "add", behind, "via", PROXY]).await?;
        let company = Engine::company(&proxy, folder).await?;
        // Last: namespaces end with their processes, what Docker keeps does not.
        let pod = match &node {
            Some(node) => Pod::in_namespace(node, &hosts).await?,
            None => Pod::in_docker(folder).await?,
        };
        Ok(Self {
            internet,
            origin,
            proxy,
            company,
            node,
            pod,
            ca,
        })
    }

    async fn play(&self, teller: &mut Teller, folder: &Path) -> Result<(), DemoError> {
        let (http, https) = (format!("http://{NAME}/"), format!("https://{NAME}/"));

        let (plain, secure) = tokio::try_join!(
            self.pod.fetch(&http, &self.ca),
            self.pod.fetch(&https, &self.ca)
        )?;
        let seen = vec![told(&http, &plain), told(&https, &secure)];
        teller.step(
            "Without Gangway, it cannot get out",
            plain.is_err() && secure.is_err(),
            seen,
        );

        let gangway = Engine::gangway(self.node.as_ref(), free_port(), folder).await?;
        let (plain, secure) = tokio::try_join!(
            self.pod.fetch(&http, &self.ca),
            self.pod.fetch(&https, &self.ca)
        )?;
        let mut seen = vec![told(&http, &plain), told(&https, &secure)];
        let connections = gangway.api.connections().await.unwrap_or_default();
        seen.extend(connections.iter().map(route_of));
        let routed = connections
            .iter()
            .filter(|connection| goes_upstream(connection))
            .count();
        let ok = plain.is_ok() && secure.is_ok() && routed >= 2;
        teller.step(
            "With Gangway on, it gets out, and knows nothing of a proxy",
            ok,
            seen,
        );

        let tables = self.tables();
        gangway.kill().await?;
        let left = self.tables();
        let again = self.pod.fetch(&http, &self.ca).await?;
        let seen = vec![
            format!(
                "rules of ours in the firewall before: {}, after: {}",
                tables.len(),
                left.len()
            ),
            told(&http, &again),
        ];
        let ok = tables.len() == 1 && left.is_empty() && again.is_err();
        teller.step(
            "The engine is killed (SIGKILL): nothing of it is left",
            ok,
            seen,
        );
        Ok(())
    }

    /// Our tables in the node's firewall, as the kernel lists them.
    fn tables(&self) -> Vec<String> {
        let pid = self.node.as_ref().map(Host::pid);
        // A thread of its own: entering a namespace is for the calling thread alone.
        let listed = std::thread::spawn(move || {
            if let Some(pid) = pid {
                let ns = std::fs::File::open(format!("/proc/{pid}/ns/net"))?;
                rustix::thread::move_into_link_name_space(
                    std::os::fd::AsFd::as_fd(&ns),
                    Some(rustix::thread::LinkNameSpaceType::Network),
                )?;
            }
            proxy_engine::intercept::tables_of_ours()
        });
        listed.join().ok().and_then(Result::ok).unwrap_or_default()
    }

    async fn strike(mut self) -> Result<(), DemoError> {
        let pod = self.pod.remove().await;
        let company = self.company.kill().await;
        // It ends with its input, or is killed when dropped.
        drop(self.origin.stdin.take());
        let _ = self.origin.wait().await;
        match self.node {
            Some(node) => node.remove().await,
            // The route goes with the cable.
            None => network::ip(None, &["link", "del", "gwdemo-office"]).await?,
        }
        self.proxy.remove().await;
        self.internet.remove().await;
        pod.and(company)
    }
}

async fn start_origin(internet: &Host) -> Result<(tokio::process::Child, String), DemoError> {
    let identity = rcgen::generate_simple_self_signed(vec![NAME.to_owned()])?;
    let ca = identity.cert.pem();
    let mut command = internet.command(own_program()?);
    let mut origin = spoken_to(command.args(["demo-role", "origin"]))
        .spawn()
        .map_err(|source| DemoError::Start {
            program: "gangway",
            source,
        })?;
    let input = format!("{ca}{}\n", identity.signing_key.serialize_pem()).replace("\n\n", "\n");
    if let Some(stdin) = origin.stdin.as_mut() {
        stdin
            .write_all(format!("{input}\n").as_bytes())
            .await
            .map_err(|source| DemoError::Start {
                program: "the origin",
                source,
            })?;
    }
    wait_for_line(&mut origin, "ready").await?;
    Ok((origin, ca))
}

/// Whether an installed engine answers: it may intercept the demo's bridge too, so the demo stays
/// in namespaces then.
async fn service_answers() -> bool {
    let Ok(places) = proxy_mirror::places::Places::from_env() else {
        return false;
    };
    proxy_engine::control::client::Client::new(places.engine_socket)
        .status()
        .await
        .is_ok()
}

/// A port that nothing listens on at this moment.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))
        .and_then(|listener| listener.local_addr())
        .map_or(3183, |address| address.port())
}

fn told(url: &str, outcome: &Result<(), String>) -> String {
    match outcome {
        Ok(()) => format!("{url}  got the page"),
        Err(why) => format!("{url}  no page: {why}"),
    }
}

fn goes_upstream(connection: &Connection) -> bool {
    matches!(connection.route, Some(RouteTaken::Upstream { .. }))
}

fn route_of(connection: &Connection) -> String {
    let name = connection.name.as_deref().unwrap_or("no name");
    let from = connection.client.ip();
    let way = match &connection.route {
        Some(RouteTaken::Direct { reason }) => format!("direct ({reason})"),
        Some(RouteTaken::Upstream { upstream, reason }) => format!("{upstream} ({reason})"),
        Some(RouteTaken::Refused { reason }) => format!("refused ({reason})"),
        Some(RouteTaken::Chained { engine }) => format!("the engine at {engine}"),
        None => "undecided".to_owned(),
    };
    format!("route: {from} → {name} → {way}")
}

/// Prints the steps as they happen and keeps them.
struct Teller {
    output: Output,
    steps: Vec<DemoStep>,
}

impl Teller {
    fn say(&self, text: &str) {
        self.output.line(text);
    }

    fn step(&mut self, title: &str, ok: bool, seen: Vec<String>) {
        let outcome = if ok {
            self.output.tone(Tone::Good, "as it should")
        } else {
            self.output.tone(Tone::Bad, "NOT as it should")
        };
        self.say(&format!("\n{}. {title}: {outcome}", self.steps.len() + 1));
        for line in &seen {
            self.say(&format!("   {line}"));
        }
        self.steps.push(DemoStep {
            title: title.to_owned(),
            ok,
            seen,
        });
    }
}
