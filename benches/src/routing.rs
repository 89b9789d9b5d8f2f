//! One routing decision, by criterion.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Bencher, Criterion};
use proxy_engine::config::{DefaultRoute, Policy};
use proxy_engine::route::{Destination, Router, World};

use crate::error::{BenchError, Result};

/// Rounds make up for the short time of each.
const TIME: Duration = Duration::from_millis(1500);
const WARM_UP: Duration = Duration::from_millis(500);

/// Nanoseconds of one decision.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decision {
    /// Bypass rules that are names.
    pub(crate) names: u32,
    /// Bypass rules that are networks.
    pub(crate) networks: u32,
    /// criterion's estimate of the median.
    pub(crate) median: f64,
}

/// Decides about a destination that no rule names, with so many rules.
pub(crate) fn measure(names: u32, networks: u32) -> Result<Decision> {
    let unexpected = |error: &dyn std::fmt::Display| BenchError::Unexpected(error.to_string());
    let mut policy = Policy::direct("bench");
    policy.default = DefaultRoute::Upstreams {
        upstreams: vec![
            "http://proxy.example.test:3128"
                .parse()
                .map_err(|error| unexpected(&error))?,
        ],
    };
    let names_of = (0..names).map(|n| format!("host{n}.corp.example.test"));
    let networks_of = (0..networks).map(|n| format!("198.{}.{}.0/24", 18 + n / 256, n % 256));
    let entries: Vec<String> = names_of.chain(networks_of).collect();
    policy.bypass = entries
        .join(",")
        .parse()
        .map_err(|error| unexpected(&error))?;
    let router = Router::new(policy);
    let to = Destination::parse("registry.example.test:443", None)
        .ok_or_else(|| BenchError::Unexpected("not a destination".into()))?;
    let id = format!("routing {names} names {networks} networks");
    let median = median_of(&id, |bencher| {
        bencher.iter(|| black_box(router.route(black_box(&to), World::Own)));
    })?;
    Ok(Decision {
        names,
        networks,
        median,
    })
}

/// criterion's estimate of the median, in nanoseconds.
pub(crate) fn median_of(id: &str, routine: impl FnMut(&mut Bencher)) -> Result<f64> {
    let unexpected = |error: &dyn std::fmt::Display| BenchError::Unexpected(error.to_string());
    let dir = tempfile::tempdir().map_err(BenchError::io("make a folder for criterion"))?;
    Criterion::default()
        .output_directory(dir.path())
        .without_plots()
        .warm_up_time(WARM_UP)
        .measurement_time(TIME)
        .bench_function(id, routine);
    let path = dir.path().join(id).join("new/estimates.json");
    let text = std::fs::read(&path).map_err(BenchError::io(format!("read {}", path.display())))?;
    let estimates: serde_json::Value =
        serde_json::from_slice(&text).map_err(|error| unexpected(&error))?;
    estimates["median"]["point_estimate"]
        .as_f64()
        .ok_or_else(|| BenchError::Unexpected(format!("no median in {estimates}")))
}
