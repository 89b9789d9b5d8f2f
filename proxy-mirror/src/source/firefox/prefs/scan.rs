//! The bytes of a preferences file, one token after the other.

use super::{Malformed, Value};
use crate::position::position;

/// A place in a preferences file.
pub(super) struct Scan<'a> {
    text: &'a str,
    at: usize,
    /// A line, from 1, and where it was counted: a file has many preferences, and its lines are
    /// counted once.
    line: (usize, usize),
}

impl<'a> Scan<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let at = if text.starts_with('\u{feff}') { 3 } else { 0 };
        Self {
            text,
            at,
            line: (1, 0),
        }
    }

    /// The line here, from 1.
    pub(super) fn line(&mut self) -> usize {
        let (line, counted) = self.line;
        let between = &self.text.as_bytes()[counted..self.at];
        let more = between.split(|byte| *byte == b'\n').count() - 1;
        self.line = (line + more, self.at);
        self.line.0
    }

    /// Skips white space and comments; whether anything follows.
    pub(super) fn skip_blank(&mut self) -> Result<bool, Malformed> {
        loop {
            match self.rest() {
                [] => return Ok(false),
                [b' ' | b'\t' | b'\x0b' | b'\x0c' | b'\r' | b'\n', ..] => self.at += 1,
                [b'#', ..] | [b'/', b'/', ..] => {
                    let rest = self.rest();
                    let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
                    self.at += end.unwrap_or(rest.len());
                }
                [b'/', b'*', ..] => match self.text[self.at + 2..].find("*/") {
                    Some(end) => self.at += 2 + end + 2,
                    None => return Err(self.malformed("this comment has no end")),
                },
                _ => return Ok(true),
            }
        }
    }

    /// `word`, and no longer word.
    pub(super) fn word(&mut self, word: &str, what: &'static str) -> Result<(), Malformed> {
        self.skip_blank()?;
        let rest = self.rest();
        let follows = rest.get(word.len()).copied();
        if rest.starts_with(word.as_bytes()) && !follows.is_some_and(in_word) {
            self.at += word.len();
            Ok(())
        } else {
            Err(self.malformed(what))
        }
    }

    /// One sign.
    pub(super) fn sign(&mut self, sign: u8, what: &'static str) -> Result<(), Malformed> {
        self.skip_blank()?;
        if self.rest().first() == Some(&sign) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.malformed(what))
        }
    }

    /// A string, a number, `true` or `false`.
    pub(super) fn value(&mut self) -> Result<Value, Malformed> {
        const WHAT: &str = "a text in quotes, a whole number, true or false was expected";
        self.skip_blank()?;
        match self.rest() {
            [b'"' | b'\'', ..] => self.string(WHAT).map(Value::Text),
            [b't', ..] => self.word("true", WHAT).map(|()| Value::Flag(true)),
            [b'f', ..] => self.word("false", WHAT).map(|()| Value::Flag(false)),
            [b'0'..=b'9' | b'+' | b'-', ..] => self.integer(),
            _ => Err(self.malformed(WHAT)),
        }
    }

    /// A text in quotes of either kind.
    pub(super) fn string(&mut self, what: &'static str) -> Result<String, Malformed> {
        self.skip_blank()?;
        let quote = match self.rest().first() {
            Some(quote @ (b'"' | b'\'')) => char::from(*quote),
            _ => return Err(self.malformed(what)),
        };
        let opened = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.text[self.at..].chars().next() {
                None => {
                    self.at = opened;
                    return Err(self.malformed("this text has no closing quote"));
                }
                Some(c) if c == quote => {
                    self.at += 1;
                    return Ok(text);
                }
                Some('\\') => text.push(self.escape()?),
                Some('\0') => return Err(self.malformed("a text cannot hold NUL")),
                Some(c) => {
                    text.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, Malformed> {
        let plain = match self.rest().get(1) {
            Some(b'"') => '"',
            Some(b'\'') => '\'',
            Some(b'\\') => '\\',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b'x') => return self.code_point(2),
            Some(b'u') => return self.code_point(4),
            _ => return Err(self.malformed("Firefox knows no such escape")),
        };
        self.at += 2;
        Ok(plain)
    }

    /// `\xHH` or `\uHHHH`, with a second `\u` for characters beyond U+FFFF.
    fn code_point(&mut self, digits: usize) -> Result<char, Malformed> {
        let first = self.unit(digits)?;
        let is = |unit: u32, range: std::ops::Range<u32>| range.contains(&unit);
        let code = if is(first, 0xd800..0xdc00) {
            let start = self.at + 2 + digits;
            if !self
                .text
                .as_bytes()
                .get(start..)
                .is_some_and(|rest| rest.starts_with(b"\\u"))
            {
                return Err(self.malformed("half of a surrogate pair"));
            }
            let before = std::mem::replace(&mut self.at, start);
            let second = self.unit(4)?;
            if !is(second, 0xdc00..0xe000) {
                self.at = before;
                return Err(self.malformed("half of a surrogate pair"));
            }
            0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
        } else {
            first
        };
        match char::from_u32(code) {
            Some('\0') => Err(self.malformed("a text cannot hold NUL")),
            Some(c) => {
                self.at += 2 + digits;
                Ok(c)
            }
            None => Err(self.malformed("half of a surrogate pair")),
        }
    }

    /// The number behind `\x` or `\u`, without moving on.
    fn unit(&self, digits: usize) -> Result<u32, Malformed> {
        self.rest()
            .get(2..2 + digits)
            .filter(|hex| hex.iter().all(u8::is_ascii_hexdigit))
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u32::from_str_radix(hex, 16).ok())
            .ok_or_else(|| self.malformed("hexadecimal digits were expected"))
    }

    fn integer(&mut self) -> Result<Value, Malformed> {
        let rest = self.rest();
        let signs = usize::from(matches!(rest[0], b'+' | b'-'));
        let digits = rest[signs..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let end = signs + digits;
        if rest.get(end).copied().is_some_and(in_word) {
            return Err(self.malformed("this is not a whole number"));
        }
        let number = self.text[self.at..self.at + end]
            .parse()
            .map_err(|_| self.malformed("this is not a whole number of 32 bits"))?;
        self.at += end;
        Ok(Value::Integer(number))
    }

    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    fn malformed(&self, what: &'static str) -> Malformed {
        let (line, column) = position(self.text.as_bytes(), self.at);
        Malformed { line, column, what }
    }
}

fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
