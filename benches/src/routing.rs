//! One routing decision.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use proxy_engine::config::{DefaultRoute, Policy};
use proxy_engine::route::{Destination, Router};

use crate::results::Measure;

const DECISIONS: u32 = 200_000;

/// Nanoseconds for a destination that no rule names, with `rules` bypass rules, a tenth of them
/// networks.
pub(crate) fn measure(rules: u32) -> Result<Measure, Box<dyn Error>> {
    let mut policy = Policy::direct("bench");
    policy.default = DefaultRoute::Upstreams {
        upstreams: vec!["http://proxy.example.test:3128".parse()?],
    };
    let entries: Vec<String> = (0..rules)
        .map(|n| match n % 10 {
            0 => format!("198.{}.{}.0/24", 18 + n / 2560, n / 10 % 256),
            _ => format!("host{n}.corp.example.test"),
        })
        .collect();
    policy.bypass = entries.join(",").parse()?;
    let router = Router::new(policy);
    let to = Destination::parse("registry.example.test:443", None).ok_or("not a destination")?;
    let mut rounds = Vec::new();
    for _ in 0..crate::ROUNDS {
        let began = Instant::now();
        for _ in 0..DECISIONS {
            black_box(router.route(black_box(&to)));
        }
        rounds.push(began.elapsed().as_secs_f64() * 1e9 / f64::from(DECISIONS));
    }
    Ok(Measure {
        what: format!("one routing decision, {rules} rules (ns)"),
        way: "engine",
        rounds,
    })
}
