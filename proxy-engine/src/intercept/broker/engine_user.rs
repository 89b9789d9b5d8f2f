//! Who the engine is.

use std::fs;

use super::{BrokerError, EngineUser};

/// The engine's user id, and the group that its socket is given to.
pub(super) fn resolve(user: &EngineUser) -> Result<(u32, u32), BrokerError> {
    match user {
        EngineUser::Uid(uid) => Ok((*uid, *uid)),
        EngineUser::Name(name) => {
            let passwd =
                fs::read_to_string("/etc/passwd").map_err(|source| BrokerError::System {
                    what: "reading /etc/passwd",
                    source,
                })?;
            find(&passwd, name).ok_or_else(|| BrokerError::NoUser(name.clone()))
        }
    }
}

/// Reads `name:password:uid:gid:…` (passwd(5)).
fn find(passwd: &str, name: &str) -> Option<(u32, u32)> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        Some((uid, fields.next()?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn a_user_is_found_by_the_whole_name() {
        let passwd =
            "root:x:0:0:root:/root:/bin/bash\ngangway:x:998:997::/:/usr/sbin/nologin\nbad:x\n";
        assert_eq!(find(passwd, "gangway"), Some((998, 997)));
        assert_eq!(find(passwd, "gang"), None);
        assert_eq!(find(passwd, "bad"), None);
    }
}
