//! A small upstream proxy that remembers what it was asked: for tests that want one at once.

use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::net::{CorpNet, Netns};
use crate::origin::{head, header};
use crate::{Result, TestbedError};

/// How the proxy behaves towards every request from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    /// Lets everything through.
    Open,
    /// Wants this `Proxy-Authorization` value, and answers 407 otherwise.
    Login(String),
    /// Refuses everything with this status line, such as `403 Forbidden`.
    Refuse(String),
    /// Reads the request and never answers.
    Silent,
}

/// A recording proxy; it stops listening when dropped.
#[derive(Debug)]
pub struct Recorder {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    stopped: AtomicBool,
    heads: Mutex<Vec<String>>,
    behaviour: Mutex<Behaviour>,
}

impl Recorder {
    /// Listens at `address` inside `host`. It dials from there, and knows the names of
    /// [`CorpNet::address_of`].
    ///
    /// # Errors
    /// [`TestbedError::Io`] when the port cannot be had.
    pub fn start(host: &Netns, address: SocketAddr) -> Result<Self> {
        let path = host.path();
        let bound = host.enter(|| TcpListener::bind(address))?;
        let listener = bound.map_err(TestbedError::io(format!(
            "listen at {address} in {}",
            path.display()
        )))?;
        let inside = host.door()?;
        Self::serve(listener, move |target| {
            inside.enter(|| dial(target)).and_then(|dialled| dialled)
        })
    }

    /// Listens on a loopback port of this machine, without any namespace.
    ///
    /// # Errors
    /// [`TestbedError::Io`] when no port can be had.
    pub fn on_loopback() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(TestbedError::io("listen"))?;
        Self::serve(listener, dial)
    }

    fn serve(
        listener: TcpListener,
        dial: impl Fn(&str) -> io::Result<TcpStream> + Send + Sync + 'static,
    ) -> Result<Self> {
        let address = listener
            .local_addr()
            .map_err(TestbedError::io("name a socket"))?;
        listener
            .set_nonblocking(true)
            .map_err(TestbedError::io("set up a socket"))?;
        let state = Arc::new(State {
            stopped: AtomicBool::new(false),
            heads: Mutex::default(),
            behaviour: Mutex::new(Behaviour::Open),
        });
        let (shared, dial) = (Arc::clone(&state), Arc::new(dial));
        thread::spawn(move || {
            while !shared.stopped.load(Ordering::Acquire) {
                let Ok((stream, _)) = listener.accept() else {
                    thread::sleep(Duration::from_millis(2));
                    continue;
                };
                let (state, dial) = (Arc::clone(&shared), Arc::clone(&dial));
                // A connection that breaks is what the test looks at from its own end.
                thread::spawn(move || drop(connection(stream, &state, dial.as_ref())));
            }
        });
        Ok(Self { address, state })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The head of every request so far, as it came: request line, headers, empty line.
    pub fn heads(&self) -> Vec<String> {
        lock(&self.state.heads).clone()
    }

    /// The request lines so far, without the version: `CONNECT web.example.test:443`.
    pub fn lines(&self) -> Vec<String> {
        let line = |head: &String| {
            let mut words = head.split(' ');
            format!(
                "{} {}",
                words.next().unwrap_or(""),
                words.next().unwrap_or("")
            )
        };
        lock(&self.state.heads).iter().map(line).collect()
    }

    /// Behaves so from the next request on.
    pub fn behave(&self, behaviour: Behaviour) {
        *lock(&self.state.behaviour) = behaviour;
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::Release);
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connection(
    stream: TcpStream,
    state: &State,
    dial: &dyn Fn(&str) -> io::Result<TcpStream>,
) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    let mut client = BufReader::new(stream);
    loop {
        let head = head(&mut client)?;
        if head.is_empty() {
            return Ok(());
        }
        lock(&state.heads).push(head.clone());
        let behaviour = lock(&state.behaviour).clone();
        if let Some(refusal) = refusal(&behaviour, &head) {
            client.get_mut().write_all(refusal.as_bytes())?;
            continue;
        }
        if behaviour == Behaviour::Silent {
            return io::copy(&mut client, &mut io::sink()).map(drop);
        }
        return forward(client, &head, dial);
    }
}

fn refusal(behaviour: &Behaviour, head: &str) -> Option<String> {
    let status = match behaviour {
        Behaviour::Refuse(status) => status.clone(),
        Behaviour::Login(wanted) if header(head, "proxy-authorization") != Some(wanted) => {
            "407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"corp\"".into()
        }
        Behaviour::Open | Behaviour::Login(_) | Behaviour::Silent => return None,
    };
    Some(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"))
}

/// One tunnel, or one absolute-form request whose connection ends with it.
fn forward(
    mut client: BufReader<TcpStream>,
    head: &str,
    dial: &dyn Fn(&str) -> io::Result<TcpStream>,
) -> io::Result<()> {
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let (authority, path) = if method == "CONNECT" {
        (target.to_owned(), "")
    } else {
        let rest = target.strip_prefix("http://").unwrap_or(target);
        let end = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let port = if authority.contains(':') { "" } else { ":80" };
        (format!("{authority}{port}"), path)
    };
    let mut origin = match dial(&authority) {
        Ok(origin) => origin,
        Err(why) => {
            let body = format!("{authority}: {why}\n");
            let length = body.len();
            return write!(
                client.get_mut(),
                "HTTP/1.1 502 Bad Gateway\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
        }
    };
    if method == "CONNECT" {
        client
            .get_mut()
            .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    } else {
        let headers = head.split_once("\r\n").map_or("", |(_, rest)| rest);
        let ours = ["proxy-authorization:", "proxy-connection:", "connection:"];
        let kept = headers.split_inclusive("\r\n").filter(|line| {
            !ours
                .iter()
                .any(|name| line.to_ascii_lowercase().starts_with(name))
        });
        let path = if path.is_empty() { "/" } else { path };
        let request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        origin.write_all((request + &kept.collect::<String>()).as_bytes())?;
    }
    both_ways(client, origin)
}

fn both_ways(mut client: BufReader<TcpStream>, origin: TcpStream) -> io::Result<()> {
    let mut up = origin.try_clone()?;
    let mut down = client.get_ref().try_clone()?;
    thread::spawn(move || {
        let copied = pump(&mut client, &mut up);
        // The other end may be gone already: there is nobody left to tell.
        let _ = up.shutdown(Shutdown::Write);
        copied
    });
    let mut origin = origin;
    let copied = pump(&mut origin, &mut down);
    let _ = down.shutdown(Shutdown::Write);
    copied
}

fn pump(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    io::copy(from, to).map(drop)
}

/// Dials `host:port`: an address, or a name of the corporate network's internet.
fn dial(target: &str) -> io::Result<TcpStream> {
    if let Ok(address) = target.parse::<SocketAddr>() {
        return TcpStream::connect_timeout(&address, Duration::from_secs(5));
    }
    let (name, port) = target.rsplit_once(':').ok_or(io::ErrorKind::InvalidInput)?;
    let port = port
        .parse()
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let address = CorpNet::address_of(name).ok_or(io::ErrorKind::NotFound)?;
    TcpStream::connect_timeout(&SocketAddr::new(address, port), Duration::from_secs(5))
}
