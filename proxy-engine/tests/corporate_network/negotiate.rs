//! Kerberos with proxies that do not behave, by a stand-in: squid says no to no good ticket, and
//! announces that it closes.

use std::path::PathBuf;
use std::time::Duration;

use testbed::{Child, Kdc, wait_for};

use crate::login::{credentials, kerberos_engine};
use crate::office::Office;

const NAMED: &str = "proxy.corp.test:3128";

/// Asks for Negotiate. `refuse`: whatever is said. `close`: the first time, and goes without a word
/// when it is told more on that connection; then it takes everything and answers as the origin.
/// A line a request: whether something was said.
const PROXY: &str = r#"
import socket, sys, threading
how, log, closed = sys.argv[1], open(sys.argv[2], "a", buffering=1), []
ASK = (b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Negotiate\r\n"
       b"Proxy-Connection: keep-alive\r\nContent-Length: 0\r\n\r\n")
def head(client):
    text = b""
    while not text.endswith(b"\r\n\r\n"):
        more = client.recv(65536)
        if not more: return None
        text += more
    return text
def serve(client):
    while (asked := head(client)) is not None:
        said = b"proxy-authorization: negotiate" in asked.lower()
        log.write("said\n" if said else "asked\n")
        if how == "refuse" or not said:
            client.sendall(ASK)
            if how == "close" and not closed:
                closed.append(1)
                client.recv(65536)
                break
        else:
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes")
    client.close()
server = socket.create_server(("10.66.0.2", 3128), backlog=128)
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"#;

struct Proxy {
    _child: Child,
    log: PathBuf,
}

impl Proxy {
    fn start(office: &Office, how: &str) -> Self {
        let log = PathBuf::from(office.file("proxy.log"));
        let arguments = ["-c", PROXY, how, &log.display().to_string()];
        let child = office.corp.proxy.spawn("python3", &arguments).unwrap();
        wait_for("it listens", Duration::from_secs(10), || {
            let dial = || std::net::TcpStream::connect("10.66.0.2:3128").is_ok();
            office.corp.proxy.enter(dial).ok().filter(|up| *up)
        })
        .unwrap();
        Self { _child: child, log }
    }

    /// How often something was said to it.
    fn told(&self) -> usize {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        log.lines().filter(|line| *line == "said").count()
    }
}

#[test]
fn a_refused_ticket_is_shown_once_whoever_asks_until_the_user_has_another() {
    let office = Office::open();
    let kdc = Kdc::start(&office.corp, "anna", "pw").unwrap();
    kdc.ticket(&office.corp, "anna", "pw", 600).unwrap();
    let proxy = Proxy::start(&office, "refuse");
    let flags = [
        "--upstream",
        "http://proxy.corp.test:3128",
        "--ticket-for",
        NAMED,
    ];
    let _engine = kerberos_engine(&office, &kdc, &flags, "");
    let ask_at_once = |number: usize| {
        std::thread::scope(|scope| {
            let asked: Vec<_> = (0..number)
                .map(|_| scope.spawn(|| office.pod_asks("http://web.example.test/hello")))
                .collect();
            for answer in asked {
                let answer = answer.join().unwrap();
                assert!(
                    answer.contains("407") && answer.contains("ticket"),
                    "{answer}"
                );
            }
        });
    };
    ask_at_once(20);
    assert_eq!(proxy.told(), 1);
    let error = office.status()["upstreams"][0]["last_error"]["code"].clone();
    assert_eq!(error, "ticket_refused");
    ask_at_once(3);
    assert_eq!(proxy.told(), 1);

    // Whoever logs in again means it to be tried again.
    kdc.ticket(&office.corp, "anna", "pw", 900).unwrap();
    ask_at_once(3);
    assert_eq!(proxy.told(), 2);
}

#[test]
fn a_proxy_that_goes_without_a_word_after_its_question_is_told_over_a_new_connection() {
    let office = Office::open();
    let kdc = Kdc::start(&office.corp, "anna", "pw").unwrap();
    let flags = ["--upstream", "http://anna%40corp.test@proxy.corp.test:3128"];
    let credentials = credentials(
        NAMED,
        &testbed::BasicLogin {
            user: "anna@corp.test".into(),
            password: "pw".into(),
        },
    );
    let _proxy = Proxy::start(&office, "close");
    let _engine = kerberos_engine(&office, &kdc, &flags, &credentials);
    for _ in 0..2 {
        let got = office.pod_gets("http://web.example.test/hello");
        assert_eq!(got, Ok("yes".into()));
    }
}
