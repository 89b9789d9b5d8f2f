//! Handing a batch to the kernel: all of it, or none.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::constants::{BATCH_BEGIN, BATCH_END};
use super::objects::bracket;
use crate::intercept::InterceptError;
use crate::intercept::netlink::{Ack, Message, NetlinkSocket, Parsed, messages};

/// The socket that owns the table.
#[derive(Debug)]
pub(crate) struct NftSocket {
    socket: NetlinkSocket,
    sequence: u32,
}

impl NftSocket {
    /// Opens the socket. It needs no privilege yet.
    ///
    /// # Errors
    /// [`InterceptError::MissingFeature`] on a kernel without nf_tables.
    pub(crate) fn open() -> Result<Self, InterceptError> {
        let protocol = Some(rustix::net::netlink::NETFILTER);
        let socket = NetlinkSocket::open(protocol, 0).map_err(|error| {
            if error.raw_os_error() == Some(libc::EPROTONOSUPPORT) {
                InterceptError::MissingFeature {
                    feature: "netfilter (module nfnetlink)".to_owned(),
                    what: "interception".to_owned(),
                    errno: error,
                }
            } else {
                InterceptError::Netlink {
                    what: "opening a netlink socket to netfilter",
                    source: error,
                }
            }
        })?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// A name for the table that no other holder in this network namespace has: the number of the
    /// socket, which is the process id for the first one of a process.
    pub(crate) fn table_name(&self) -> String {
        format!("gangway-{}", self.socket.port())
    }

    /// Puts the batch in force: all of it, or nothing.
    ///
    /// # Errors
    /// What the kernel refused first, and why.
    pub(crate) fn commit(&mut self, batch: Vec<Message>) -> Result<(), InterceptError> {
        self.send(batch, true)
    }

    /// Asks the kernel whether it would take the batch. Nothing changes.
    ///
    /// # Errors
    /// As [`NftSocket::commit`].
    pub(crate) fn check(&mut self, batch: Vec<Message>) -> Result<(), InterceptError> {
        self.send(batch, false)
    }

    fn send(&mut self, mut batch: Vec<Message>, commit: bool) -> Result<(), InterceptError> {
        let first = self.sequence.wrapping_add(1);
        batch.insert(0, bracket(BATCH_BEGIN));
        let asked = batch.len() - 1;
        let mut bytes = Vec::new();
        for message in &mut batch {
            self.sequence = self.sequence.wrapping_add(1);
            bytes.extend_from_slice(message.finish(self.sequence));
        }
        if commit {
            self.sequence = self.sequence.wrapping_add(1);
            bytes.extend_from_slice(bracket(BATCH_END).finish(self.sequence));
        }
        let netlink = |what| move |source| InterceptError::Netlink { what, source };
        self.socket
            .send(&bytes)
            .map_err(netlink("sending rules to the kernel"))?;
        // The kernel has dealt with the batch: every answer waits already.
        let mut acknowledged = 0;
        while let Some(answer) = self
            .socket
            .receive()
            .map_err(netlink("reading the kernel's answer about rules"))?
        {
            for parsed in messages(&answer) {
                let Parsed::Ack(ack) = parsed else { continue };
                // Answers to earlier batches cannot be left over but after a lost one.
                let Ok(index) = usize::try_from(ack.sequence.wrapping_sub(first)) else {
                    continue;
                };
                let Some(message) = batch.get(index) else {
                    continue;
                };
                if ack.error.is_some() {
                    return Err(refusal(message, ack));
                }
                acknowledged += 1;
            }
        }
        if acknowledged < asked {
            let source = io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("{acknowledged} of {asked} parts were acknowledged"),
            );
            return Err(netlink("reading the kernel's answer about rules")(source));
        }
        Ok(())
    }
}

impl AsFd for NftSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn refusal(message: &Message, ack: Ack) -> InterceptError {
    let errno = ack.error.unwrap_or_else(|| io::ErrorKind::Other.into());
    let part = ack.offset.and_then(|offset| message.part_at(offset));
    let what = message.what().to_owned();
    let missing = match (errno.raw_os_error(), part) {
        (Some(libc::EPERM | libc::EACCES), _) => return InterceptError::NotPermitted,
        (Some(libc::EOPNOTSUPP | libc::EINVAL), _) if what == "a table with an owner" => {
            Some("tables with an owner (Linux 5.12)".to_owned())
        }
        (Some(libc::EOPNOTSUPP | libc::EPROTONOSUPPORT | libc::EAFNOSUPPORT), _) => {
            Some("nftables (module nf_tables)".to_owned())
        }
        (Some(libc::ENOENT), Some(part)) => Some(feature(part)),
        _ => None,
    };
    match missing {
        Some(feature) => InterceptError::MissingFeature {
            feature,
            what,
            errno,
        },
        None => InterceptError::Refused {
            what,
            errno,
            detail: ack.text.map(|text| format!(": {text}")).unwrap_or_default(),
        },
    }
}

/// The name of what is missing, and of the module that has it.
fn feature(part: &str) -> String {
    let module = match part {
        "nat chain" => "nft_chain_nat",
        "nat" => "nft_nat",
        "ct" => "nft_ct",
        "reject" => "nft_reject_inet",
        "log" => "nft_log",
        "dup" => "nft_dup_ipv4, nft_dup_ipv6",
        "tproxy" => "nft_tproxy",
        "ct timeout" | "objref" => "nf_conntrack with timeouts",
        "ct zone" => "nf_conntrack with zones",
        _ => "nf_tables",
    };
    let kind = if part.ends_with("chain") {
        ""
    } else {
        "the nftables expression "
    };
    format!("{kind}{part} (module {module})")
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::refusal;
    use crate::config::Ports;
    use crate::intercept::InterceptError;
    use crate::intercept::netlink::{Ack, Message};
    use crate::intercept::nftables::{Capture, Kernel, Road, Targets, install};

    /// The table's message that is for `what`, and where in it stands `part`.
    fn find(what: &str, part: &str) -> (Message, usize) {
        let capture = Capture {
            road: Road::Early,
            kernel: Kernel::default(),
            exclude: &[],
            interfaces: &["br-*".parse().expect("a pattern")],
            ports: &Ports::default(),
            listener: 3183,
            local: &std::iter::once([10, 0, 0, 1].into()).collect(),
            neighbours: &[],
            targets: Targets {
                v4: Some([10, 0, 0, 1].into()),
                v6: None,
            },
        };
        let mut batch = install("t", &capture);
        let at = batch
            .iter()
            .position(|message| message.what().contains(what));
        let mut message = batch.swap_remove(at.expect("such a message"));
        let length = message.finish(1).len();
        let offset = (0..length).find(|offset| message.part_at(*offset) == Some(part));
        (message, offset.unwrap_or_default())
    }

    fn refused(errno: i32, what: &str, part: &str) -> InterceptError {
        let (message, offset) = find(what, part);
        let ack = Ack {
            sequence: 1,
            error: Some(io::Error::from_raw_os_error(errno)),
            offset: (offset > 0).then_some(offset),
            text: None,
        };
        refusal(&message, ack)
    }

    #[test]
    fn what_the_kernel_lacks_is_named() {
        for (errno, what, part, feature) in [
            (libc::ENOENT, "sends V4 to", "nat", "nft_nat"),
            (libc::ENOENT, "lets captured connections in", "ct", "nft_ct"),
            (
                libc::ENOENT,
                "refuses direct hits",
                "reject",
                "nft_reject_inet",
            ),
            (
                libc::ENOENT,
                "chain prerouting",
                "nat chain",
                "nft_chain_nat",
            ),
            (
                libc::EOPNOTSUPP,
                "a table with an owner",
                "owner",
                "Linux 5.12",
            ),
            (libc::EINVAL, "a table with an owner", "owner", "Linux 5.12"),
        ] {
            let error = refused(errno, what, part);
            assert_eq!(error.problem().code, "kernel_feature_missing", "{error}");
            assert!(error.to_string().contains(feature), "{feature} in {error}");
            assert!(error.to_string().contains(what), "{what} in {error}");
        }
    }

    #[test]
    fn a_missing_privilege_and_any_other_refusal_are_told_apart() {
        let error = refused(libc::EPERM, "a table with an owner", "");
        assert_eq!(error.problem().code, "interception_not_permitted");
        let error = refused(libc::ENOMEM, "br-*", "");
        assert_eq!(error.problem().code, "kernel_refused");
        assert!(
            error.to_string().contains("the rule for TCP from br-*"),
            "{error}"
        );
    }
}
