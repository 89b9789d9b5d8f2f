//! The user and group that the engine runs as: systemd-sysusers makes them, from a file that also
//! tells the administrator of them; `useradd` where there is no sysusers.

use crate::change::host::{Command, Host};
use crate::change::{Change, ChangeError, Desk, FileId};

/// Makes the account where there is none.
///
/// # Errors
/// [`ChangeError`] where neither program makes it.
pub(super) fn make(desk: &Desk, file: &FileId) -> Result<(), ChangeError> {
    let host = desk.host.as_ref();
    if exists(host)? {
        return Ok(());
    }
    desk.carry_out(&Change::InstallFile { file: file.clone() }, &[])?;
    let sysusers = host.run(Command::MakeUser)?;
    if sysusers.not_found() {
        host.run(Command::AddUser)?.checked(Command::AddUser)?;
    } else {
        sysusers.checked(Command::MakeUser)?;
    }
    Ok(())
}

/// Removes the account that [`make`] made, and its group, whoever was put into it.
///
/// # Errors
/// [`ChangeError`] where `userdel` refuses.
pub(super) fn remove(desk: &Desk) -> Result<(), ChangeError> {
    let ours = desk
        .journal
        .records()?
        .iter()
        .any(|record| record.file == FileId::EngineUser);
    if !ours {
        return Ok(());
    }
    let host = desk.host.as_ref();
    if exists(host)? {
        host.run(Command::RemoveUser)?
            .checked(Command::RemoveUser)?;
    }
    if host.run(Command::LookUpGroup)?.success() {
        host.run(Command::RemoveGroup)?
            .checked(Command::RemoveGroup)?;
    }
    Ok(())
}

fn exists(host: &dyn Host) -> Result<bool, ChangeError> {
    Ok(host.run(Command::LookUpUser)?.success())
}
