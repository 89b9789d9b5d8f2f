use super::{Agreed, authority};

#[test]
fn a_proxy_is_known_by_host_and_port_alone() {
    for (proxy, known) in [
        ("http://Ann:p%40ss@Proxy.Corp:3128/", "proxy.corp:3128"),
        ("proxy.corp:3128", "proxy.corp:3128"),
        ("127.0.0.1:3182", "127.0.0.1:3182"),
        ("socks5h://[2001:db8::1]:1080", "[2001:db8::1]:1080"),
        ("http://ann:p/w;d@proxy.corp:3128", "proxy.corp:3128"),
    ] {
        assert_eq!(authority(proxy).as_deref(), Some(known), "{proxy}");
    }
}

#[test]
fn of_a_proxy_that_cannot_be_read_nothing_is_shown() {
    let nothing = Agreed(["proxy.corp:3128".to_owned()].into());
    for proxy in [
        "http://ann:canary",
        "http://ann:canary word@proxy.corp:3128",
        "http://ann:canary%zz%@",
        "canary",
    ] {
        assert_eq!(nothing.other(proxy).as_deref(), Some("?"), "{proxy}");
    }
}
