//! Who may speak to the engine, and with that lend it credentials.

use std::fs;
use std::path::PathBuf;

use super::peer::Peer;
use super::{Problem, users};

/// Root, the user that the engine runs as, and the members of a group where one is named.
///
/// A member counts from the moment in which the machine's own database says so: a session that
/// began before has the groups of then, and would have to end first. Both are asked, because a
/// group may also come from elsewhere (a directory, `SupplementaryGroups=` of a unit): those the
/// kernel knows.
#[derive(Debug, Clone)]
pub(super) struct Lenders {
    own: u32,
    group: Option<String>,
    /// Where `passwd` and `group` lie.
    etc: PathBuf,
}

impl Lenders {
    /// Nobody but root and this process's user.
    pub(super) fn alone() -> Self {
        Self {
            own: rustix::process::geteuid().as_raw(),
            group: None,
            etc: PathBuf::from("/etc"),
        }
    }

    /// The members of `group`, too.
    pub(super) fn and_members_of(&mut self, group: String) {
        self.group = Some(group);
    }

    /// Whether `peer` may speak; else what to tell it.
    pub(super) fn judge(&self, peer: &Peer) -> Result<(), Problem> {
        if peer.uid == 0 || peer.uid == self.own {
            return Ok(());
        }
        let Some(group) = &self.group else {
            return Err(stranger(format!(
                "only root and user id {} may speak to this engine, not user id {}",
                self.own, peer.uid
            )));
        };
        // Without a database nobody is known; that keeps strangers out, and root in.
        let read = |name| fs::read_to_string(self.etc.join(name)).unwrap_or_default();
        let (passwd, groups) = (read("passwd"), read("group"));
        let user = users(&passwd).find(|user| user.uid == peer.uid);
        let is_member = listed(&groups, group).is_some_and(|listed| {
            peer.groups.contains(&listed.gid)
                || users(&passwd)
                    .filter(|user| user.uid == peer.uid)
                    .any(|user| user.gid == listed.gid || listed.members.contains(&user.name))
        });
        if is_member {
            return Ok(());
        }
        // Whoever is in no local database knows at least what their shell calls them.
        let name = user.map_or("\"$USER\"", |user| user.name);
        Err(stranger(format!(
            "user id {} is not in the group `{group}`, whose members may lend passwords to this engine and tell it where to go: run `sudo gpasswd -a {name} {group}`; it holds at once, without a new log-in",
            peer.uid
        )))
    }
}

fn stranger(message: String) -> Problem {
    Problem {
        code: "engine_not_yours".into(),
        message,
    }
}

struct Listed<'a> {
    gid: u32,
    members: Vec<&'a str>,
}

/// One group of group(5): `name:password:gid:member,member`.
fn listed<'a>(groups: &'a str, name: &str) -> Option<Listed<'a>> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        Some(Listed {
            gid: fields.nth(1)?.parse().ok()?,
            members: fields.next()?.split(',').collect(),
        })
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Lenders, Peer};

    const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n\
         bob:x:1001:1001::/home/bob:/bin/sh\nsvc:x:1002:70::/:/bin/false\nodd\n";
    const GROUP: &str = "root:x:0:\ngang:x:71:bob\ngangway:x:70:ann,bo\nodd:x\n";

    fn judge(uid: u32, groups: &[u32]) -> Result<(), String> {
        let etc = tempfile::tempdir().expect("folder");
        fs::write(etc.path().join("passwd"), PASSWD).expect("write");
        fs::write(etc.path().join("group"), GROUP).expect("write");
        let lenders = Lenders {
            own: 998,
            group: Some("gangway".into()),
            etc: etc.path().to_owned(),
        };
        let groups = groups.to_vec();
        let judged = lenders.judge(&Peer { uid, groups });
        judged.map_err(|problem| problem.message)
    }

    #[test]
    fn a_member_is_known_by_the_whole_name_the_primary_group_or_the_kernel() {
        for (uid, groups) in [
            (0, &[0][..]),
            (998, &[5]),
            (1000, &[1000]),
            (1002, &[1002]),
            (1001, &[1001, 70]),
            (4242, &[70]),
        ] {
            assert_eq!(judge(uid, groups), Ok(()), "{uid}");
        }
        for (uid, groups) in [(1001, &[1001, 71][..]), (4242, &[4242])] {
            assert!(judge(uid, groups).is_err(), "{uid}");
        }
    }

    #[test]
    fn a_stranger_is_told_the_command_that_lets_exactly_them_in() {
        let told = judge(1001, &[1001]).expect_err("refused");
        assert!(told.contains("`sudo gpasswd -a bob gangway`"), "{told}");
        let told = judge(4242, &[4242]).expect_err("refused");
        assert!(
            told.contains("`sudo gpasswd -a \"$USER\" gangway`"),
            "{told}"
        );
    }
}
