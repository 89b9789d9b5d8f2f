//! Numbers of `linux/netfilter/nf_tables.h`, `nfnetlink.h` and `netfilter.h`.

/// `NFNL_SUBSYS_NFTABLES`.
pub(super) const SUBSYSTEM: u16 = 10;
/// `NFNL_MSG_BATCH_BEGIN`.
pub(super) const BATCH_BEGIN: u16 = 0x10;
/// `NFNL_MSG_BATCH_END`: without it the kernel checks the batch and changes nothing.
pub(super) const BATCH_END: u16 = 0x11;

/// `NFT_MSG_*`.
pub(super) mod message {
    pub(crate) const NEW_TABLE: u16 = 0;
    pub(crate) const GET_TABLE: u16 = 1;
    pub(crate) const DELETE_TABLE: u16 = 2;
    pub(crate) const NEW_CHAIN: u16 = 3;
    pub(crate) const NEW_RULE: u16 = 6;
    pub(crate) const GET_RULE: u16 = 7;
    pub(crate) const DELETE_RULE: u16 = 8;
    pub(crate) const NEW_SET: u16 = 9;
    pub(crate) const NEW_ELEMENTS: u16 = 12;
    pub(crate) const DELETE_ELEMENTS: u16 = 14;
    pub(crate) const NEW_OBJECT: u16 = 18;
}

/// `NFTA_TABLE_NAME`, `NFTA_CHAIN_TABLE`, `NFTA_SET_TABLE`, `NFTA_RULE_TABLE`, …: the name of the
/// table has the same number in every message.
pub(super) const TABLE: u16 = 1;

/// `NFPROTO_INET`: rules for IPv4 and IPv6 in one table.
pub(super) const INET: u8 = 1;
/// `NFPROTO_IPV4`.
pub(super) const IPV4: u8 = 2;
/// `NFPROTO_IPV6`.
pub(super) const IPV6: u8 = 10;

/// `NFTA_TABLE_*`.
pub(super) mod table {
    pub(crate) const FLAGS: u16 = 2;
    /// `NFT_TABLE_F_OWNER`, Linux 5.12.
    pub(crate) const OWNER: u32 = 0x2;
}

/// `NFTA_CHAIN_*` and `NFTA_HOOK_*`.
pub(super) mod chain {
    pub(crate) const NAME: u16 = 3;
    pub(crate) const HOOK: u16 = 4;
    pub(crate) const POLICY: u16 = 5;
    pub(crate) const TYPE: u16 = 7;
    pub(crate) const HOOK_NUMBER: u16 = 1;
    pub(crate) const HOOK_PRIORITY: u16 = 2;
}

/// `NFTA_SET_*`, `NFTA_SET_ELEM_*`.
pub(super) mod set {
    pub(crate) const NAME: u16 = 2;
    pub(crate) const FLAGS: u16 = 3;
    pub(crate) const KEY_TYPE: u16 = 4;
    pub(crate) const KEY_LENGTH: u16 = 5;
    pub(crate) const ID: u16 = 10;
    /// `NFT_SET_INTERVAL`.
    pub(crate) const INTERVAL: u32 = 0x4;

    pub(crate) const LIST_SET: u16 = 2;
    pub(crate) const LIST_ELEMENTS: u16 = 3;
    pub(crate) const ELEMENT_KEY: u16 = 1;
    pub(crate) const ELEMENT_FLAGS: u16 = 3;
    /// `NFT_SET_ELEM_INTERVAL_END`: the first key behind the interval.
    pub(crate) const INTERVAL_END: u32 = 1;
}

/// `NFTA_OBJ_*`.
pub(super) mod object {
    pub(crate) const NAME: u16 = 2;
    pub(crate) const TYPE: u16 = 3;
    pub(crate) const DATA: u16 = 4;
    /// `NFT_OBJECT_CT_TIMEOUT`.
    pub(crate) const TIMEOUTS: u32 = 7;
}

/// `NFTA_RULE_*`, `NFTA_EXPR_*`.
pub(super) mod rule {
    pub(crate) const CHAIN: u16 = 2;
    pub(crate) const EXPRESSIONS: u16 = 4;
    pub(crate) const EXPRESSION_NAME: u16 = 1;
    pub(crate) const EXPRESSION_DATA: u16 = 2;
}

/// `NFTA_LIST_ELEM`.
pub(super) const LIST_ELEMENT: u16 = 1;
/// `NFTA_DATA_VALUE`.
pub(super) const DATA_VALUE: u16 = 1;
/// `NFTA_DATA_VERDICT`.
pub(super) const DATA_VERDICT: u16 = 2;
/// `NFTA_VERDICT_CODE`.
pub(super) const VERDICT_CODE: u16 = 1;
/// `NFTA_VERDICT_CHAIN`.
pub(super) const VERDICT_CHAIN: u16 = 2;
