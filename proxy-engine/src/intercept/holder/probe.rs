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
        if self.can(Kernel::ALL)? {
            self.kernel = Kernel::ALL;
            return Ok(());
        }
        let mut kernel = Kernel::default();
        let parts: [fn(Kernel) -> Kernel; 3] = [
            |kernel| Kernel {
                copies: true,
                ..kernel
            },
            |kernel| Kernel {
                timeouts: true,
                ..kernel
            },
            |kernel| Kernel {
                makes_room: true,
                ..kernel
            },
        ];
        for with in parts {
            if self.can(with(kernel))? {
                kernel = with(kernel);
            }
        }
        self.try_out(kernel)?;
        self.kernel = kernel;
        Ok(())
    }

    /// Whether the kernel would take a table that needs so much of it; what says nothing of the
    /// kernel is an error.
    fn can(&mut self, kernel: Kernel) -> Result<bool, InterceptError> {
        match self.try_out(kernel) {
            Ok(()) => Ok(true),
            Err(
                error @ (InterceptError::MissingFeature { .. } | InterceptError::Refused { .. }),
            ) => {
                tracing::info!(%error, "this kernel cannot do everything");
                Ok(false)
            }
            Err(error) => Err(error),
        }
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
