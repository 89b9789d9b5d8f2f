//! The rules, as a person reads them.

use crate::road::{Road, block, interception};

/// The lines of our tables in the node.
fn table(road: &Road) -> String {
    let list = "nft list tables | grep gangway- | while read line; do nft list $line; done";
    let shown = road.corp.node.sh(list).expect("nft");
    // nft 1.0.9 names this priority by another one, earlier and later ones do not.
    shown.replace(
        "hook output priority dstnat - 1;",
        "hook output priority -101;",
    )
}

/// Whether the table has these lines, each behind the one before.
fn holds_in_order(table: &str, lines: &[&str]) {
    let mut rest = table.lines().map(str::trim);
    for line in lines {
        assert!(
            rest.any(|found| found == *line),
            "`{line}` in its place in\n{table}"
        );
    }
}

#[test]
fn the_table_reads_as_it_is_meant() {
    let road = Road::new();
    let interceptor = road.interceptor();
    let wanted = interception("docker0,br-*", "80,443");
    block(interceptor.apply(&wanted, 3183)).expect("rules");
    let table = table(&road);
    // How a mask is written differs between nft 1.0 and 1.1.
    let flags = |line: &str| line.starts_with("tcp flags") && line.ends_with("return");
    assert!(
        table.lines().map(str::trim).any(flags),
        "running connections are left alone in\n{table}"
    );
    holds_in_order(
        &table,
        &[
            "flags owner",
            "chain capture {",
            "ct status dnat return",
            "ip daddr @local4 return",
            "ip daddr @private4 return",
            "ip daddr @neighbours4 return",
            "meta nfproto ipv4 tcp dport @ports meta mark set 0x00003066",
            "ip6 daddr @local6 return",
            "ip6 daddr @private6 return",
            "ip6 daddr @neighbours6 return",
            "meta nfproto ipv6 tcp dport @ports meta mark set 0x00003066",
            "chain quic {",
            "meta nfproto ipv4 reject",
            "meta nfproto ipv6 reject",
            "chain prerouting {",
            "type nat hook prerouting priority dstnat + 1; policy accept;",
            "}",
            "chain leaving {",
            "type filter hook postrouting priority srcnat - 3; policy accept;",
            "iifname \"docker0\" meta l4proto tcp jump capture",
            "iifname \"br-*\" meta l4proto tcp jump capture",
            "chain follow {",
            "type filter hook output priority raw; policy accept;",
            "meta mark 0x00003067 ct zone set 0",
            "chain again {",
            "type nat hook output priority -101; policy accept;",
            "meta mark 0x00003067 meta nfproto ipv4 meta l4proto tcp counter packets 0 bytes 0 ct timeout set \"short\" dnat ip to 10.244.0.1:3183",
            "meta mark 0x00003067 meta nfproto ipv6 meta l4proto tcp counter packets 0 bytes 0 ct timeout set \"short\" dnat ip6 to [fd00:244::1]:3183",
            "chain again_from {",
            "type nat hook postrouting priority srcnat - 1; policy accept;",
            "meta mark 0x00003067 snat ip to ip saddr",
            "meta mark 0x00003067 snat ip6 to ip6 saddr",
            "chain forward {",
            "type filter hook forward priority filter; policy accept;",
            "iifname \"docker0\" ct direction original udp dport 443 jump quic",
            "iifname \"br-*\" ct direction original udp dport 443 jump quic",
            "chain input {",
            "type filter hook input priority filter; policy accept;",
            "tcp dport 3183 ct status dnat accept",
            "tcp dport 3183 reject with tcp reset",
            "chain taken {",
            "type filter hook postrouting priority srcnat - 2; policy accept;",
            "meta mark 0x00003066 meta mark set 0x00003067 dup to 127.0.0.1 device \"lo\" drop",
            "chain taken {",
            "meta mark 0x00003066 meta mark set 0x00003067 dup to ::1 device \"lo\" drop",
        ],
    );
    for range in [
        "10.0.0.0/8",
        "100.64.0.0/10",
        "172.16.0.0/12",
        "224.0.0.0",
        "fc00::/7",
        "fe80::/10",
    ] {
        assert!(table.contains(range), "{range} in\n{table}");
    }
}

#[test]
fn the_table_that_asks_no_forward_rule_reads_as_it_is_meant() {
    let road = Road::new();
    let interceptor = road.interceptor();
    let mut wanted = interception("br-*", "80");
    wanted.ignore_forward = true;
    block(interceptor.apply(&wanted, 3183)).expect("rules");
    holds_in_order(
        &table(&road),
        &[
            "chain capture {",
            "ip daddr @neighbours4 return",
            "meta nfproto ipv4 tcp dport @ports counter packets 0 bytes 0 ct timeout set \"short\" dnat ip to 10.244.0.1:3183",
            "meta nfproto ipv6 tcp dport @ports counter packets 0 bytes 0 ct timeout set \"short\" dnat ip6 to [fd00:244::1]:3183",
            "chain prerouting {",
            "type nat hook prerouting priority dstnat + 1; policy accept;",
            "iifname \"br-*\" meta l4proto tcp jump capture",
            "}",
            "chain leaving {",
            "type filter hook postrouting priority srcnat - 3; policy accept;",
            "}",
        ],
    );
}
