//! The users who may lend to the engine: whoever installs it comes into its group, and out again
//! when the service is removed.

use crate::change::host::{Command, Host, Place};
use crate::change::{Change, ChangeError, Desk, FileId, user_name};

/// What pkexec(1) and sudo(8) call the user id of who asked them.
const ASKERS: [&str; 2] = ["PKEXEC_UID", "SUDO_UID"];

/// Puts the user who asked for root into the group. Nothing is done where root asked for itself, or
/// the user is in it already.
///
/// # Errors
/// [`ChangeError`]; a user that the machine does not know is refused.
pub(super) fn add(desk: &Desk) -> Result<(), ChangeError> {
    let host = desk.host.as_ref();
    let Some(uid) = asker(|name| std::env::var(name).ok())? else {
        return Ok(());
    };
    let user = user(host, uid)?;
    if members(host)?.contains(&user) {
        return Ok(());
    }
    let mut users = noted(desk)?;
    if !users.contains(&user) {
        users.push(user.clone());
        let file = FileId::EngineLenders;
        // First, so that whatever happens the user is taken out again.
        desk.carry_out(&Change::NoteLenders { file, users }, &[])?;
    }
    let join = Command::JoinGroup(&user);
    host.run(join)?.checked(join).map(drop)
}

/// Takes out of the group whom [`add`] put there, and nobody else.
///
/// # Errors
/// [`ChangeError`] where `gpasswd` refuses.
pub(super) fn remove(desk: &Desk) -> Result<(), ChangeError> {
    let host = desk.host.as_ref();
    let members = members(host)?;
    for user in noted(desk)? {
        if members.contains(&user) {
            let leave = Command::LeaveGroup(&user);
            host.run(leave)?.checked(leave)?;
        }
    }
    Ok(())
}

/// Who asked for root; `None` where root asked for itself.
fn asker(var: impl Fn(&str) -> Option<String>) -> Result<Option<u32>, ChangeError> {
    for name in ASKERS {
        let Some(value) = var(name) else {
            continue;
        };
        let uid: u32 = value.parse().map_err(|_| ChangeError::Value {
            what: name.into(),
            reason: "it is no user id".into(),
        })?;
        if uid != 0 {
            return Ok(Some(uid));
        }
    }
    Ok(None)
}

/// The name of the user, by this machine's database.
fn user(host: &dyn Host, uid: u32) -> Result<String, ChangeError> {
    // What it does not find it does not name either.
    let found = host.run(Command::LookUpUid(uid))?;
    let mut fields = found.stdout.split(':');
    let name = fields.next().unwrap_or_default().to_owned();
    if fields.nth(1) != Some(uid.to_string().as_str()) {
        return Err(ChangeError::Value {
            what: "a user".into(),
            reason: format!("no user of this machine has the id {uid}"),
        });
    }
    user_name(&name)?;
    Ok(name)
}

/// Who is in the group; nobody where there is no such group.
fn members(host: &dyn Host) -> Result<Vec<String>, ChangeError> {
    let group = host.run(Command::LookUpGroup)?.stdout;
    let members = group.trim().split(':').nth(3).unwrap_or_default();
    Ok(members.split(',').map(str::to_owned).collect())
}

/// Whom [`add`] put there.
fn noted(desk: &Desk) -> Result<Vec<String>, ChangeError> {
    let noted = desk.host.read(Place::of(&FileId::EngineLenders))?;
    let text = noted.map(|image| image.bytes).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    Ok(lines.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::asker;

    #[test]
    fn who_asked_is_the_first_that_is_not_root() {
        let who = |vars: &[(&str, &str)]| {
            asker(|name| {
                let found = vars.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            })
            .ok()
        };
        assert_eq!(who(&[]), Some(None));
        assert_eq!(who(&[("SUDO_UID", "1000")]), Some(Some(1000)));
        assert_eq!(who(&[("SUDO_UID", "0")]), Some(None));
        let through_both = [("PKEXEC_UID", "0"), ("SUDO_UID", "1000")];
        assert_eq!(who(&through_both), Some(Some(1000)));
        for odd in ["", "ann", "-1", "1000x", "4294967296"] {
            assert_eq!(who(&[("SUDO_UID", odd)]), None, "{odd}");
        }
    }
}
