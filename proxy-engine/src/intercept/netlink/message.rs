//! Writing a netlink message.

use super::{REQUEST, aligned};

/// `NLA_F_NESTED`: the attribute holds attributes.
const NESTED: u16 = 0x8000;

/// A netlink message as it grows: a header of 16 bytes, a fixed part, attributes.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    bytes: Vec<u8>,
    what: String,
    parts: Vec<(usize, &'static str)>,
}

impl Message {
    /// A message of type `kind` with the fixed part `head` of its family. `what` names it in
    /// errors: `the rule that …`.
    pub(crate) fn new(kind: u16, flags: u16, head: &[u8], what: impl Into<String>) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(&0_u32.to_ne_bytes()); // length: in `finish`
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&(flags | REQUEST).to_ne_bytes());
        bytes.extend_from_slice(&0_u32.to_ne_bytes()); // sequence number: in `finish`
        bytes.extend_from_slice(&0_u32.to_ne_bytes()); // port: the kernel knows ours
        bytes.extend_from_slice(head);
        bytes.resize(aligned(bytes.len()), 0);
        Self {
            bytes,
            what: what.into(),
            parts: Vec::new(),
        }
    }

    /// Adds an attribute.
    pub(crate) fn put(&mut self, kind: u16, value: &[u8]) {
        let length =
            u16::try_from(value.len() + 4).expect("attributes are short: sets are chunked");
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(aligned(self.bytes.len()), 0);
    }

    /// Adds a number as netfilter writes them: most significant byte first.
    pub(crate) fn put_u32(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_be_bytes());
    }

    /// Adds a string with its closing NUL.
    pub(crate) fn put_str(&mut self, kind: u16, value: &str) {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.put(kind, &bytes);
    }

    /// Adds an attribute that holds those which `fill` adds.
    pub(crate) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.put(kind | NESTED, &[]);
        fill(self);
        let length = u16::try_from(self.bytes.len() - start)
            .expect("attributes are short: sets are chunked");
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    }

    /// Notes that the next attribute is `name`, so that an error can say so.
    pub(crate) fn mark(&mut self, name: &'static str) {
        self.parts.push((self.bytes.len(), name));
    }

    /// The part of the message that an error at `offset` concerns.
    pub(crate) fn part_at(&self, offset: usize) -> Option<&'static str> {
        self.parts
            .iter()
            .take_while(|(start, _)| *start <= offset)
            .last()
            .map(|(_, name)| *name)
    }

    /// What the message is for, in errors.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// The bytes to send.
    pub(crate) fn finish(&mut self, sequence: u32) -> &[u8] {
        let length = u32::try_from(self.bytes.len()).expect("a message is far below 4 GiB");
        self.bytes[0..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Message;
    use crate::intercept::netlink::{Parsed, attributes, messages};

    /// What a message can hold: bytes, or attributes.
    #[derive(Debug, Clone, PartialEq)]
    enum Value {
        Bytes(Vec<u8>),
        Nest(Vec<(u16, Value)>),
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = proptest::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes);
        leaf.prop_recursive(4, 40, 5, |inner| {
            proptest::collection::vec((0..0x3fff_u16, inner), 0..5).prop_map(Value::Nest)
        })
    }

    fn write(message: &mut Message, fields: &[(u16, Value)]) {
        for (kind, value) in fields {
            match value {
                Value::Bytes(bytes) => message.put(*kind, bytes),
                Value::Nest(fields) => message.nest(*kind, |inner| write(inner, fields)),
            }
        }
    }

    /// Often small, so that four in a row are a length which the reader believes.
    fn byte() -> impl Strategy<Value = u8> {
        prop_oneof![3 => Just(0), 2 => 0..40_u8, 1 => any::<u8>()]
    }

    /// Whether `bytes` hold exactly `fields`.
    fn holds(bytes: &[u8], fields: &[(u16, Value)]) -> bool {
        let read: Vec<_> = attributes(bytes).collect();
        read.len() == fields.len()
            && read
                .iter()
                .zip(fields)
                .all(|((kind, bytes), (wanted, value))| {
                    kind == wanted
                        && match value {
                            Value::Bytes(wanted) => bytes == wanted,
                            Value::Nest(fields) => holds(bytes, fields),
                        }
                })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            fields in proptest::collection::vec((0..0x3fff_u16, value()), 0..6),
            sequence in any::<u32>(),
        ) {
            let mut message = Message::new(0x0a06, 0x400, &[1, 0, 0, 0], "");
            write(&mut message, &fields);
            // Two in a row, as in a batch.
            let mut bytes = message.finish(sequence).to_vec();
            bytes.extend_from_within(..);
            let mut seen = 0;
            for parsed in messages(&bytes) {
                let Parsed::Data { kind, body } = parsed else {
                    panic!("neither an error nor an end was written");
                };
                prop_assert_eq!(kind, 0x0a06);
                prop_assert!(holds(&body[4..], &fields));
                seen += 1;
            }
            prop_assert_eq!(seen, 2);
        }

        #[test]
        fn no_bytes_make_the_reader_stumble(bytes in proptest::collection::vec(byte(), 0..200)) {
            for parsed in messages(&bytes) {
                if let Parsed::Data { body, .. } = parsed {
                    attributes(body).for_each(drop);
                }
            }
            attributes(&bytes).for_each(drop);
        }
    }
}
