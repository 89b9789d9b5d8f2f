//! The office's resolver: it answers outside names, as most companies' do.

use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use super::{
    Netns, ORIGIN, ORIGIN_V6, OTHER_NAME, REGISTRY, REGISTRY_NAME, RESOLVER, WEB_NAME, WEB6_NAME,
};
use crate::child::Child;
use crate::{Result, wait_for};

/// Every outside name, with its one address.
pub(super) const NAMES: [(&str, IpAddr); 4] = [
    (WEB_NAME, IpAddr::V4(ORIGIN)),
    (OTHER_NAME, IpAddr::V4(ORIGIN)),
    (WEB6_NAME, IpAddr::V6(ORIGIN_V6)),
    (REGISTRY_NAME, IpAddr::V4(REGISTRY)),
];

/// Starts `dnsmasq` at [`RESOLVER`] and waits until it answers.
pub(super) fn start(router: &Netns) -> Result<Child> {
    let mut args = vec![
        "--keep-in-foreground".to_owned(),
        "--conf-file=/dev/null".to_owned(),
        "--pid-file".to_owned(),
        "--user=root".to_owned(),
        "--no-resolv".to_owned(),
        "--no-hosts".to_owned(),
        "--bind-interfaces".to_owned(),
        format!("--listen-address={RESOLVER}"),
        // Names of ours and no others: everything else is "no such name", at once.
        "--local=//".to_owned(),
    ];
    args.extend(
        NAMES
            .iter()
            .map(|(name, address)| format!("--host-record={name},{address}")),
    );
    let child = router.spawn("dnsmasq", &args)?;
    wait_for(
        "the office's resolver answers",
        Duration::from_secs(5),
        || router.enter(answers).ok().filter(|answered| *answered),
    )?;
    Ok(child)
}

/// Asks for [`WEB_NAME`]'s address once.
fn answers() -> bool {
    let mut query = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in WEB_NAME.split('.') {
        query.push(u8::try_from(label.len()).unwrap_or(0));
        query.extend(label.as_bytes());
    }
    query.extend([0, 0, 1, 0, 1]);
    let ask = || {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.set_read_timeout(Some(Duration::from_millis(200)))?;
        socket.connect((RESOLVER, 53))?;
        socket.send(&query)?;
        let mut answer = [0; 512];
        socket
            .recv(&mut answer)
            .map(|length| answer[..length].ends_with(&ORIGIN.octets()))
    };
    ask().unwrap_or(false)
}
