//! Each upstream, asked by itself: its name, its port, the protocol it speaks, its clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use proxy_engine::config::{Certificates, Scheme, Upstream};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::probe::{self, Speaks};
use super::{Ground, PATIENCE};
use crate::control::{Finding, Said, Verdict};

/// Kerberos refuses tickets beyond this (RFC 4120, 8.2: "typically five minutes").
const SKEW: Duration = Duration::from_mins(5);

/// One or two findings an upstream; all are asked at once.
pub(super) async fn findings(ground: &Ground<'_>) -> Vec<Finding> {
    let upstreams = ground.status.policy.upstreams.iter();
    let parsed = upstreams.filter_map(|text| text.parse::<Upstream>().ok());
    let examined = parsed.map(|upstream| examine(upstream, ground.certificates));
    join_all(examined).await.concat()
}

async fn examine(upstream: Upstream, trusted: Option<&Certificates>) -> Vec<Finding> {
    let shown = upstream.to_string();
    let bad = |what: Said, remedy: Said| {
        vec![Finding::of(Verdict::Bad, "upstream", &shown, what, remedy)]
    };
    let authority = upstream.authority();
    let found = match timeout(PATIENCE, tokio::net::lookup_host(&authority)).await {
        Ok(Ok(found)) => found.collect::<Vec<_>>(),
        Ok(Err(error)) => {
            let what = Said::new("said_doctor_no_address", &[("error", &error)]);
            return bad(what, Said::new("said_doctor_no_address_remedy", &[]));
        }
        Err(_elapsed) => {
            let error = format!("no answer within {} s", PATIENCE.as_secs());
            let what = Said::new("said_doctor_no_address", &[("error", &error)]);
            return bad(what, Said::new("said_doctor_no_address_remedy", &[]));
        }
    };
    if let Err(error) = connected(&found).await {
        let what = Said::new("said_doctor_unreachable", &[("error", &error)]);
        return bad(what, Said::new("said_doctor_unreachable_remedy", &[]));
    }
    let asked = match upstream.scheme() {
        Scheme::Http => probe::http(&found).await,
        Scheme::Https => probe::tls(&found, upstream.host(), trusted).await,
        Scheme::Socks4 | Scheme::Socks4a => probe::socks4(&found).await,
        Scheme::Socks5 | Scheme::Socks5h => probe::socks5(&found).await,
    };
    let right = matches!(
        (upstream.scheme(), &asked),
        (Scheme::Http, Speaks::Http { .. })
            | (Scheme::Https, Speaks::Tls)
            | (Scheme::Socks4 | Scheme::Socks4a, Speaks::Socks4)
            | (Scheme::Socks5 | Scheme::Socks5h, Speaks::Socks5)
    );
    if right {
        let what = Said::new("said_doctor_upstream", &[]);
        let mut findings = vec![Finding::good("upstream", &shown, what)];
        if let Speaks::Http { date: Some(date) } = asked {
            findings.extend(clock(&shown, date));
        }
        return findings;
    }
    let speaks = match asked {
        Speaks::Http { .. } => "http",
        Speaks::Tls => "https",
        Speaks::Socks4 => "socks4a",
        Speaks::Socks5 => "socks5h",
        Speaks::Distrusted(error) => {
            let what = Said::new("said_doctor_certificate", &[("error", &error)]);
            return bad(what, Said::new("said_doctor_certificate_remedy", &[]));
        }
        Speaks::Silent => {
            let what = Said::new("said_doctor_silent", &[]);
            return bad(what, Said::new("said_doctor_silent_remedy", &[]));
        }
    };
    let should = format!("{speaks}://{authority}");
    bad(
        Said::new("said_doctor_scheme", &[("scheme", &speaks)]),
        Said::new("said_doctor_scheme_remedy", &[("upstream", &should)]),
    )
}

async fn connected(found: &[std::net::SocketAddr]) -> Result<(), String> {
    match timeout(PATIENCE, TcpStream::connect(found)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_elapsed) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

/// How far apart this clock and the proxy's are, where that is too far.
fn clock(upstream: &str, date: SystemTime) -> Option<Finding> {
    let since = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let apart = since(SystemTime::now()).abs_diff(since(date));
    (apart > SKEW).then(|| {
        let args: [(&str, &dyn std::fmt::Display); 1] = [("seconds", &apart.as_secs())];
        Finding::of(
            Verdict::Warn,
            "clock",
            upstream,
            Said::new("said_doctor_clock", &args),
            Said::new("said_doctor_clock_remedy", &[]),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::clock;

    #[test]
    fn clocks_that_are_more_than_five_minutes_apart_are_said_to_be() {
        let now = SystemTime::now();
        for (ahead, said) in [(0, false), (290, false), (310, true), (86_400, true)] {
            let apart = Duration::from_secs(ahead);
            for date in [now + apart, now - apart] {
                assert_eq!(clock("http://a:1", date).is_some(), said, "{ahead} s");
            }
        }
    }
}
