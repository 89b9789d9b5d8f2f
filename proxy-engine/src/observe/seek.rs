//! Whose the connections are that somebody looks at.

use std::net::SocketAddr;
use std::sync::Arc;

use super::row::Row;
use super::table::{ConnectionTable, lock};
use crate::accept::{Whose, whose};
use crate::control::Via;

/// More connections than these are not looked for at once; the next look goes on.
const AT_ONCE: usize = 1024;

impl ConnectionTable {
    /// Looks for whose the live ones of these connections are, where that is not known yet. Blocks.
    pub(super) fn seek(&self, rows: &[Arc<Row>]) {
        // One look at a time: what it finds is there for all who look.
        let _turn = lock(&self.seeking);
        let mut unknown = Vec::new();
        for row in rows.iter().filter(|row| row.is_live()) {
            let mut story = lock(&row.story);
            if story.who.is_none() {
                // Its name may have come after it.
                story.who = self.guests.at(SocketAddr::from(row.client).ip());
                story.sought = story.who.is_some();
            }
            if row.via == Via::Explicit && !story.sought {
                unknown.push(row);
            }
        }
        unknown.truncate(AT_ONCE);
        if unknown.is_empty() {
            return;
        }
        let ends = unknown
            .iter()
            .map(|row| (row.client.into(), row.local.into()));
        let Whose { who, complete } = whose(&ends.collect::<Vec<_>>());
        for (row, who) in unknown.into_iter().zip(who) {
            let mut story = lock(&row.story);
            story.who = who.map(Arc::new).or(story.who.take());
            story.sought = complete;
        }
    }
}
