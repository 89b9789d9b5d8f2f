//! A text that was written anew, beside the one that it was made from.

use std::ops::Range;

use similar::{DiffOp, TextDiff};

const BOM: char = '\u{feff}';

/// The new text with the lines that did not change as they were, byte for byte, and the others with
/// the line end that most lines had; a byte order mark stays. `toml_edit` writes LF alone, and no
/// mark.
pub(super) fn kept(old: &str, new: &str) -> String {
    let (mark, old) = match old.strip_prefix(BOM) {
        Some(rest) => ("\u{feff}", rest),
        None => ("", old),
    };
    let was: Vec<&str> = old.split_inclusive('\n').collect();
    let is: Vec<&str> = new.split_inclusive('\n').collect();
    let returns = was.iter().filter(|line| line.ends_with("\r\n")).count();
    let end = if returns * 2 > was.len() {
        "\r\n"
    } else {
        "\n"
    };
    let mut text = mark.to_owned();
    let mut put = |line: &str| {
        // One that was the last may have no end.
        if !text.is_empty() && text != mark && !text.ends_with('\n') {
            text.push_str(end);
        }
        text.push_str(line);
    };
    for op in ops(&was, &is) {
        match op {
            DiffOp::Equal { old_index, len, .. } => {
                was[old_index..old_index + len]
                    .iter()
                    .for_each(|line| put(line));
            }
            DiffOp::Delete { .. } | DiffOp::Insert { .. } | DiffOp::Replace { .. } => {
                for line in &is[op.new_range()] {
                    let ended = if line.ends_with('\n') { end } else { "" };
                    put(&format!("{}{ended}", bare(line)));
                }
            }
        }
    }
    text
}

/// The line of the old text (from 1) that this one of the new text was, or was made from.
pub(super) fn before(old: &str, new: &str, line: usize) -> usize {
    let old = old.strip_prefix(BOM).unwrap_or(old);
    let new = new.strip_prefix(BOM).unwrap_or(new);
    let was: Vec<&str> = old.split_inclusive('\n').collect();
    let is: Vec<&str> = new.split_inclusive('\n').collect();
    let index = line.saturating_sub(1);
    let found = ops(&was, &is)
        .into_iter()
        .find(|op| op.new_range().contains(&index))
        .map_or(index, |op| {
            let Range { start, end } = op.old_range();
            (start + index - op.new_range().start).min(end.saturating_sub(1).max(start))
        });
    found.min(was.len().saturating_sub(1)) + 1
}

fn ops(was: &[&str], is: &[&str]) -> Vec<DiffOp> {
    let (was, is): (Vec<&str>, Vec<&str>) = (
        was.iter().map(|line| bare(line)).collect(),
        is.iter().map(|line| bare(line)).collect(),
    );
    TextDiff::from_slices(&was, &is).ops().to_vec()
}

/// The line without its end.
fn bare(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_did_not_change_is_kept_byte_for_byte() {
        for (old, new, want) in [
            ("a\r\nb\nc\r\n", "a\nb\nc\n", "a\r\nb\nc\r\n"),
            ("a\r\nb\nc\r\n", "a\nx\nc\n", "a\r\nx\r\nc\r\n"),
            ("\u{feff}a\n", "a\nb\n", "\u{feff}a\nb\n"),
            ("\u{feff}a", "b\na\n", "\u{feff}b\na"),
            ("a", "a\nb\n", "a\nb\n"),
            ("a\r\nb", "a\nb\nc\n", "a\r\nb\nc\n"),
            ("", "a\n", "a\n"),
            ("a\n", "", ""),
        ] {
            assert_eq!(kept(old, new), want, "{old:?} {new:?}");
        }
    }

    #[test]
    fn a_line_is_found_again() {
        let (old, new) = ("a\r\nb\nc\n", "x\na\nB\nc\nd\n");
        let found: Vec<usize> = (1..=7).map(|line| before(old, new, line)).collect();
        assert_eq!(found, [1, 1, 2, 3, 3, 3, 3]);
        assert_eq!(before("", "a\n", 1), 1);
    }

    proptest! {
        #[test]
        fn the_new_lines_are_all_there(
            old in prop::collection::vec("[ab]{0,2}(\r)?\n", 0..8),
            new in prop::collection::vec("[ab]{0,2}\n", 0..8),
            end in "[ab]?",
        ) {
            let (old, new) = (old.concat() + &end, new.concat());
            let text = kept(&old, &new);
            prop_assert_eq!(text.lines().collect::<Vec<_>>(), new.lines().collect::<Vec<_>>());
            prop_assert_eq!(kept(&old, &old.replace("\r\n", "\n")), old.as_str());
            for line in 1..9 {
                prop_assert!(before(&old, &new, line) <= old.lines().count().max(1));
            }
        }
    }
}
