//! What the demo's own processes do in their namespaces: hold them, serve, fetch.

use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use clap::Subcommand;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::network::NAME;

/// What the page on the demo's internet says.
pub(super) const GREETING: &str = "hello from the internet";
/// A pod that cannot get out finds out after this long.
const PATIENCE: Duration = Duration::from_secs(2);
/// More than the page is never read.
const MOST: u64 = 64 * 1024;

/// A role of one process of the demo. Not for people: `gangway demo` starts them.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// Keep a namespace open until the input ends, with `hosts_file` as its `/etc/hosts`.
    Hold {
        /// Absolute path.
        hosts_file: String,
    },
    /// The origin: HTTP on port 80 and HTTPS on 443, until the input ends.
    Origin,
    /// Get a page, trusting the certificates on standard input, and print how it went.
    Fetch {
        /// `http://…` or `https://…`
        url: String,
    },
}

/// Carries out a role; ends with the demo.
pub(crate) async fn run(role: Role) -> Result<(), Box<dyn std::error::Error>> {
    match role {
        Role::Hold { hosts_file } => hold(&hosts_file),
        Role::Origin => origin().await,
        Role::Fetch { url } => fetch(&url).await,
    }
}

fn hold(hosts_file: &str) -> Result<(), Box<dyn std::error::Error>> {
    // In this process's own mount namespace: the machine's file is not touched.
    rustix::mount::mount_bind(hosts_file, "/etc/hosts")?;
    println!("ready");
    // Waits for the end of input, which is the end of the demo.
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Reads certificate and key (PEM, the key last) from standard input up to an empty line.
fn server_identity() -> Result<rustls::ServerConfig, Box<dyn std::error::Error>> {
    let mut pem = String::new();
    for line in std::io::stdin().lines() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        pem.push_str(&line);
        pem.push('\n');
    }
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes())?;
    Ok(rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?)
}

async fn origin() -> Result<(), Box<dyn std::error::Error>> {
    let tls = tokio_rustls::TlsAcceptor::from(Arc::new(server_identity()?));
    let plain = TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 80))).await?;
    let secure = TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 443))).await?;
    println!("ready");
    // The end of input ends this process, whatever it waits for.
    std::thread::spawn(|| {
        // Nothing is lost when reading fails: then, too, the demo is over.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    loop {
        tokio::select! {
            accepted = plain.accept() => {
                let (stream, _) = accepted?;
                tokio::spawn(answer(stream));
            }
            accepted = secure.accept() => {
                let (stream, _) = accepted?;
                let tls = tls.clone();
                tokio::spawn(async move {
                    if let Ok(stream) = tls.accept(stream).await {
                        answer(stream).await;
                    }
                });
            }
        }
    }
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < 16 * 1024 {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{GREETING}",
        GREETING.len()
    );
    // A client that went away needs no answer.
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

async fn fetch(url: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut pem = Vec::new();
    std::io::stdin().take(MOST).read_to_end(&mut pem)?;
    let body = tokio::time::timeout(PATIENCE, get(url, &pem))
        .await
        .map_err(|_| format!("no answer within {} s", PATIENCE.as_secs()))??;
    if !body.ends_with(GREETING) || !body.starts_with("HTTP/1.1 200") {
        let first = body.lines().next().unwrap_or("an empty answer");
        return Err(format!("not the page that was asked for: {first}").into());
    }
    println!("{GREETING}");
    Ok(())
}

async fn get(url: &str, pem: &[u8]) -> Result<String, Box<dyn std::error::Error>> {
    let secure = url.starts_with("https://");
    let stream = TcpStream::connect((NAME, if secure { 443 } else { 80 })).await?;
    if !secure {
        return exchange(stream).await;
    }
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate?)?;
    }
    let config = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    exchange(
        connector
            .connect(ServerName::try_from(NAME)?, stream)
            .await?,
    )
    .await
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
) -> Result<String, Box<dyn std::error::Error>> {
    let request = format!("GET / HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.take(MOST).read_to_string(&mut answer).await?;
    Ok(answer)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
