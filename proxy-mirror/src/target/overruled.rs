//! Another drop-in that has the last word on dockerd's environment: systemd reads them in the order
//! of their names, and the last assignment holds (systemd.unit(5), systemd.exec(5)).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::change::dropin::{Assignment, assignments, is_drop_in};

/// A variable of ours that another file sets after ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overruled {
    /// Its name.
    pub variable: String,
    /// The drop-in that says what holds.
    pub by: PathBuf,
}

/// The first variable of `wanted` that a drop-in which sorts after `ours` sets to something else.
/// `cat` is what `systemctl cat UNIT` prints: every file below a comment with its path.
pub(super) fn overruled(cat: &str, ours: &Path, wanted: &[(String, String)]) -> Option<Overruled> {
    // The last word on each variable, after ours; `None`: it is unset.
    let mut last: BTreeMap<&str, (Option<String>, PathBuf)> = BTreeMap::new();
    for Assignment { file, words } in assignments(cat) {
        if !is_drop_in(&file) || file.file_name() <= ours.file_name() {
            continue;
        }
        for (name, _) in wanted {
            // An empty assignment takes back every one before it.
            if words.is_empty() {
                last.insert(name, (None, file.clone()));
            }
            for value in words.iter().filter_map(|word| word.strip_prefix(name)) {
                if let Some(value) = value.strip_prefix('=') {
                    last.insert(name, (Some(value.to_owned()), file.clone()));
                }
            }
        }
    }
    wanted.iter().find_map(|(name, value)| {
        let (said, by) = last.get(name.as_str())?;
        (said.as_ref() != Some(value)).then(|| Overruled {
            variable: name.clone(),
            by: by.clone(),
        })
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::overruled;

    const OURS: &str = "/etc/systemd/system/docker.service.d/gangway.conf";

    /// Who has the last word beside these drop-ins, with ours written and before.
    fn by(files: &[(&str, &str)]) -> Option<String> {
        let ours = "[Service]\nEnvironment=\"HTTP_PROXY=http://127.0.0.1:3182\"\nEnvironment=\"NO_PROXY=a%%b\"\n";
        let written = among(&[files, &[("gangway.conf", ours)]].concat());
        assert_eq!(among(files), written, "{files:?}");
        written
    }

    fn among(files: &[(&str, &str)]) -> Option<String> {
        // As systemd 257 prints it.
        let mut cat = "# /lib/systemd/system/docker.service\n[Service]\nEnvironment=HTTP_PROXY=http://unit:1\nExecStart=/usr/sbin/dockerd\n".to_owned();
        let mut files: Vec<(String, &str)> = files
            .iter()
            .map(|(name, text)| {
                (
                    format!("/etc/systemd/system/docker.service.d/{name}"),
                    *text,
                )
            })
            .collect();
        files.sort();
        for (path, text) in files {
            cat.extend(["\n# ", &path, "\n", text]);
        }
        let wanted = [("HTTP_PROXY", "http://127.0.0.1:3182"), ("NO_PROXY", "a%b")];
        let wanted = wanted.map(|(name, value)| (name.to_owned(), value.to_owned()));
        overruled(&cat, Path::new(OURS), &wanted).map(|found| {
            let by = found.by.file_name().unwrap().to_str().unwrap();
            format!("{} by {by}", found.variable)
        })
    }

    #[test]
    fn the_last_drop_in_that_says_something_else_is_named() {
        let proxy = "[Service]\nEnvironment=\"HTTP_PROXY=http://proxy.test:3128\"\n";
        assert_eq!(by(&[]), None);
        assert_eq!(by(&[("00-proxy.conf", proxy)]), None, "ours comes after it");
        for (name, text) in [
            ("http-proxy.conf", proxy),
            (
                "http-proxy.conf",
                "[Service]\nEnvironment=A=b 'HTTP_PROXY=http://x:1'\n",
            ),
            (
                "http-proxy.conf",
                "[Service]\nEnvironment=A=b \\\n  HTTP_PROXY=http://x:1\n",
            ),
            (
                "http-proxy.conf",
                "[Service]\n# /etc/said/by.hand\nEnvironment=HTTP_PROXY=\n",
            ),
            ("http-proxy.conf", "[Service]\nEnvironment=\n"),
        ] {
            assert_eq!(
                by(&[(name, text)]).as_deref(),
                Some("HTTP_PROXY by http-proxy.conf"),
                "{text}"
            );
        }
        assert_eq!(
            by(&[
                ("http-proxy.conf", proxy),
                ("zz.conf", "[Service]\nEnvironment=NO_PROXY=c\n")
            ])
            .as_deref(),
            Some("HTTP_PROXY by http-proxy.conf")
        );
        assert_eq!(
            by(&[("zz.conf", "[Service]\nEnvironment=NO_PROXY=c\n")]).as_deref(),
            Some("NO_PROXY by zz.conf")
        );
    }

    #[test]
    fn a_drop_in_that_says_the_same_or_something_else_is_none_of_it() {
        for text in [
            "[Service]\nEnvironment=HTTP_PROXY=http://127.0.0.1:3182 NO_PROXY=a%%b\n",
            "[Service]\nEnvironment=HTTP_PROXY=http://x:1\nEnvironment=HTTP_PROXY=http://127.0.0.1:3182\n",
            "[Service]\nEnvironment=XHTTP_PROXY=http://x:1\n",
            "[Service]\n#Environment=HTTP_PROXY=http://x:1\n",
            "[Service]\nLimitNOFILE=1\n",
        ] {
            assert_eq!(by(&[("zz.conf", text)]), None, "{text}");
        }
    }
}
