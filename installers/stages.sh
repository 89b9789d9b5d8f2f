#!/usr/bin/env bash
# What `make` does, stage by stage, each with its title and the minutes it took.
set -euo pipefail
cd "$(dirname "$0")/.."

began=$SECONDS
if [ ! -t 1 ]; then
  export CARGO_TERM_PROGRESS_WHEN=never CARGO_TERM_COLOR=never NO_COLOR=1
fi

stage() { # title, command…
  local title=$1 from=$SECONDS; shift
  printf '\n== %s\n' "$title"
  "$@" || { printf '== %s: FAILED after %d s\n' "$title" $((SECONDS - from)) >&2; exit 1; }
  printf '== %s: done in %d s (%d s since the start)\n' "$title" $((SECONDS - from)) $((SECONDS - began))
}

# As in setup.sh: a company's certificate authority stands in the system's file.
export NODE_EXTRA_CA_CERTS="${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt}"

ui_modules() { (cd ui && npm ci --no-audit --no-fund --loglevel=error); }
ui_build() { (cd ui && npm run --silent build); }
ui_test() { (cd ui && npm run --silent check && npm run --silent test); }

build_ui() {
  stage "the window's packages" ui_modules
  stage "the window's pages" ui_build
}

# Every crate, those of other systems too: the licence check looks at all of them.
crates() { stage "crates" cargo fetch --locked; }

lint() {
  crates
  stage "format" cargo fmt --all --check
  stage "lints" cargo clippy --locked --workspace --all-targets -- -D warnings
  stage "licences and sources of every crate" cargo deny --locked --log-level error check licenses bans sources
}

start() {
  printf '\nTo see the idea in twenty seconds, without Docker and without a company:\n\n    sudo target/debug/gangway demo\n\n'
  if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    exec target/debug/gangway-app
  fi
  echo "There is no display here: the agent runs in this terminal (Ctrl-C ends it)."
  exec target/debug/gangway run
}

# With the names of functions left in the engine, for the profile of a goal that is missed.
bench() {
  export CARGO_PROFILE_RELEASE_STRIP=debuginfo
  stage "the programs and the bench" cargo build --locked --release \
    --package proxy-engine --package proxy-mirror --package benches
  local root=() long=()
  # Namespaces need root; cargo does not.
  [ "$(id -u)" -eq 0 ] || root=(sudo)
  [ "${LONG:-}" != 1 ] || long=(--long)
  stage "benchmarks" "${root[@]}" target/release/benches "${long[@]}"
}

soak() {
  local root=()
  stage "the engine and the soak" cargo build --locked --release --package proxy-engine --package benches
  [ "$(id -u)" -eq 0 ] || root=(sudo)
  stage "soak, ${SOAK_MINUTES:-10} minutes" "${root[@]}" target/release/benches soak "${SOAK_MINUTES:-10}"
}

# Coverage without a sanitizer: the code is safe Rust, and a stable toolchain builds it. What is
# found goes to target/fuzz; a finding worth keeping becomes a seed by hand.
fuzz() {
  local target seconds=${FUZZ_SECONDS:-600}
  for target in proxy-engine/fuzz/fuzz_targets/*.rs; do
    target=$(basename "$target" .rs)
    mkdir -p "target/fuzz/corpus/$target"
    stage "$target, $seconds s" cargo fuzz run --fuzz-dir proxy-engine/fuzz --sanitizer none \
      --target-dir "$PWD/target/fuzz" "$target" \
      "target/fuzz/corpus/$target" "proxy-engine/fuzz/seeds/$target" -- \
      -max_total_time="$seconds" -max_len=16384 -print_final_stats=1
  done
}

case "${1:?a stage}" in
  run)
    build_ui
    stage "Gangway" cargo build --locked --package proxy-engine --package proxy-mirror --package gangway-app
    start
    ;;
  test)
    build_ui
    stage "the window's tests" ui_test
    lint
    stage "the programs" cargo build --locked --workspace --all-targets
    stage "the engine for Windows" cargo build --locked --target x86_64-pc-windows-gnu --package proxy-engine --example relay
    stage "examples in the docs" cargo test --locked --doc --quiet --workspace
    stage "tests" cargo nextest run --locked --workspace
    ;;
  lint) build_ui; lint ;;
  bench) bench ;;
  soak) soak ;;
  fuzz) fuzz ;;
  ui) build_ui ;;
  *) echo "stages.sh: no stage named $1" >&2; exit 2 ;;
esac
