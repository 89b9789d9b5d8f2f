//! The machine's own users.

/// One of them.
pub(crate) struct User<'a> {
    pub(crate) name: &'a str,
    pub(crate) uid: u32,
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "groups are asked for on Linux alone")
    )]
    pub(crate) gid: u32,
}

/// The users of passwd(5): `name:password:uid:gid:…`.
pub(crate) fn users(passwd: &str) -> impl Iterator<Item = User<'_>> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        Some(User {
            name: fields.next()?,
            uid: fields.nth(1)?.parse().ok()?,
            gid: fields.next()?.parse().ok()?,
        })
    })
}
