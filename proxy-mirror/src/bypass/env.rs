//! `no_proxy` of the environment, which every program reads in its own way: an entry that one of them
//! understands is followed. Commas, semicolons and blanks stand between entries.

use super::entry::{parsed, split_at};
use super::{Meaning, Understood};

/// What the variable means.
pub(crate) fn read(list: &str) -> Understood {
    let mut understood = Understood::default();
    for entry in split_at(list, &[',', ';', ' ', '\t', '\n', '\r']) {
        let meaning = parsed(entry).map_or_else(Meaning::Nothing, Meaning::Is);
        understood.take(entry, meaning);
    }
    understood
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn every_common_spelling_is_carried_over() {
        let read = read(
            "localhost, 127.0.0.0/8;.corp.example *.lab.example\t10.1.* host.example:8443,[::1],\
             <local>,www.*.example",
        );
        assert_eq!(
            read.bypass.to_string(),
            "localhost,127.0.0.0/8,.corp.example,.lab.example,10.1.0.0/16,host.example:8443,::1,\
             <local>,www.*.example"
        );
        assert!(read.notes.is_empty(), "{:?}", read.notes);
    }

    #[test]
    fn what_cannot_be_carried_over_is_said_and_stays_with_the_proxy() {
        let read = read("<-loopback>,a\u{7}b.example,ok.example,!not.example,=ours.example");
        assert_eq!(read.bypass.to_string(), "ok.example");
        let said: Vec<String> = read
            .notes
            .iter()
            .map(|note| note.problem(&"no_proxy").message)
            .collect();
        assert_eq!(said.len(), 4, "{said:?}");
        assert!(said[1].contains(r"`a\u{7}b.example`"), "{said:?}");
    }
}
