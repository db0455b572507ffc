# What `.ci/run` and `.ci/full` share; sourced by both.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
# One folder for all, the packages beside this one as well, so that what is built once is built once.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"

# step TITLE COMMAND…: runs the command under a header and says how long it took.
step() {
  local title=$1 began=$SECONDS status=0
  shift
  printf '\n== %s\n' "$title"
  "$@" || status=$?
  if [ "$status" != 0 ]; then
    printf -- '-- FAILED (%d) after %d s: %s\n' "$status" $((SECONDS - began)) "$title"
    exit "$status"
  fi
  printf -- '-- %d s\n' $((SECONDS - began))
}
