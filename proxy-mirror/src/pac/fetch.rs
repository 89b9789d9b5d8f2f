//! One look at a script's address.

use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use proxy_engine::dial::{connect_any, resolve};
use proxy_engine::pac::{self, MOST_BYTES, Script, ScriptError, TextError};
use proxy_engine::route::Host;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::{Address, AddressError};

/// All of it, redirections included.
const WITHIN: Duration = Duration::from_secs(10);
/// So many redirections are followed.
const REDIRECTIONS: usize = 5;

/// Why there is no script at an address.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It is no address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The file or the server cannot be reached.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The server is not who it should be, or speaks no TLS.
    #[error("TLS: {0}")]
    Tls(io::Error),
    /// It speaks no HTTP.
    #[error("the server gives no answer: {0}")]
    Http(#[from] hyper::Error),
    /// It answers something else.
    #[error("the server answers {0}")]
    Status(StatusCode),
    /// It sends us to and fro, or from TLS to plain text.
    #[error("the server sends on to somewhere else that is not followed")]
    Redirection,
    /// It did not come to an end.
    #[error("there is no answer within {} s", WITHIN.as_secs())]
    Timeout,
    /// More than a script may have.
    #[error("it is longer than a PAC script may be (1 MiB)")]
    TooLong,
    /// It is no text.
    #[error(transparent)]
    Text(#[from] TextError),
    /// It is no script.
    #[error(transparent)]
    Script(#[from] ScriptError),
}

/// What came of a look.
#[derive(Debug)]
pub(super) enum Found {
    /// A script.
    Script(Script, Validators),
    /// The one that is known.
    Same,
}

/// What a server wants to hear the next time (RFC 9110, section 8.8).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Validators {
    tag: Option<HeaderValue>,
    modified: Option<HeaderValue>,
}

/// Looks at the address; `known` is what came with the script that is had from there.
pub(super) async fn fetch(text: &str, known: Option<&Validators>) -> Result<Found, FetchError> {
    let address = Address::parse(text)?;
    let looked = tokio::time::timeout(WITHIN, async {
        match address {
            Address::File(path) => from_file(&path).await,
            Address::Inline { bytes, charset } => inline(&bytes, charset.as_deref()),
            server @ Address::Server { .. } => from_server(server, known).await,
        }
    });
    looked.await.map_err(|_| FetchError::Timeout)?
}

async fn from_file(path: &Path) -> Result<Found, FetchError> {
    let path = path.to_owned();
    let read = tokio::task::spawn_blocking(move || pac::read(&path)).await;
    let bytes = read.map_err(io::Error::other)??;
    let script = Script::new(&pac::decode(&bytes, None)?)?;
    Ok(Found::Script(script, Validators::default()))
}

fn inline(bytes: &[u8], charset: Option<&str>) -> Result<Found, FetchError> {
    if bytes.len() > MOST_BYTES {
        return Err(FetchError::TooLong);
    }
    let script = Script::new(&pac::decode(bytes, charset)?)?;
    Ok(Found::Script(script, Validators::default()))
}

async fn from_server(first: Address, known: Option<&Validators>) -> Result<Found, FetchError> {
    let mut address = first;
    for _ in 0..=REDIRECTIONS {
        let response = ask(&address, known).await?;
        let (head, body) = response.into_parts();
        match head.status {
            StatusCode::NOT_MODIFIED if known.is_some() => return Ok(Found::Same),
            StatusCode::OK => {
                let bytes = Limited::new(body, MOST_BYTES).collect().await;
                let bytes = bytes.map_err(|error| match error.downcast::<hyper::Error>() {
                    Ok(error) => FetchError::Http(*error),
                    Err(_) => FetchError::TooLong,
                })?;
                let charset = charset(&head.headers);
                let text = pac::decode(&bytes.to_bytes(), charset.as_deref())?;
                let validators = Validators {
                    tag: head.headers.get(header::ETAG).cloned(),
                    modified: head.headers.get(header::LAST_MODIFIED).cloned(),
                };
                return Ok(Found::Script(Script::new(&text)?, validators));
            }
            status if status.is_redirection() => address = onward(&address, &head.headers)?,
            status => return Err(FetchError::Status(status)),
        }
    }
    Err(FetchError::Redirection)
}

/// Where a server sends us; never to a file, and never from TLS to plain text.
fn onward(from: &Address, headers: &HeaderMap) -> Result<Address, FetchError> {
    let to = headers
        .get(header::LOCATION)
        .and_then(|to| to.to_str().ok());
    let to = to.ok_or(FetchError::Redirection)?;
    let Address::Server {
        tls, host, port, ..
    } = from
    else {
        return Err(FetchError::Redirection);
    };
    if to.starts_with('/') && !to.starts_with("//") {
        return Ok(Address::Server {
            tls: *tls,
            host: host.clone(),
            port: *port,
            path: to.to_owned(),
        });
    }
    match Address::parse(to) {
        Ok(Address::Server { tls: false, .. }) if *tls => Err(FetchError::Redirection),
        Ok(server @ Address::Server { .. }) => Ok(server),
        Ok(Address::File(_) | Address::Inline { .. }) | Err(_) => Err(FetchError::Redirection),
    }
}

async fn ask(
    address: &Address,
    known: Option<&Validators>,
) -> Result<Response<Incoming>, FetchError> {
    let Address::Server {
        tls,
        host,
        port,
        path,
    } = address
    else {
        return Err(FetchError::Redirection);
    };
    let name = Host::parse(host)
        .or_else(|| Host::parse(&format!("[{host}]")))
        .ok_or(AddressError::Host)?;
    let stream = connect_any(&resolve(&name, *port).await?).await?;
    let usual = if *tls { 443 } else { 80 };
    let authority = if *port == usual {
        name.to_string()
    } else {
        format!("{name}:{port}")
    };
    let mut request = Request::get(path)
        .header(header::HOST, authority)
        .header(
            header::USER_AGENT,
            concat!("Gangway/", env!("CARGO_PKG_VERSION")),
        )
        .header(
            header::ACCEPT,
            "application/x-ns-proxy-autoconfig, */*;q=0.5",
        )
        .header(header::CONNECTION, "close");
    if let Some(known) = known {
        if let Some(tag) = &known.tag {
            request = request.header(header::IF_NONE_MATCH, tag);
        }
        if let Some(modified) = &known.modified {
            request = request.header(header::IF_MODIFIED_SINCE, modified);
        }
    }
    let request = request
        .body(Empty::<Bytes>::new())
        .map_err(|_| AddressError::Host)?;
    if *tls {
        let server = ServerName::try_from(host.clone()).map_err(|_| AddressError::Host)?;
        let config = crate::tls::trusting(None).await.map_err(FetchError::Tls)?;
        let connector = TlsConnector::from(config);
        let stream = connector.connect(server, stream).await;
        speak(stream.map_err(FetchError::Tls)?, request).await
    } else {
        speak(stream, request).await
    }
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Empty<Bytes>>,
) -> Result<Response<Incoming>, FetchError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        // Its error comes with the response, too.
        let _ = connection.await;
    });
    Ok(sender.send_request(request).await?)
}

/// The `charset` of a `Content-Type`.
fn charset(headers: &HeaderMap) -> Option<String> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    kind.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| value.to_owned())
    })
}
