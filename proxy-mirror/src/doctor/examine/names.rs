//! Names outside of the company. A program that knows its proxy has that look them up; one that knows
//! none, whose connections are intercepted, looks them up itself, and where it cannot there is never a
//! connection to intercept.

use tokio::net::lookup_host;
use tokio::time::timeout;

use super::{Ground, PATIENCE};
use crate::control::{Finding, PolicyKind, Said, Verdict};

/// A name that exists everywhere (RFC 2606, section 3).
const OUTSIDE: &str = "example.com";

/// One finding, where connections are intercepted and have a proxy to go to.
pub(super) async fn findings(ground: &Ground<'_>) -> Option<Finding> {
    let status = ground.status;
    let intercepts = status.engine.intercepts.key == "said_intercepted";
    if !intercepts || status.policy.kind == PolicyKind::Direct {
        return None;
    }
    let found = timeout(PATIENCE, lookup_host((OUTSIDE, 443))).await;
    let why = match found.map(|found| found.map(|mut found| found.next())) {
        Ok(Ok(Some(_))) => {
            let what = Said::new("said_doctor_names", &[]);
            return Some(Finding::good("dns", OUTSIDE, what));
        }
        Ok(Ok(None)) => "no address".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
    };
    Some(Finding::of(
        Verdict::Warn,
        "dns",
        OUTSIDE,
        Said::new("said_doctor_no_names", &[("error", &why)]),
        Said::new("said_doctor_no_names_remedy", &[]),
    ))
}
