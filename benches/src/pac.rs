//! One decision by a PAC script, by criterion: remembered, and evaluated in its worker.

use std::fmt::Write as _;
use std::hint::black_box;

use proxy_engine::config::{DefaultRoute, Policy, Unavailable};
use proxy_engine::pac::{Purpose, Script};
use proxy_engine::route::{Destination, Route, Router, World};

use crate::error::{BenchError, Result};
use crate::routing::median_of;

/// Rules of each script.
pub(crate) const RULES: u32 = 1000;

/// How a script holds its rules. Each is asked about a host that none of them names, so that it looks
/// at all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// In an object, looked up by the host and the domains above it.
    Table,
    /// `if (host == "…")`, one after the other.
    Names,
    /// `if (dnsDomainIs(host, "…"))`, one after the other.
    Domains,
}

/// Nanoseconds of one decision.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ByScript {
    /// The script.
    pub(crate) kind: Kind,
    /// From the cache.
    pub(crate) remembered: f64,
    /// Evaluated: to the worker, through its rules, and back.
    pub(crate) evaluated: f64,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Table, Self::Names, Self::Domains];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Table => "looked up in an object",
            Self::Names => "one `host == …` after the other",
            Self::Domains => "one `dnsDomainIs(host, …)` after the other",
        }
    }

    fn script(self) -> String {
        let rules =
            |line: &dyn Fn(u32) -> String| (0..RULES).map(line).collect::<Vec<_>>().concat();
        let mut text = String::new();
        // A text takes whatever is written to it.
        let _ = match self {
            Self::Table => write!(
                text,
                "var TABLE = {{{}}};\nfunction FindProxyForURL(url, host) {{\n\
                 for (var name = host; ; ) {{\n\
                 if (TABLE.hasOwnProperty(name)) return TABLE[name];\n\
                 var dot = name.indexOf('.');\n\
                 if (dot < 0) return 'PROXY proxy.test:8080';\n\
                 name = name.substring(dot + 1);\n}}\n}}\n",
                rules(&|n| format!("'d{n}.corp.example.test': 'PROXY p{}.test:8080',\n", n % 8))
            ),
            Self::Names | Self::Domains => write!(
                text,
                "function FindProxyForURL(url, host) {{\n{}return 'PROXY proxy.test:8080';\n}}\n",
                rules(&|n| {
                    let rule = if self == Self::Names {
                        format!("host == 'host{n}.corp.example.test'")
                    } else {
                        format!("dnsDomainIs(host, '.d{n}.corp.example.test')")
                    };
                    format!("if ({rule}) return 'PROXY p{}.test:8080';\n", n % 8)
                })
            ),
        };
        text
    }
}

/// Decides about a host that no rule names.
pub(crate) fn measure(kind: Kind) -> Result<ByScript> {
    let unexpected = |error: &dyn std::fmt::Display| BenchError::Unexpected(error.to_string());
    let router = Router::new(Policy {
        default: DefaultRoute::Pac {
            script: Script::new(&kind.script()).map_err(|error| unexpected(&error))?,
            unavailable: Unavailable::Block,
            logins: Vec::new(),
        },
        ..Policy::direct("bench")
    });
    let to = Destination::parse("registry.example.test:443", None)
        .ok_or_else(|| BenchError::Unexpected("not a destination".into()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(BenchError::io("start a runtime"))?;
    let decide = || runtime.block_on(router.find(black_box(&to), Purpose::Tunnel, World::Own));
    if let Route::Refused { reason } = decide() {
        return Err(BenchError::Unexpected(reason));
    }
    let pac = router.pac().ok_or_else(|| unexpected(&"no script"))?;
    let id = format!("pac {kind:?}");
    Ok(ByScript {
        kind,
        remembered: median_of(&format!("{id} remembered"), |bencher| {
            bencher.iter(|| black_box(decide()));
        })?,
        evaluated: median_of(&format!("{id} evaluated"), |bencher| {
            bencher.iter(|| {
                pac.forget();
                black_box(decide())
            });
        })?,
    })
}
