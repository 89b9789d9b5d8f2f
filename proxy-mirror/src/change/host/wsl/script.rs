//! What is carried out inside a distro: POSIX shell that busybox understands, without a double quote.

/// Exit status: nothing is there.
pub(super) const ABSENT: i32 = 44;
/// Exit status: something is there that is no regular file.
pub(super) const NOT_A_FILE: i32 = 45;
/// Exit status: a symbolic link is on the way.
pub(super) const LINK: i32 = 46;

/// Program and arguments; 127 where there is no such program.
pub(super) const RUN: &str = "set -f; IFS=; export LC_ALL=C; $@";

pub(super) const HAS_SYSTEMD: &str = "[ -d /run/systemd/system ]";

pub(super) const NETWORKING_MODE: &str = "wslinfo --networking-mode 2>/dev/null || echo nat";

pub(super) const ROUTES: &str = "cat /proc/net/route";

pub(super) const DEFAULT_USER: &str = "set -f; IFS=; id -u; echo $HOME";

pub(super) const RESOLVE: &str = "set -f; IFS=; readlink -f $1 || echo $1";

/// `$1` path, `$2` what to do with links, `$3` most bytes. Prints `mode:uid:gid` on a line, then
/// the content.
pub(super) const READ: &str = "set -f; IFS=
if [ $2 = refuse ]; then
  [ -L $1 ] && exit 46
  d=$(dirname $1)
  [ ! -d $d ] || [ $(readlink -f $d) = $d ] || exit 46
fi
[ -e $1 ] || exit 44
[ -f $1 ] || exit 45
stat -c %a:%u:%g $1 && head -c $3 $1";

/// `$1` path, `$2` mode, `$3` owner, `$4` length; content on standard input. A pipe that broke on
/// the way leaves a shorter file, which is not taken.
pub(super) const REPLACE: &str = "set -f; IFS=; umask 077
n=$(dirname $1)/.$(basename $1).gangway-new
rm -f $n
if cat >$n && [ $(wc -c <$n) -eq $4 ] && chown $3 $n && chmod $2 $n && sync $n && mv -f $n $1
then sync $(dirname $1)
else rm -f $n; exit 1
fi";

pub(super) const REMOVE: &str = "set -f; IFS=; [ -d $(dirname $1) ] || exit 0
rm -f $(dirname $1)/.$(basename $1).gangway-new $1";

pub(super) const DISCARD_BEGUN: &str = "set -f; IFS=; [ -d $(dirname $1) ] || exit 0
rm -f $(dirname $1)/.$(basename $1).gangway-new";

/// The folders above `$1` that are not there, the innermost first.
pub(super) const MISSING_FOLDERS: &str = "set -f; IFS=; d=$(dirname $1)
while [ ! -d $d ] && [ $d != / ]; do echo $d; d=$(dirname $d); done";

/// `$1` folder, `$2` mode. It gets its parent's owner.
pub(super) const MAKE_FOLDER: &str = "set -f; IFS=; [ -d $1 ] && exit 0
mkdir $1 && chown $(stat -c %u:%g $(dirname $1)) $1 && chmod $2 $1";

/// Exit status 44 where it is not there or not empty.
pub(super) const REMOVE_EMPTY_FOLDER: &str = "set -f; IFS=; rmdir $1 2>/dev/null || exit 44";

/// Owner of the nearest folder above.
pub(super) const NEW_OWNER: &str = "set -f; IFS=; d=$(dirname $1)
while [ ! -d $d ] && [ $d != / ]; do d=$(dirname $d); done; stat -c %u:%g $d";
