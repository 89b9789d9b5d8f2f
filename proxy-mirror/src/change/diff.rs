//! A plan's files as one unified diff that `patch -p1 -d /` accepts.
//!
//! A password of somebody else's in a line that changes is shown as `***`: such a part is to be read,
//! and not to be patched with.

use std::path::Path;

use similar::TextDiff;

use super::FileId;
use super::builder::{Instance, VARIABLES};
use super::host::Machine;

/// One file's part of the diff.
pub(super) fn diff(
    machine: &Machine,
    file: &FileId,
    path: &Path,
    before: Option<&[u8]>,
    after: &[u8],
) -> String {
    let name = match machine {
        Machine::Local => path.display().to_string(),
        // As Windows shows the distro's files.
        Machine::Wsl(distro) => format!("/wsl.localhost/{distro}{}", path.display()),
    };
    if let FileId::EngineBinary = file {
        return format!("Binary file b{name}: {} bytes\n", after.len());
    }
    if let FileId::BuildxInstance { .. } = file {
        return options(&name, before, after);
    }
    let old = String::from_utf8_lossy(before.unwrap_or_default());
    let new = String::from_utf8_lossy(after);
    // The docker CLI keeps registry passwords in its file, and Podman's may have any variable: no
    // line is shown that does not change.
    let context = match file {
        FileId::DockerCliConfig { .. } | FileId::PodmanConf { .. } | FileId::PodmanSystemConf => 0,
        _ => 3,
    };
    let from = before.map_or_else(|| "/dev/null".to_owned(), |_| format!("a{name}"));
    let diff = TextDiff::from_lines(&old, &new)
        .unified_diff()
        .context_radius(context)
        .header(&from, &format!("b{name}"))
        .to_string();
    diff.split_inclusive('\n').map(without_secrets).collect()
}

/// What is new among a builder's variables. Its file is one line, with whatever keys and passwords
/// the builder was ever given: that is not shown, and `patch` passes over this.
fn options(name: &str, before: Option<&[u8]>, after: &[u8]) -> String {
    let path = Path::new(name);
    let read = |bytes| Instance::read(path, bytes).ok().and_then(Result::ok);
    let old = before.and_then(read);
    let mut lines = format!("Builder b{name}: one line, of which the rest stays\n");
    let new = read(after);
    for variable in VARIABLES {
        let of =
            |builder: &Option<Instance>| builder.as_ref()?.environment().get(variable).cloned();
        if let Some(value) = of(&new).filter(|value| of(&old).as_ref() != Some(value)) {
            lines.extend(["+env.", variable, "=", &value, "\n"]);
        }
    }
    lines
}

/// Stands for what is not shown.
const HIDDEN: &str = "***";

/// Members of Docker's configuration whose text is a secret (docker/cli `cli/config/types`).
const SECRET: [&str; 4] = [
    "\"auth\"",
    "\"identitytoken\"",
    "\"registrytoken\"",
    "\"password\"",
];

fn without_secrets(line: &str) -> String {
    let mut line = without_passwords(line);
    for member in SECRET {
        let mut from = 0;
        while let Some(found) = line[from..].to_ascii_lowercase().find(member) {
            from += found + member.len();
            let rest = line[from..].trim_start();
            let Some(text) = rest.strip_prefix(':').map(str::trim_start) else {
                continue;
            };
            let Some(text) = text.strip_prefix('"') else {
                continue;
            };
            let start = line.len() - text.len();
            let end = start + end_of_string(text);
            line.replace_range(start..end, HIDDEN);
            from = start + HIDDEN.len();
        }
    }
    line
}

/// Where the quote is that ends a JSON string; its whole length where none does.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.unwrap_or(text.trim_end_matches(['\r', '\n']).len())
}

/// `scheme://user:password@host` without the password.
fn without_passwords(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, url) = rest.split_at(at + 3);
        shown.push_str(before);
        // A password may hold whatever ends an authority, written as people should not: rather too much
        // is hidden than a part of it shown.
        let ends = |c: char| c.is_whitespace() || "\"'".contains(c);
        let word = &url[..url.find(ends).unwrap_or(url.len())];
        let password = { word.rfind('@') }.and_then(|end| Some((word[..end].find(':')? + 1, end)));
        match password {
            Some((start, end)) => {
                shown.push_str(&url[..start]);
                shown.push_str(HIDDEN);
                rest = &url[end..];
            }
            None => rest = url,
        }
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::without_secrets;

    #[test]
    fn passwords_of_others_are_not_shown_and_all_else_is() {
        for (line, shown) in [
            ("+  \"http-proxy\": \"http://127.0.0.1:3182\",\n", None),
            ("-HTTP_PROXY=http://ann@corp:8080 x@y:z\n", None),
            (
                "-Environment=\"A=http://ann:s3:c@ret@corp:8080/\" B=socks5://b:t@c:1",
                Some("-Environment=\"A=http://ann:***@corp:8080/\" B=socks5://b:***@c:1"),
            ),
            (
                "-A=http://ann:p@ss/x,y@corp:8080",
                Some("-A=http://ann:***@corp:8080"),
            ),
            (
                "-\"httpProxy\": \"http://ann:a/b@corp:8080\"",
                Some("-\"httpProxy\": \"http://ann:***@corp:8080\""),
            ),
            (
                "-{\"auths\":{\"r\":{\"auth\": \"YW4=\",\"Password\":\"a\\\"b\"}},\"x\":1}\n",
                Some("-{\"auths\":{\"r\":{\"auth\": \"***\",\"Password\":\"***\"}},\"x\":1}\n"),
            ),
            (
                "-\"identitytoken\": \"open\n",
                Some("-\"identitytoken\": \"***\n"),
            ),
            (
                "-\"auths\": {}, \"auth\": 7, \"é\": \"http://é:é@é\"",
                Some("-\"auths\": {}, \"auth\": 7, \"é\": \"http://é:***@é\""),
            ),
        ] {
            assert_eq!(without_secrets(line), shown.unwrap_or(line));
        }
    }
}
