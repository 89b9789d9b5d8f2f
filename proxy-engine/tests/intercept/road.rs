//! The corporate network of the testbed, with a road around the proxy: `node` reaches `inet`
//! itself, so that a test can tell captured from direct.

use std::future::Future;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use proxy_engine::config::Interception;
use proxy_engine::intercept::{Interceptor, original_dst};
use testbed::net::{ORIGIN, ORIGIN_V6};
use testbed::{CorpNet, Netns};

/// Longer than anything here takes, shorter than a TCP client's patience.
pub(crate) const SOON: Duration = Duration::from_secs(3);

pub(crate) struct Road {
    pub(crate) corp: CorpNet,
}

impl Road {
    /// With origins on the ports 80, 443 and 8080 of [`ORIGIN`] and [`ORIGIN_V6`].
    pub(crate) fn new() -> Self {
        let corp = CorpNet::new().expect("a corporate network");
        for line in [
            "ip link add road type veth peer name road netns INET",
            "ip addr add 198.51.100.1/24 dev road",
            "ip addr add 2001:db8:100::1/64 dev road nodad",
            "ip link set road up",
            "ip -n INET addr add 198.51.100.2/24 dev road",
            "ip -n INET addr add 2001:db8:100::2/64 dev road nodad",
            "ip -n INET link set road up",
            "ip route add 203.0.113.0/24 via 198.51.100.2",
            "ip -6 route add 2001:db8:113::/64 via 2001:db8:100::2",
            "ip -n INET route add 10.244.0.0/16 via 198.51.100.1",
            "ip -n INET -6 route add fd00:244::/64 via 2001:db8:100::1",
        ] {
            let line = line.replace("INET", corp.inet.name());
            corp.node.sh(&line).expect(&line);
        }
        for ip in [IpAddr::V4(ORIGIN), IpAddr::V6(ORIGIN_V6)] {
            for port in [80, 443, 8080] {
                serve_origin(&corp.inet, SocketAddr::new(ip, port));
            }
        }
        Self { corp }
    }

    /// A holder in the node, in this process.
    pub(crate) fn interceptor(&self) -> Interceptor {
        self.corp
            .node
            .enter(Interceptor::in_process)
            .expect("the node")
            .expect("a holder")
    }

    /// A transparent listener in the node for both families; its port.
    pub(crate) fn listen(&self) -> u16 {
        self.listen_and(serve_captured)
    }

    /// The same, with this behind it.
    pub(crate) fn listen_and(&self, serve: fn(TcpListener)) -> u16 {
        let node = &self.corp.node;
        let (v4, v6) = node
            .enter(|| {
                let v4 = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port");
                let port = v4.local_addr().expect("bound").port();
                let v6 = socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::STREAM, None)
                    .expect("a socket");
                v6.set_only_v6(true).expect("an option");
                let any = SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, port));
                v6.bind(&any.into()).expect("the same port");
                v6.listen(16).expect("listening");
                (v4, TcpListener::from(v6))
            })
            .expect("the node");
        let port = v4.local_addr().expect("bound").port();
        for listener in [v4, v6] {
            serve(listener);
        }
        port
    }

    /// The tables that `nft` shows in the node, of ours alone.
    pub(crate) fn tables(&self) -> Vec<String> {
        let tables = self.corp.node.sh("nft list tables").expect("nft");
        let ours = tables.lines().filter(|line| line.contains("gangway-"));
        ours.map(str::to_owned).collect()
    }

    /// How many hold tables there: one for both families each.
    pub(crate) fn holders(&self) -> usize {
        let tables = self.tables();
        tables.iter().filter(|t| t.contains("table inet")).count()
    }
}

/// `br-pods` and the default ports.
pub(crate) fn pods() -> Interception {
    interception("br-pods", "80,443")
}

pub(crate) fn interception(interfaces: &str, ports: &str) -> Interception {
    Interception {
        interfaces: interfaces
            .split(',')
            .map(|name| name.parse().expect("an interface"))
            .collect(),
        exclude: Vec::new(),
        ports: ports.parse().expect("ports"),
        ignore_forward: false,
    }
}

/// Greets with `origin`, then echoes.
pub(crate) fn serve_origin(netns: &Netns, address: SocketAddr) {
    let listener = netns
        .enter(|| TcpListener::bind(address))
        .expect("the namespace")
        .expect("an origin's address");
    serve(listener, |_| "origin".to_owned());
}

/// Greets with `captured` and the original destination, then echoes.
pub(crate) fn serve_captured(listener: TcpListener) {
    listener.set_nonblocking(false).expect("a socket");
    serve(listener, |stream| match original_dst(stream) {
        Some(address) => format!("captured {address}"),
        None => "direct hit".to_owned(),
    });
}

fn serve(listener: TcpListener, greeting: fn(&TcpStream) -> String) {
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || greet_and_echo(&stream, &greeting(&stream)));
        }
    });
}

fn greet_and_echo(mut stream: &TcpStream, greeting: &str) -> io::Result<()> {
    writeln!(stream, "{greeting}")?;
    io::copy(&mut stream.try_clone()?, &mut stream).map(drop)
}

/// A connection of a client in `netns`, and what it was greeted with.
pub(crate) fn dial(
    netns: &Netns,
    address: impl Into<SocketAddr>,
) -> io::Result<(TcpStream, String)> {
    let address = address.into();
    let stream = netns
        .enter(|| TcpStream::connect_timeout(&address, SOON))
        .expect("the namespace")?;
    stream.set_read_timeout(Some(SOON))?;
    let mut greeting = String::new();
    // One byte at a time: what is echoed later must stay in the socket.
    BufReader::with_capacity(1, &stream).read_line(&mut greeting)?;
    Ok((stream, greeting.trim_end().to_owned()))
}

/// The greeting alone; an error's kind where there is none.
pub(crate) fn greeting(netns: &Netns, address: impl Into<SocketAddr>) -> String {
    match dial(netns, address) {
        Ok((_, greeting)) => greeting,
        Err(error) => format!("{:?}", error.kind()),
    }
}

/// Sends a line through an open connection and waits for its echo.
pub(crate) fn echo(mut stream: &TcpStream, line: &str) -> io::Result<()> {
    stream.write_all(line.as_bytes())?;
    let mut back = vec![0; line.len()];
    stream.read_exact(&mut back)?;
    assert_eq!(back, line.as_bytes());
    Ok(())
}

/// Runs a future to its end; what it started goes on beside it, also while it waits in a test.
pub(crate) fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}
