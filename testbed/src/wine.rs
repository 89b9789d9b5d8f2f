//! Windows, as far as Wine is it: a stand-in. It has the registry, sockets and SSPI, which reaches
//! the machine's own Kerberos; it has no users, no domain and no group policy.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::child::{Child, run};
use crate::net::{Netns, require};
use crate::{BasicLogin, Result, TestbedError, scratch};

/// Where Debian's packages lay the program that has no 32-bit part.
const WINE: [&str; 2] = ["/usr/lib/wine/wine64", "/usr/bin/wine"];
/// Rust's programs ask for random bytes here, which Wine has from version 8.13 on.
const RANDOM: &str = "\
__declspec(dllimport) unsigned char __stdcall SystemFunction036(void *, unsigned long);
__declspec(dllexport) int __stdcall ProcessPrng(unsigned char *to, unsigned long long length) {
    return SystemFunction036(to, (unsigned long)length);
}
";

/// A Windows machine with a disk of its own; gone when dropped.
#[derive(Debug)]
pub struct Wine {
    folder: tempfile::TempDir,
}

impl Wine {
    /// One with this program on it.
    ///
    /// # Errors
    /// [`TestbedError::Missing`], or the command that failed.
    pub fn with(program: &Path) -> Result<Self> {
        require("wine", "wine")?;
        require("x86_64-w64-mingw32-gcc", "gcc-mingw-w64-x86-64")?;
        let wine = Self {
            folder: scratch::folder("wine")?,
        };
        let failed = TestbedError::io(format!("copy {}", program.display()));
        fs::copy(program, wine.program()).map_err(failed)?;
        let source = wine.folder.path().join("random.c");
        fs::write(&source, RANDOM).map_err(TestbedError::io("write a source file"))?;
        let mut compile = Command::new("x86_64-w64-mingw32-gcc");
        compile.arg("-shared").arg("-o");
        compile.arg(wine.folder.path().join("bcryptprimitives.dll"));
        compile.arg(&source).arg("-ladvapi32");
        run(compile)?;
        Ok(wine)
    }

    /// Somebody logs in. Wine asks Samba's `ntlm_auth` for proofs of who that is, which a domain
    /// would keep the password of: a stand-in has it instead.
    ///
    /// # Errors
    /// What the disk says.
    pub fn log_in(&mut self, login: &BasicLogin) -> Result<()> {
        require("ntlm_auth", "winbind")?;
        let folder = self.folder.path().join("bin");
        let BasicLogin { user, password } = login;
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in *ntlmssp-client-1*)\n\
             exec /usr/bin/ntlm_auth --helper-protocol=ntlmssp-client-1 --domain=CORP \
             --username='{user}' --password='{password}' ;;\nesac\nexec /usr/bin/ntlm_auth \"$@\"\n"
        );
        let file = folder.join("ntlm_auth");
        fs::create_dir_all(&folder)
            .and_then(|()| fs::write(&file, script))
            .and_then(|()| fs::set_permissions(&file, fs::Permissions::from_mode(0o755)))
            .map_err(TestbedError::io(format!("write {}", file.display())))
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("program.exe")
    }

    /// Starts the program in this network namespace.
    ///
    /// # Errors
    /// The command that failed.
    pub fn start(
        &self,
        netns: &Netns,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Child> {
        let wine = WINE.into_iter().find(|path| Path::new(path).is_file());
        let mut command = netns.command(wine.unwrap_or("wine"));
        command.arg(self.program()).args(arguments);
        self.machine(&mut command);
        command.envs(environment.iter().copied());
        let path = std::env::var("PATH").unwrap_or_default();
        let bin = self.folder.path().join("bin");
        command.env("PATH", format!("{}:{path}", bin.display()));
        command.stdin(Stdio::null());
        Child::spawn(command)
    }

    fn machine(&self, command: &mut Command) {
        command.env("WINEPREFIX", self.folder.path().join("disk"));
        // Its words are about what it lacks; no window, no browser and no .NET are wanted.
        command.env("WINEDEBUG", "-all");
        command.env("WINEDLLOVERRIDES", "mscoree,mshtml,winemenubuilder.exe=");
        command.env_remove("DISPLAY");
    }
}

impl Drop for Wine {
    fn drop(&mut self) {
        // Its server lives on for a while by itself, and with it files on the disk.
        let mut end = Command::new("wineserver");
        end.arg("-k").arg("-w");
        self.machine(&mut end);
        end.stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Ok(end) = Child::spawn(end) {
            let _ = end.output(Duration::from_secs(10));
        }
    }
}
