//! What a file carries beside its bytes, mode and owner: access control lists (acl(5)), the labels of
//! SELinux and Smack, and the attributes that users give (`user.*`, xattr(7)).
//!
//! Those that speak of the bytes themselves (`security.ima`, `security.evm`, `security.capability`)
//! are not carried over: they would be wrong for other bytes, and the kernel drops them likewise.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

/// The kernel's own bounds of the list of names and of a value (`XATTR_LIST_MAX`,
/// `XATTR_SIZE_MAX`), in bytes.
const LARGEST: usize = 64 << 10;

/// Whether a rewritten file keeps it.
fn is_kept(name: &str) -> bool {
    name.starts_with("user.")
        || matches!(
            name,
            "system.posix_acl_access" | "security.selinux" | "security.SMACK64"
        )
}

/// Gives `to` the attributes of `from` that it does not have already.
///
/// # Errors
/// Those of reading and setting them. A file system without attributes has none to carry over.
pub(super) fn carry_over(from: impl AsFd, to: impl AsFd) -> io::Result<()> {
    let mut names = vec![0; LARGEST];
    let length = match rustix::fs::flistxattr(&from, &mut names[..]) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for name in names[..length].split(|byte| *byte == 0) {
        let Ok(name) = std::str::from_utf8(name) else {
            continue;
        };
        if !is_kept(name) {
            continue;
        }
        let value = value(&from, name)?;
        if self::value(&to, name).ok() != Some(value.clone()) {
            rustix::fs::fsetxattr(&to, name, &value, XattrFlags::empty()).map_err(|error| {
                io::Error::new(
                    io::Error::from(error).kind(),
                    format!("its attribute {name} cannot be kept: {error}"),
                )
            })?;
        }
    }
    Ok(())
}

fn value(file: impl AsFd, name: &str) -> Result<Vec<u8>, Errno> {
    let mut value = vec![0; LARGEST];
    let length = rustix::fs::fgetxattr(file, name, &mut value[..])?;
    value.truncate(length);
    Ok(value)
}
