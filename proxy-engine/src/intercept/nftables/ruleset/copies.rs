//! The tables that copy opening segments: one a family, for the kernel copies in no others.

use super::super::expression::Family;
use super::super::objects::{Table, new_chain, new_rule, new_table};
use super::{POSTROUTING, SRCNAT};
use crate::intercept::forwarded::{MARK, TAKEN};
use crate::intercept::netlink::Message;

/// The only chain of each.
const CHAIN: &str = "taken";

/// The tables by the name `name`.
pub(super) fn tables(name: &str) -> impl Iterator<Item = Table<'_>> {
    Family::BOTH
        .into_iter()
        .map(|family| Table::of(family, name))
}

/// The messages that make them.
pub(super) fn install(name: &str) -> Vec<Message> {
    let hook = ("filter", POSTROUTING, SRCNAT - 2);
    tables(name)
        .flat_map(|table| [new_table(table), new_chain(table, CHAIN, Some(hook))])
        .collect()
}

/// The rules that put a copy in the place of what was taken.
pub(super) fn take(name: &str) -> Vec<Message> {
    let rule = |family| {
        let what = format!("the rule that copies {family:?}");
        new_rule(Table::of(family, name), CHAIN, what, |rule| {
            rule.marked(TAKEN)
                .mark(MARK)
                .copy_to_loopback(family)
                .drop();
        })
    };
    Family::BOTH.into_iter().map(rule).collect()
}
