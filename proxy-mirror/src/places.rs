//! Where things live on this operating system.
