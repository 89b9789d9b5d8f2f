//! The entries of a list, and where they stand in the text.

use std::ops::Range;

use toml_edit::Array;

/// A list of strings; what else is in it (`{append = true}`) only takes its place.
pub(super) struct List {
    /// Behind the opening bracket.
    open: usize,
    entries: Vec<(Range<usize>, Option<String>)>,
}

impl List {
    /// `None` where it was not read from a text.
    pub(super) fn of(array: &Array) -> Option<Self> {
        let entries = array
            .iter()
            .map(|value| Some((value.span()?, value.as_str().map(str::to_owned))))
            .collect::<Option<_>>()?;
        Some(Self {
            open: array.span()?.start + 1,
            entries,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The first entry `NAME=value`: where it is, and the value.
    pub(super) fn find(&self, name: &str) -> Option<(Range<usize>, &str)> {
        self.entries.iter().find_map(|(at, text)| {
            let value = text.as_deref()?.strip_prefix(name)?.strip_prefix('=')?;
            Some((at.clone(), value))
        })
    }

    pub(super) fn names(&self) -> Vec<String> {
        let texts = self.entries.iter().filter_map(|(_, text)| text.as_deref());
        texts
            .filter_map(|text| Some(text.split_once('=')?.0.to_owned()))
            .collect()
    }

    /// The text with one more entry, as the last one stands: on a line of its own, or behind it.
    pub(super) fn with(&self, text: &str, entry: &str) -> String {
        let mut text = text.to_owned();
        let Some((last, _)) = self.entries.last() else {
            text.insert_str(self.open, entry);
            return text;
        };
        let indent = text[self.open..last.start].rfind('\n').map(|newline| {
            let start = self.open + newline;
            let start = start - usize::from(text[..start].ends_with('\r'));
            text[start..last.start].to_owned()
        });
        let own_line = indent.filter(|indent| indent.trim().is_empty());
        let comma = comma(&text, last.end);
        match own_line {
            // Behind the comma and the comment of the line before.
            Some(indent) => {
                let from = comma.map_or(last.end, |at| at + 1);
                let end = comment_end(&text, from);
                let after = if comma.is_some() { "," } else { "" };
                text.insert_str(end, &format!("{indent}{entry}{after}"));
                if comma.is_none() {
                    text.insert(last.end, ',');
                }
            }
            None => text.insert_str(last.end, &format!(", {entry}")),
        }
        text
    }

    /// The text without the entry that stands there.
    pub(super) fn without(&self, text: &str, at: &Range<usize>) -> String {
        let mut text = text.to_owned();
        let blank = [' ', '\t'];
        let mut start = text[..at.start].trim_end_matches(blank).len();
        let own_line = text[self.open..start].ends_with('\n');
        if own_line {
            start -= 1;
            start -= usize::from(text[..start].ends_with('\r'));
        }
        let mut end = at.end;
        let follows = comma(&text, at.end);
        if let Some(comma) = follows {
            // Comments between it and its comma are somebody's.
            if text[at.end..comma].trim_matches(blank).is_empty() {
                end = comma + 1;
                if start == self.open {
                    end += text[end..].len() - text[end..].trim_start_matches(blank).len();
                }
            }
        }
        text.replace_range(start..end, "");
        let before = self
            .entries
            .iter()
            .rev()
            .find(|(entry, _)| entry.end <= at.start);
        // It was the last, and the comma before it served it alone.
        if let (None, Some((before, _))) = (follows, before)
            && let Some(comma) = comma(&text, before.end)
        {
            text.remove(comma);
        }
        text
    }
}

/// The comma behind an entry: white space, line ends and comments may stand before it.
fn comma(text: &str, from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += text[at..].len() - text[at..].trim_start().len();
        match text[at..].chars().next()? {
            ',' => return Some(at),
            '#' => at += text[at..].find('\n')?,
            _ => return None,
        }
    }
}

/// The end of the line, where nothing but a comment stands on it from here; else here.
fn comment_end(text: &str, from: usize) -> usize {
    let rest = &text[from..];
    let line = rest.split('\n').next().unwrap_or_default();
    let line = line.strip_suffix('\r').unwrap_or(line);
    let blank = line.trim();
    if blank.is_empty() {
        from
    } else if blank.starts_with('#') {
        from + line.len()
    } else {
        from
    }
}
