//! Who wants to get out and knows no proxy: a namespace, or with Docker a real container.

use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::DemoError;
use super::network::{BRIDGE, Host, NAME, ORIGIN, cable, own_program};

/// Addresses behind the bridge.
const SUBNET: &str = "10.244.77.0/24";

/// The client of the story.
pub(super) enum Pod {
    /// A namespace behind a bridge, as a container runtime would make it.
    Namespace(Host),
    /// A container of this machine's Docker, from an image that holds this program alone.
    Container(Container),
}

/// What was made in Docker, to be taken away again.
pub(super) struct Container {
    image: String,
    network: String,
    program: String,
}

impl Pod {
    /// A pod behind a bridge of `node`.
    pub(super) async fn in_namespace(node: &Host, hosts_file: &str) -> Result<Self, DemoError> {
        let pod = Host::new("pod", hosts_file).await?;
        let port = (Some(node), "veth-pod", None);
        cable(port, (&pod, "eth0", "10.244.77.5/24")).await?;
        node.ip(&["link", "add", BRIDGE, "type", "bridge"]).await?;
        node.ip(&["addr", "add", "10.244.77.1/24", "dev", BRIDGE])
            .await?;
        node.ip(&["link", "set", BRIDGE, "up"]).await?;
        node.ip(&["link", "set", "veth-pod", "master", BRIDGE])
            .await?;
        node.sysctl("ipv4/ip_forward", "1").await?;
        pod.ip(&["route", "add", "default", "via", "10.244.77.1"])
            .await?;
        Ok(Self::Namespace(pod))
    }

    /// A container on a network of its own.
    pub(super) async fn in_docker(folder: &Path) -> Result<Self, DemoError> {
        let name = "gangway-demo".to_owned();
        let root = folder.join("image");
        let program = copy_program(&root).await?;
        let container = Container {
            image: name.clone(),
            network: name,
            program,
        };
        let tar = folder.join("image.tar");
        if container.exists().await {
            // A demo that was interrupted could not take it away.
            container.remove().await?;
        }
        let (tar, root) = (tar.to_string_lossy(), root.to_string_lossy());
        command("tar", &["-C", &root, "-cf", &tar, "."]).await?;
        command("docker", &["import", &tar, &container.image]).await?;
        let bridge = format!("com.docker.network.bridge.name={BRIDGE}");
        let network = ["network", "create", "--opt", &bridge, "--subnet", SUBNET];
        if let Err(error) = command(
            "docker",
            &[&network[..], &[container.network.as_str()]].concat(),
        )
        .await
        {
            container.remove().await?;
            return Err(error);
        }
        Ok(Self::Container(container))
    }

    /// Gets a page; `Err` is what the client saw.
    pub(super) async fn fetch(&self, url: &str, ca: &str) -> Result<Result<(), String>, DemoError> {
        let mut fetch = match self {
            Self::Namespace(host) => {
                let mut fetch = host.command(own_program()?);
                fetch.args(["demo-role", "fetch", url]);
                fetch
            }
            Self::Container(container) => {
                let mut fetch = Command::new("docker");
                let host = format!("{NAME}:{ORIGIN}");
                fetch.args(["run", "--rm", "-i", "--network", &container.network]);
                // The image has no shell and no variables: nothing tells it of a proxy.
                fetch.args(["--add-host", &host, &container.image, &container.program]);
                fetch.args(["demo-role", "fetch", url]);
                fetch
            }
        };
        let mut child = fetch
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| DemoError::Start {
                program: "the client",
                source,
            })?;
        if let Some(mut stdin) = child.stdin.take() {
            // A client that ended before it read this says why in its own words.
            let _ = stdin.write_all(ca.as_bytes()).await;
        }
        let output = child
            .wait_with_output()
            .await
            .map_err(|source| DemoError::Start {
                program: "the client",
                source,
            })?;
        if output.status.success() {
            return Ok(Ok(()));
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Ok(Err(said
            .lines()
            .last()
            .unwrap_or("it ended without a word")
            .to_owned()))
    }

    /// Takes away what was made.
    pub(super) async fn remove(self) -> Result<(), DemoError> {
        match self {
            Self::Namespace(host) => {
                host.remove().await;
                Ok(())
            }
            Self::Container(container) => container.remove().await,
        }
    }
}

impl Container {
    async fn exists(&self) -> bool {
        command("docker", &["network", "inspect", &self.network])
            .await
            .is_ok()
    }

    async fn remove(&self) -> Result<(), DemoError> {
        // Both are tried, whatever becomes of the first.
        let network = command("docker", &["network", "rm", &self.network]).await;
        let image = command("docker", &["rmi", "--force", &self.image]).await;
        image.and(network)
    }
}

/// Whether a Docker answers on this machine.
pub(super) async fn docker_answers() -> bool {
    let asked = Command::new("docker")
        .args(["version", "--format", "{{.Server.Version}}"])
        .stdin(Stdio::null())
        .output()
        .await;
    asked.is_ok_and(|output| output.status.success())
}

/// Copies this program and the libraries it needs below `root`, at the paths they have here.
async fn copy_program(root: &Path) -> Result<String, DemoError> {
    let program = own_program()?;
    let output = Command::new("ldd")
        .arg(&program)
        .output()
        .await
        .map_err(|source| DemoError::Start {
            program: "ldd",
            source,
        })?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let libraries = text
        .lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
        .map(std::path::PathBuf::from);
    for file in libraries.chain([program.clone()]) {
        let copy = root.join(file.strip_prefix("/").unwrap_or(&file));
        let folder = copy.parent().unwrap_or(root);
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::copy(&file, &copy).map(drop))
            .map_err(|source| DemoError::File {
                path: file.clone(),
                source,
            })?;
    }
    Ok(program.to_string_lossy().into_owned())
}

async fn command(program: &'static str, args: &[&str]) -> Result<(), DemoError> {
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|source| DemoError::Start { program, source })?;
    if output.status.success() {
        return Ok(());
    }
    Err(DemoError::Network {
        host: program.to_owned(),
        command: args.join(" "),
        message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}
