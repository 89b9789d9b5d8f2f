//! Files after environment.d(5), pam_env(8) and SUSE's `/etc/sysconfig/proxy`.

use std::fs;

use super::*;
use crate::source::Says;

struct Machine(tempfile::TempDir);

impl Machine {
    fn with(files: &[(&str, &str)]) -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        for (path, text) in files {
            let path = machine.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        machine
    }

    fn read(&self) -> Result<Reading, SourceError> {
        EnvironmentFiles {
            home: self.0.path().join("home"),
            etc: self.0.path().join("etc"),
        }
        .read()
    }

    /// What is said, and where.
    fn said(&self) -> (String, String) {
        let reading = self.read().unwrap();
        let place = format!("{}/", self.0.path().display());
        (
            reading.says.to_string(),
            reading.origin.to_string().replace(&place, ""),
        )
    }
}

const USER: &str = "home/.config/environment.d/50-proxy.conf";

#[test]
fn the_first_place_whose_variables_name_a_proxy_is_followed_and_none_is_blended() {
    let all = [
        (USER, "no_such=1\nhttps_proxy=http://user:1\n"),
        ("etc/environment.d/90-site.conf", "HOME_PROXY=x\n"),
        (
            "etc/environment",
            "HTTPS_PROXY=http://pam:1\nno_proxy=a.corp\n",
        ),
        (
            "etc/sysconfig/proxy",
            "PROXY_ENABLED=\"yes\"\nHTTP_PROXY=\"http://suse:1\"\nNO_PROXY=\"localhost, 127.0.0.1\"\n",
        ),
    ];
    let said = |from: usize| Machine::with(&all[from..]).said();
    assert_eq!(
        said(0),
        ("http://user:1".to_owned(), format!("{USER}: https_proxy"))
    );
    assert_eq!(
        said(1),
        (
            "http://pam:1".to_owned(),
            "etc/environment: HTTPS_PROXY, no_proxy".to_owned()
        )
    );
    assert_eq!(
        said(3),
        (
            "http://suse:1".to_owned(),
            "etc/sysconfig/proxy: HTTP_PROXY, NO_PROXY".to_owned()
        )
    );
    assert_eq!(
        Machine::with(&[]).said(),
        (
            "nothing".to_owned(),
            "no file sets a proxy variable".to_owned()
        )
    );
}

#[test]
fn suses_switch_turns_its_file_off() {
    for switch in ["PROXY_ENABLED=\"no\"\n", ""] {
        let text = format!("{switch}HTTP_PROXY=\"http://suse:1\"\n");
        let machine = Machine::with(&[("etc/sysconfig/proxy", &text)]);
        assert_eq!(machine.read().unwrap().says, Says::Nothing, "{switch:?}");
    }
}

#[test]
fn later_files_replace_and_the_users_hides_the_machines_of_the_same_name() {
    let mut files = vec![
        (
            "etc/environment.d/50-proxy.conf",
            "http_proxy=http://hidden:1\n",
        ),
        (USER, "http_proxy=http://user:1\n"),
        ("etc/environment.d/70.txt", "http_proxy=http://no:1\n"),
    ];
    let said = |files: &[(&str, &str)]| Machine::with(files).said();
    assert_eq!(
        said(&files),
        ("http://user:1".to_owned(), format!("{USER}: http_proxy"))
    );
    let site = "etc/environment.d/60-site.conf";
    files.push((site, "http_proxy=http://site:1\n"));
    assert_eq!(
        said(&files),
        ("http://site:1".to_owned(), format!("{site}: http_proxy"))
    );
}

#[test]
fn values_are_taken_as_their_own_reader_takes_them() {
    for (file, line, value) in [
        (USER, r#"https_proxy="http://a:1""#, "http://a:1"),
        (USER, r"https_proxy='http://a:1'", "http://a:1"),
        (USER, "P=a\nhttps_proxy=http://${P}:1", "http://a:1"),
        (USER, "P=a\nhttps_proxy=http://$P.corp:1", "http://a.corp:1"),
        (USER, "https_proxy=http://${NO:-b}:1", "http://b:1"),
        (USER, "P=a\nhttps_proxy=http://${P:+c}:1", "http://c:1"),
        (
            USER,
            "; https_proxy=http://no:1\nhttps_proxy=http://a:1",
            "http://a:1",
        ),
        (
            "etc/environment",
            "export https_proxy=\"http://a:1\"",
            "http://a:1",
        ),
        (
            "etc/environment",
            "# x\n https_proxy = http://a:1",
            "http://a:1",
        ),
        (
            "etc/sysconfig/proxy",
            "PROXY_ENABLED=yes\nHTTPS_PROXY=http://a:1 # site",
            "http://a:1",
        ),
    ] {
        assert_eq!(Machine::with(&[(file, line)]).said().0, value, "{line}");
    }
}

#[test]
fn a_dollar_that_is_quoted_stays() {
    let known = |_: &str| Some("x".to_owned());
    for (line, value) in [
        (r"A='$P'", "$P"),
        (r#"A="\$P""#, "$P"),
        (r"A=\$P", "$P"),
        ("A=$", "$"),
        ("A=${P", "${P"),
        ("A=$P", "x"),
    ] {
        let read = Dialect::Systemd.assignments(line);
        assert_eq!(
            assignments::expanded(&read[0].value, known),
            value,
            "{line}"
        );
    }
}

#[test]
fn a_password_is_split_off_and_shown_nowhere() {
    let machine = Machine::with(&[("etc/environment", "https_proxy=http://ann:s3cret@a:1\n")]);
    let reading = machine.read().unwrap();
    assert_eq!(reading.says.to_string(), "http://ann@a:1");
    assert!(reading.password.is_some());
    assert!(!format!("{reading:?}").contains("s3cret"));
}

#[test]
fn a_variable_that_names_no_proxy_is_told_with_its_file() {
    let machine = Machine::with(&[("etc/environment", "https_proxy=http://a:0\n")]);
    let error = machine.read().unwrap_err().to_string();
    assert!(
        error.ends_with(
            "etc/environment: https_proxy: the proxy URL needs a port between 1 and 65535: write \
             http://HOST:PORT"
        ),
        "{error}"
    );
}

#[test]
fn references_that_double_themselves_are_bounded() {
    let mut text = String::from("A=0123456789\n");
    for _ in 0..60 {
        text.push_str("A=$A$A\n");
    }
    let machine = Machine::with(&[(USER, &text)]);
    // Each value is cut off long before the sum is.
    assert_eq!(machine.read().unwrap().says, Says::Nothing);
    let doubled: Vec<String> = (0..20).map(|at| format!("B{at}=$A")).collect();
    let text = format!("A={}\n{}\n", "x".repeat(60_000), doubled.join("\n"));
    let error = Machine::with(&[(USER, &text)]).read().unwrap_err();
    assert!(error.message.contains("1 MiB"), "{error}");
}
