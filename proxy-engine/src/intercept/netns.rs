//! Moving into another network namespace.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags, fstat, fstatfs, open, openat, openat2};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::InterceptError;
use crate::config::Netns;

/// An open network namespace.
#[derive(Debug)]
pub(super) struct OpenNetns(OwnedFd);

impl OpenNetns {
    /// That of the calling thread.
    pub(super) fn own() -> Result<Self, InterceptError> {
        let path = Path::new("/proc/thread-self/ns/net");
        open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .map(Self)
            .map_err(failed(path.display()))
    }

    /// Opens `netns` for an engine of the user `uid`. No symbolic link is followed but the one by
    /// which the kernel names a process's namespace; a folder must be root's alone, a process
    /// root's or the user's: other users' containers are none of his.
    ///
    /// # Errors
    /// [`InterceptError::Netns`].
    pub(super) fn open(netns: &Netns, uid: u32) -> Result<Self, InterceptError> {
        let opened = match netns {
            Netns::Named(name) => named("/run/netns", name),
            Netns::Docker(name) => named("/run/docker/netns", name),
            Netns::Process(pid) => of_process(*pid, uid),
        };
        opened.map(Self).map_err(failed(netns))
    }

    /// Moves the calling thread there, for good: what it opens from now on belongs there.
    ///
    /// # Errors
    /// [`InterceptError::Netns`]: without CAP_SYS_ADMIN, or when it is no network namespace.
    pub(super) fn enter(&self) -> Result<(), InterceptError> {
        move_into_link_name_space(
            std::os::fd::AsFd::as_fd(&self.0),
            Some(LinkNameSpaceType::Network),
        )
        .map_err(failed("entering it"))
    }
}

fn failed<E: Into<io::Error>>(what: impl fmt::Display) -> impl FnOnce(E) -> InterceptError {
    move |source| InterceptError::Netns {
        netns: what.to_string(),
        source: source.into(),
    }
}

/// `NSFS_MAGIC`: the file is a namespace.
const NAMESPACE: i64 = 0x6e73_6673;

fn named(folder: &str, name: &str) -> io::Result<OwnedFd> {
    let straight = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let folder = openat2(
        rustix::fs::CWD,
        folder,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
        straight,
    )?;
    let owner = fstat(&folder)?;
    if owner.st_uid != 0 || owner.st_mode & 0o022 != 0 {
        return Err(denied("others than root may write in its folder"));
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat2(&folder, name, flags, Mode::empty(), straight)?;
    if fstatfs(&file)?.f_type != NAMESPACE {
        return Err(denied("it is no namespace"));
    }
    Ok(file)
}

fn of_process(pid: u32, uid: u32) -> io::Result<OwnedFd> {
    // The folder stays that of this one process, whoever gets its number later.
    let process = open(
        format!("/proc/{pid}"),
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let owner = fstat(&process)?.st_uid;
    if owner != 0 && owner != uid {
        return Err(denied("the process is another user's"));
    }
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    Ok(openat(&process, "ns/net", flags, Mode::empty())?)
}

fn denied(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

#[cfg(test)]
mod tests {
    use super::OpenNetns;
    use crate::config::Netns;

    #[test]
    fn another_users_process_lends_no_namespace() {
        let mut other = std::process::Command::new("setpriv")
            .args([
                "--reuid=65534",
                "--clear-groups",
                "sh",
                "-c",
                "echo; read x",
            ])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("setpriv");
        let mut line = [0];
        let mut output = other.stdout.take().expect("piped");
        std::io::Read::read_exact(&mut output, &mut line).expect("it runs as that user");
        let of = Netns::Process(other.id());
        let refused = OpenNetns::open(&of, 1000).expect_err("another user's");
        assert!(refused.to_string().contains("another user's"), "{refused}");
        OpenNetns::open(&of, 65534).expect("his own");
        drop(other.stdin.take());
        other.wait().expect("its end");
    }

    #[test]
    fn a_link_or_a_file_in_the_folder_of_namespaces_is_not_followed() {
        let folder = std::path::Path::new("/run/netns");
        std::fs::create_dir_all(folder).expect("the folder");
        let own = std::process::id();
        for (kind, make) in [("link", true), ("file", false)] {
            let name = format!("gw-test-{kind}-{own}");
            let path = folder.join(&name);
            if make {
                std::os::unix::fs::symlink("/proc/1/ns/net", &path).expect("a link");
            } else {
                std::fs::write(&path, "").expect("a file");
            }
            let opened = OpenNetns::open(&Netns::Named(name), 0);
            std::fs::remove_file(&path).expect("removed");
            opened.expect_err(kind);
        }
    }
}
