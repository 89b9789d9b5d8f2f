//! The rules in the chains.

use std::net::IpAddr;

use super::{Capture, Road, SHORT, Targets};
use crate::config::Ports;
use crate::intercept::forwarded::{MARK, TAKEN};
use crate::intercept::netlink::Message;
use crate::intercept::nftables::expression::{Expressions, Family};
use crate::intercept::nftables::objects::{Table, new_rule};

/// IANA number of TCP.
const TCP: u8 = 6;
/// IANA number of UDP.
const UDP: u8 = 17;

/// The families that are captured, and where they are sent.
fn families(targets: Targets) -> impl Iterator<Item = (Family, IpAddr)> {
    let targets = [targets.v4.map(IpAddr::V4), targets.v6.map(IpAddr::V6)];
    targets
        .into_iter()
        .flatten()
        .map(|target| (Family::of(target), target))
}

/// The rules that capture TCP: those of the chain `capture`, and the ways into it.
pub(super) fn capture(table: Table<'_>, wanted: &Capture<'_>) -> Vec<Message> {
    let mut batch = vec![new_rule(
        table,
        "capture",
        "the rule for running connections".to_owned(),
        |rule| rule.transport(TCP).not_opening().leave(),
    )];
    if wanted.road != Road::Early {
        let what = "the rule for what others translated".to_owned();
        batch.push(new_rule(table, "capture", what, |rule| {
            rule.destination_translated().leave();
        }));
    }
    for (family, target) in families(wanted.targets) {
        batch.extend(near(table, "capture", family));
        let what = match wanted.road {
            Road::Copied | Road::Logged(_) => format!("the rule that takes {family:?} out"),
            Road::Early => format!("the rule that sends {family:?} to {target}"),
        };
        batch.push(new_rule(table, "capture", what, |rule| {
            rule.family(family).transport(TCP);
            if matches!(wanted.ports, Ports::List(_)) {
                rule.port_in("ports");
            }
            match wanted.road {
                Road::Copied => {
                    rule.mark(TAKEN);
                }
                Road::Logged(group) => rule.copy_to(group).drop(),
                Road::Early => {
                    rule.count();
                    to_listener(rule, wanted, target);
                }
            }
        }));
    }
    let way_in = match wanted.road {
        Road::Copied | Road::Logged(_) => "leaving",
        Road::Early => "prerouting",
    };
    batch.extend(excluded(table, way_in, wanted));
    for pattern in wanted.interfaces {
        let what = format!("the rule for TCP from {pattern}");
        batch.push(new_rule(table, way_in, what, |rule| {
            rule.arrived_by(pattern).transport(TCP).jump("capture");
        }));
    }
    batch
}

/// The rule that has the connections of copies followed.
pub(super) fn follow(table: Table<'_>) -> Message {
    let what = "the rule that follows copies".to_owned();
    new_rule(table, "follow", what, |rule| {
        rule.marked(MARK).follow();
    })
}

/// The rules that bring what was taken out to the listener, in the name of its client.
pub(super) fn again(table: Table<'_>, wanted: &Capture<'_>) -> Vec<Message> {
    let mut batch = Vec::new();
    for (family, target) in families(wanted.targets) {
        let what = format!("the rule that sends {family:?} to {target}");
        batch.push(new_rule(table, "again", what, |rule| {
            rule.marked(MARK).family(family).transport(TCP).count();
            to_listener(rule, wanted, target);
        }));
        let what = format!("the rule that keeps the client's {family:?} address");
        batch.push(new_rule(table, "again_from", what, |rule| {
            rule.marked(MARK).family(family).keep_source(family);
        }));
    }
    batch
}

fn to_listener(rule: &mut Expressions<'_>, wanted: &Capture<'_>, target: IpAddr) {
    if wanted.kernel.timeouts {
        rule.remember_as(SHORT);
    }
    rule.translate_destination(target, wanted.listener);
}

/// The rules that refuse QUIC.
pub(super) fn quic(table: Table<'_>, capture: &Capture<'_>) -> Vec<Message> {
    let mut batch = Vec::new();
    for (family, _) in families(capture.targets) {
        batch.extend(near(table, "quic", family));
        batch.push(new_rule(
            table,
            "quic",
            format!("the rule that refuses QUIC over {family:?}"),
            |rule| rule.family(family).port_unreachable(),
        ));
    }
    batch.extend(excluded(table, "forward", capture));
    for pattern in capture.interfaces {
        batch.push(new_rule(
            table,
            "forward",
            format!("the rule for QUIC from {pattern}"),
            |rule| {
                rule.arrived_by(pattern)
                    .original_direction()
                    .transport(UDP)
                    .port(443)
                    .jump("quic");
            },
        ));
    }
    batch
}

/// Leave alone what comes from interfaces that are excepted; first in its chain.
fn excluded<'a>(
    table: Table<'a>,
    chain: &'a str,
    capture: &'a Capture<'_>,
) -> impl Iterator<Item = Message> + 'a {
    capture.exclude.iter().map(move |pattern| {
        let what = format!("the rule that leaves {pattern} alone");
        new_rule(table, chain, what, |rule| {
            rule.arrived_by(pattern).leave();
        })
    })
}

/// Leave alone what goes to this machine itself, to private ranges, or to the next container.
fn near(table: Table<'_>, chain: &str, family: Family) -> [Message; 3] {
    let sets = match family {
        Family::V4 => ["local4", "private4", "neighbours4"],
        Family::V6 => ["local6", "private6", "neighbours6"],
    };
    sets.map(|name| {
        new_rule(
            table,
            chain,
            format!("the rule that leaves {name} alone"),
            |rule| rule.family(family).destination_in(family, name).leave(),
        )
    })
}

/// What is left of an earlier connection of the same client and port makes room.
pub(super) fn make_room(table: Table<'_>, wanted: &Capture<'_>) -> Vec<Message> {
    let rules = families(wanted.targets).map(|(family, target)| {
        let what = format!("the rule by which ended {family:?} connections make room");
        new_rule(table, "make_room", what, |rule| {
            rule.transport(TCP)
                .port(wanted.listener)
                .opening()
                .destination_translated()
                .family(family)
                .make_room_at(target, wanted.listener);
        })
    });
    rules.collect()
}

/// Counts what every other rule about what comes in has let through.
pub(super) fn arrived(table: Table<'_>, listener: u16) -> Message {
    let what = "the rule that counts what arrives".to_owned();
    new_rule(table, "arrived", what, |rule| {
        rule.transport(TCP)
            .port(listener)
            .opening()
            .destination_translated()
            .count();
    })
}

/// Only what a rule sent to the listener may reach it.
pub(super) fn guard(table: Table<'_>, listener: u16) -> [Message; 2] {
    [
        new_rule(
            table,
            "input",
            "the rule that lets captured connections in".to_owned(),
            |rule| {
                rule.transport(TCP)
                    .port(listener)
                    .destination_translated()
                    .accept();
            },
        ),
        new_rule(
            table,
            "input",
            "the rule that refuses direct hits".to_owned(),
            |rule| rule.transport(TCP).port(listener).reset(),
        ),
    ]
}
