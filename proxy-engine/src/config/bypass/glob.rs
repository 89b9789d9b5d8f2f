//! Host text with `*` in it.

use std::fmt;

/// More `*` than this are no pattern of a host.
const STARS: usize = 8;

/// Text of a host in which `*` stands for any run of characters, dots among them: `*corp.example`,
/// `www.*.example`, `10.*.0.1`. Lower case, no two `*` beside each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Glob(String);

impl Glob {
    /// The pattern that `text` is; `None` where it holds no `*`, nothing but `*` and dots, or what
    /// no host name can hold.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let mut glob = String::with_capacity(text.len());
        for c in text.chars() {
            if c != '*' || !glob.ends_with('*') {
                glob.push(c);
            }
        }
        let stars = glob.matches('*').count();
        let says_something = glob.bytes().any(|b| b.is_ascii_alphanumeric());
        // A `*` may stand for nothing: what is left must be able to become a name all the same.
        let fits = crate::sniff::is_host_name(&glob.replace('*', "x"));
        ((1..=STARS).contains(&stars) && says_something && fits).then_some(Self(glob))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What must follow each other, with any run of characters between: the first is where the host
    /// begins, the last is where it ends.
    pub fn pieces(&self) -> impl Iterator<Item = &str> {
        self.0.split('*')
    }

    /// Whether this host (lower case, no trailing dot) is meant.
    pub fn matches(&self, host: &str) -> bool {
        let mut pieces = self.0.split('*');
        let first = pieces.next().unwrap_or_default();
        let last = pieces.next_back().unwrap_or_default();
        let between = host
            .strip_prefix(first)
            .and_then(|rest| rest.strip_suffix(last));
        let Some(mut between) = between else {
            return false;
        };
        for piece in pieces {
            match between.split_once(piece) {
                Some((_, behind)) => between = behind,
                None => return false,
            }
        }
        true
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (glob, host, matches) in [
            ("*corp.example", "corp.example", true),
            ("*corp.example", "mycorp.example", true),
            ("*corp.example", "a.corp.example", true),
            ("*corp.example", "corp.example.net", false),
            ("build*", "build7.corp.example", true),
            ("build*", "rebuild", false),
            ("www.*.example", "www.a.b.example", true),
            ("www.*.example", "www.example", false),
            ("a*b*a", "aba", true),
            ("a*b*a", "a", false),
            // What begins must not be what ends.
            ("aba*aba", "aba", false),
            ("10.*.0.1", "10.1.2.0.1", true),
        ] {
            let pattern = Glob::parse(glob).expect(glob);
            assert_eq!(pattern.matches(host), matches, "{glob} {host}");
        }
    }

    #[test]
    fn what_no_host_can_be_is_no_pattern() {
        for text in [
            "",
            "a.example",
            "*",
            "*.*",
            "a..*",
            "a b*",
            "[*]",
            "a*b*c*d*e*f*g*h*i*j",
        ] {
            assert_eq!(Glob::parse(text), None, "{text}");
        }
        assert_eq!(Glob::parse("A**B.").expect("pattern").as_str(), "a*b");
    }
}
