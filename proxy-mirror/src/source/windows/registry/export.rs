//! The text that `reg export` and Regedit write.
//!
//! ```text
//! file  = "Windows Registry Editor Version 5.00" { comment | key | value }
//! key   = "[" HIVE { "\" NAME } "]"
//! value = ( string | "@" ) "=" ( string | "dword:" HEX | "hex" [ "(" TYPE ")" ] ":" bytes )
//! bytes = [ HEX { "," HEX } ], going on behind "\" and a line end
//! ```
//!
//! In a string only `\` and `"` are escaped; a line end in it is part of it. A file that would take
//! keys or values away (`[-…]`, `"…"=-`) is none that was exported.

use super::scan::{Malformed, Scan};
use super::{Registry, Value};

/// An export over this size is none of settings.
const LARGEST: usize = 4 << 20;

const HEADER: &str = "Windows Registry Editor Version 5.00";

/// Names that a path may begin with.
const HIVES: [&str; 5] = [
    "HKEY_LOCAL_MACHINE",
    "HKEY_CURRENT_USER",
    "HKEY_USERS",
    "HKEY_CLASSES_ROOT",
    "HKEY_CURRENT_CONFIG",
];

pub(super) fn read(bytes: &[u8]) -> Result<Registry, Malformed> {
    let text = decoded(bytes)?;
    let mut scan = Scan::new(&text);
    if scan.line().trim_end() != HEADER {
        let what = format!("an export begins with `{HEADER}`");
        return Err(scan.malformed_at(0, what));
    }
    let mut registry = Registry::default();
    let mut key = None;
    loop {
        scan.take_while(char::is_whitespace);
        match scan.peek() {
            None => return Ok(registry),
            Some(';') => {
                scan.line();
            }
            Some('[') => {
                let found = self::key(&mut scan)?;
                // A key without values is there, too.
                registry.0.entry(super::path(found)).or_default();
                key = Some(found);
            }
            Some(_) => {
                let at = scan.at();
                let (name, value) = named(&mut scan)?;
                let key = key.ok_or_else(|| scan.malformed_at(at, "a value stands in no key"))?;
                registry.set(key, &name, value);
            }
        }
    }
}

fn key<'t>(scan: &mut Scan<'t>) -> Result<&'t str, Malformed> {
    let at = scan.at();
    // A name may hold a bracket; the last one of the line ends the path.
    let line = scan.line().trim_end();
    let path = line
        .strip_prefix('[')
        .and_then(|line| line.strip_suffix(']'));
    let path = path.ok_or_else(|| scan.malformed_at(at, "`]` was expected at the line's end"))?;
    let hive = path.split('\\').next().unwrap_or_default();
    if HIVES.iter().any(|known| known.eq_ignore_ascii_case(hive)) {
        Ok(path)
    } else {
        Err(scan.malformed_at(at, "a path begins with a hive: HKEY_LOCAL_MACHINE, say"))
    }
}

fn named(scan: &mut Scan<'_>) -> Result<(String, Value), Malformed> {
    let name = match scan.peek() {
        // The key's own value, which has no name.
        Some('@') => {
            scan.next();
            String::new()
        }
        _ => string(scan)?,
    };
    if !scan.take("=") {
        return Err(scan.malformed("`=` was expected"));
    }
    let value = value(scan)?;
    scan.end_of_line()?;
    Ok((name, value))
}

fn string(scan: &mut Scan<'_>) -> Result<String, Malformed> {
    let at = scan.at();
    if !scan.take("\"") {
        return Err(scan.malformed("`\"` was expected"));
    }
    let mut text = String::new();
    loop {
        match scan.next() {
            Some('"') => return Ok(text),
            Some('\\') => {
                let escaped = scan.next().filter(|c| matches!(c, '\\' | '"'));
                let what = "behind `\\` stands `\\` or `\"`: no other is escaped";
                text.push(escaped.ok_or_else(|| scan.malformed(what))?);
            }
            Some(other) => text.push(other),
            None => return Err(scan.malformed_at(at, "this string has no end")),
        }
    }
}

fn value(scan: &mut Scan<'_>) -> Result<Value, Malformed> {
    if scan.peek() == Some('"') {
        return string(scan).map(Value::Text);
    }
    let at = scan.at();
    if scan.take("dword:") {
        let digits = scan.take_while(|c| c.is_ascii_hexdigit());
        return u32::from_str_radix(digits, 16)
            .map(Value::Number)
            .map_err(|_| scan.malformed_at(at, "behind `dword:` stand one to eight digits"));
    }
    if !scan.take("hex") {
        return Err(scan.malformed("a string, `dword:` or `hex:` was expected"));
    }
    let mut kind = REG_BINARY;
    if scan.take("(") {
        let digits = scan.take_while(|c| c.is_ascii_hexdigit());
        kind = u32::from_str_radix(digits, 16)
            .map_err(|_| scan.malformed_at(at, "the type is no number"))?;
        if !scan.take(")") {
            return Err(scan.malformed("`)` was expected"));
        }
    }
    if !scan.take(":") {
        return Err(scan.malformed("`:` was expected"));
    }
    let bytes = bytes(scan)?;
    typed(kind, bytes).ok_or_else(|| scan.malformed_at(at, "these bytes are not of their type"))
}

fn bytes(scan: &mut Scan<'_>) -> Result<Vec<u8>, Malformed> {
    let mut bytes = Vec::new();
    loop {
        scan.take_while(|c| c == ' ' || c == '\t');
        if scan.take("\\") {
            scan.end_of_line()?;
            continue;
        }
        let at = scan.at();
        let digits = scan.take_while(|c| c.is_ascii_hexdigit());
        if digits.is_empty() && bytes.is_empty() {
            return Ok(bytes);
        }
        let byte = u8::from_str_radix(digits, 16);
        bytes.push(byte.map_err(|_| scan.malformed_at(at, "a byte is of two digits"))?);
        if !scan.take(",") {
            return Ok(bytes);
        }
    }
}

const REG_BINARY: u32 = 3;

fn typed(kind: u32, bytes: Vec<u8>) -> Option<Value> {
    const REG_SZ: u32 = 1;
    const REG_EXPAND_SZ: u32 = 2;
    const REG_DWORD: u32 = 4;
    Some(match kind {
        REG_BINARY => Value::Binary(bytes),
        REG_SZ | REG_EXPAND_SZ => {
            let text = utf16(&bytes).ok()?;
            Value::Text(text.trim_end_matches('\0').to_owned())
        }
        REG_DWORD => Value::Number(u32::from_le_bytes(bytes.try_into().ok()?)),
        other => Value::Other(other),
    })
}

fn decoded(bytes: &[u8]) -> Result<String, Malformed> {
    let at_the_start = |what: &str| Malformed {
        line: 1,
        column: 1,
        what: what.to_owned(),
    };
    if bytes.len() > LARGEST {
        return Err(at_the_start("it is larger than 4 MiB"));
    }
    if let Some(wide) = bytes.strip_prefix(&[0xff, 0xfe]) {
        return utf16(wide)
            .map_err(|before| Scan::new(&before).malformed_at(before.len(), "it is not UTF-16"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let (line, column) = crate::position::position(bytes, error.valid_up_to());
        Malformed {
            line,
            column,
            what: "it is neither UTF-16 with a byte order mark nor UTF-8".to_owned(),
        }
    })?;
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}

/// The text in UTF-16, little end first.
///
/// # Errors
/// As much of it as is one.
fn utf16(bytes: &[u8]) -> Result<String, String> {
    let (units, rest) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(units.len());
    for unit in char::decode_utf16(units.iter().map(|unit| u16::from_le_bytes(*unit))) {
        match unit {
            Ok(unit) => text.push(unit),
            Err(_) => return Err(text),
        }
    }
    if rest.is_empty() { Ok(text) } else { Err(text) }
}
