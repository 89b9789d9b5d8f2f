#!/usr/bin/env bash
# Installs what is missing to build (`setup.sh run`), to build and test (`setup.sh test`), to measure
# the engine beside its peers (`setup.sh bench`), to wear it (`setup.sh soak`), or to fuzz its parsers
# (`setup.sh fuzz`).
# Says which packages, and asks, unless YES=1. On other systems it says exactly what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

what=${1:?run, test, bench, soak or fuzz}
tools="$PWD/target/tools"
rust_version=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
nextest_version=0.9.143
deny_version=0.20.2
fuzz_version=0.13.2

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

sudo=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || fail "installing packages needs root: run it as root, or install sudo"
  sudo=(sudo)
fi

# Needs, one a line: how to see that it is there (a command, `pc:` a pkg-config module, `file:` a
# path), and the Debian package that brings it. Commands are looked for rather than packages, so
# that what came from elsewhere (Docker's own repository, a Node of another origin) is good enough.
build_needs="
cc                              build-essential
make                            make
pkg-config                      pkg-config
curl                            curl
file:/etc/ssl/certs/ca-certificates.crt ca-certificates
pc:webkit2gtk-4.1               libwebkit2gtk-4.1-dev
pc:ayatana-appindicator3-0.1    libayatana-appindicator3-dev
pc:librsvg-2.0                  librsvg2-dev
file:/usr/include/xdo.h         libxdo-dev
node                            nodejs
npm                             npm
ip                              iproute2
setpriv                         util-linux
pkexec                          pkexec
"
test_needs="
dockerd                         docker.io
containerd                      containerd
iptables                        iptables
nft                             nftables
conntrack                       conntrack
debootstrap                     debootstrap
file:/usr/share/keyrings/debian-archive-keyring.gpg debian-archive-keyring
squid                           squid
krb5kdc                         krb5-kdc
kadmin.local                    krb5-admin-server
kinit                           krb5-user
ntlm_auth                       winbind
docker-registry                 docker-registry
danted                          dante-server
sshd                            openssh-server
ssh                             openssh-client
podman                          podman
haproxy                         haproxy
nginx                           nginx-light
dnsmasq                         dnsmasq-base
WebKitWebDriver                 webkit2gtk-driver
Xvfb                            xvfb
dbus-run-session                dbus
dbus-launch                     dbus-x11
gnome-keyring-daemon            gnome-keyring
gsettings                       libglib2.0-bin
file:/usr/libexec/dconf-service dconf-gsettings-backend
file:/usr/share/glib-2.0/schemas/org.gnome.system.proxy.gschema.xml gsettings-desktop-schemas
import                          imagemagick
xwininfo                        x11-utils
patch                           patch
strace                          strace
busybox                         busybox-static
wine                            wine
x86_64-w64-mingw32-gcc          gcc-mingw-w64-x86-64
openssl                         openssl
python3                         python3
file:/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc fonts-noto-cjk
"

bench_needs="
ip                              iproute2
nft                             nftables
haproxy                         haproxy
redsocks                        redsocks
squid                           squid
tinyproxy                       tinyproxy
strace                          strace
perf                            linux-perf
debootstrap                     debootstrap
file:/usr/share/keyrings/debian-archive-keyring.gpg debian-archive-keyring
dnsmasq                         dnsmasq-base
nsenter                         util-linux
unshare                         util-linux
"
soak_needs="
ip                              iproute2
nft                             nftables
setpriv                         util-linux
"

there() {
  case "$1" in
    pc:*) command -v pkg-config >/dev/null && pkg-config --exists "${1#pc:}" ;;
    file:*) [ -e "${1#file:}" ] ;;
    *) command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ] ;;
  esac
}

missing_packages() {
  local need package
  while read -r need package; do
    [ -n "$need" ] || continue
    there "$need" || echo "$package"
  done | sort -u
}

install_packages() {
  local needs=$1 missing unit package
  missing=$(missing_packages <<<"$needs" | tr '\n' ' ')
  missing=${missing% }
  [ -n "$missing" ] || { say "system packages: all there"; return; }
  if ! command -v apt-get >/dev/null; then
    fail "this system has no apt-get. Missing, by their Debian names: $missing"
  fi
  say "missing system packages: $missing"
  if [ "${YES:-}" != 1 ]; then
    [ -t 0 ] || fail "nobody to ask: run it with YES=1 to install them"
    read -r -p "setup: install them with apt-get? [y/N] " answer
    case "$answer" in [yY]*) ;; *) fail "not installed; nothing was changed" ;; esac
  fi
  # Servers that packages bring along (Squid, Dante, a registry, Docker) shall not start: the tests start
  # their own. A policy of the machine's own stays as it is.
  local policy=/usr/sbin/policy-rc.d ours=
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee "$policy" >/dev/null
    "${sudo[@]}" chmod 755 "$policy"
    ours=1
  fi
  local failed=
  "${sudo[@]}" apt-get update -q || say "the package lists could not be refreshed; trying with those here"
  # shellcheck disable=SC2086 # a list of package names
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing || failed=1
  [ -z "$ours" ] || "${sudo[@]}" rm -f "$policy"
  [ -z "$failed" ] || fail "apt-get could not install them; its own words stand above"
  if [ -d /run/systemd/system ]; then
    # Nor at the next boot, if this script brought them.
    for unit in squid krb5-kdc krb5-admin-server winbind docker-registry haproxy nginx redsocks tinyproxy danted; do
      package=${unit/danted/dante-server}
      package=${package/nginx/nginx-light}
      case " $missing " in *" $package "*) "${sudo[@]}" systemctl disable --quiet "$unit" ;; esac
    done
  fi
}

at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

install_rust() {
  export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
  if command -v cargo >/dev/null && at_least "$rust_version" "$(cargo --version | cut -d' ' -f2)"; then
    say "Rust: $(cargo --version | cut -d' ' -f2)"
    return
  fi
  if ! command -v rustup >/dev/null; then
    say "Rust $rust_version is missing; installing rustup"
    # Not `apt-cache show`: it finds a package that others only mention, as Debian 12's do. Not in a
    # pipe: a reader that stops at its line kills the writer, and with pipefail that is a failure
    # (Ubuntu 24.04 prints enough for it).
    local policy
    policy=$(LC_ALL=C apt-cache policy rustup)
    if [[ $policy == *"Candidate: "[0-9]* ]]; then
      "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends rustup
    else
      curl --proto '=https' --tlsv1.2 -fsSL https://sh.rustup.rs | sh -s -- -y --profile minimal --default-toolchain none ||
        fail "rustup could not be had; install Rust $rust_version or later by hand (https://rustup.rs)"
    fi
  fi
  # A distribution's rustup cannot update itself, and 1.26 of Ubuntu 24.04 calls that a failure.
  rustup toolchain install "$rust_version" --no-self-update --profile minimal --component clippy,rustfmt ||
    fail "rustup could not install Rust $rust_version"
  rustup default "$rust_version"
}

# The engine for Windows is built and tried under Wine.
install_windows_target() {
  local target=x86_64-pc-windows-gnu
  [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ] && { say "Rust for Windows: there"; return; }
  command -v rustup >/dev/null ||
    fail "this Rust cannot build for Windows, which the tests do: install Rust by https://rustup.rs, then rustup target add $target"
  rustup target add "$target" || fail "rustup could not add $target"
}

# Node brings certificate authorities of its own; a company's stand only in the system's file.
export NODE_EXTRA_CA_CERTS="${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt}"

install_node() {
  # Vite 8 asks for this; Debian 12 and Ubuntu 24.04 have an older one.
  local want=20.19.0
  if at_least "$want" "$(node --version | tr -d v)"; then
    say "Node.js: $(node --version)"
    return
  fi
  if [ ! -x "$tools/node_modules/.bin/node" ]; then
    say "Node.js $(node --version) is older than $want; putting one into target/tools"
    npm install --loglevel=error --no-audit --no-fund --no-save --prefix "$tools" node@22 npm@11
  fi
}

install_cargo_tool() {
  local name=$1 version=$2; shift 2
  PATH="$tools/bin:$PATH" command -v "cargo-$name" >/dev/null && { say "cargo-$name: there"; return; }
  say "building cargo-$name $version (some minutes, once)"
  cargo install --quiet --locked --root "$tools" "cargo-$name" --version "$version" "$@"
}

mkdir -p "$tools"
if [ "$what" = bench ] || [ "$what" = soak ]; then
  # The engine alone: neither the window nor its Node.
  needs=$soak_needs
  [ "$what" = soak ] || needs=$bench_needs
  install_packages "$(grep -E '^(cc|make|curl|file:/etc/ssl[^ ]*) ' <<<"$build_needs")$needs"
  install_rust
  say "ready"
  exit
fi
install_packages "$build_needs"
install_rust
install_node
if [ "$what" = test ]; then
  install_packages "$test_needs"
  install_windows_target
  install_cargo_tool nextest "$nextest_version"
  # It runs for a second: not worth an optimised build.
  install_cargo_tool deny "$deny_version" --debug
fi
if [ "$what" = fuzz ]; then
  install_cargo_tool fuzz "$fuzz_version" --debug
fi
say "ready"
