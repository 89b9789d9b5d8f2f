//! Whether the kernel would take the table, and how much of it.

use std::collections::BTreeSet;

use super::{Holder, Stage};
use crate::config::Ports;
use crate::intercept::nftables::{self, Capture, Kernel, Road, Targets};
use crate::intercept::{InterceptError, InterfacePattern};

impl Holder {
    /// Asks the kernel whether it would take the table, every part of it; what not every kernel can
    /// do is left out where this one cannot. Nothing changes.
    pub(in crate::intercept) fn probe(&mut self) -> Result<(), InterceptError> {
        if !matches!(self.stage, Stage::Empty) {
            // What a table was made for, it keeps.
            return self.try_out(self.kernel);
        }
        let all = Kernel {
            copies: true,
            timeouts: true,
        };
        let (no_copies, no_timeouts) = (
            Kernel {
                copies: false,
                ..all
            },
            Kernel {
                timeouts: false,
                ..all
            },
        );
        let neither = Kernel {
            copies: false,
            ..no_timeouts
        };
        for kernel in [all, no_timeouts, no_copies] {
            match self.try_out(kernel) {
                Ok(()) => {
                    self.kernel = kernel;
                    return Ok(());
                }
                Err(
                    error
                    @ (InterceptError::MissingFeature { .. } | InterceptError::Refused { .. }),
                ) => {
                    tracing::info!(%error, "this kernel cannot do everything");
                }
                // It says nothing of the kernel.
                Err(error) => return Err(error),
            }
        }
        self.try_out(neither)?;
        self.kernel = neither;
        Ok(())
    }

    fn try_out(&mut self, kernel: Kernel) -> Result<(), InterceptError> {
        let table = format!("{}-probe", self.table);
        let capture = Capture {
            interfaces: &[InterfacePattern::Prefix("gangway".to_owned())],
            exclude: &[],
            ports: &Ports::default(),
            road: if kernel.copies {
                Road::Copied
            } else {
                Road::Logged(1)
            },
            kernel,
            listener: 3183,
            local: &BTreeSet::new(),
            neighbours: &[],
            targets: Targets {
                v4: Some(std::net::Ipv4Addr::LOCALHOST),
                v6: Some(std::net::Ipv6Addr::LOCALHOST),
            },
        };
        self.socket.check(nftables::install(&table, &capture))
    }
}
