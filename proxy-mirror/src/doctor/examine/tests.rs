use super::authority;

#[test]
fn a_proxy_is_known_by_host_and_port_alone() {
    for (proxy, known) in [
        ("http://Ann:p%40ss@Proxy.Corp:3128/", "proxy.corp:3128"),
        ("proxy.corp:3128", "proxy.corp:3128"),
        ("127.0.0.1:3182", "127.0.0.1:3182"),
        ("socks5h://[2001:db8::1]:1080", "[2001:db8::1]:1080"),
    ] {
        assert_eq!(authority(proxy), known);
    }
}
