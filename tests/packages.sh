#!/usr/bin/env bash
# Makes sure that commands are there, and installs the Debian packages of those that are not.
#
# usage: tests/packages.sh COMMAND:PACKAGE...
#
# Without root, and without a sudo that asks nothing, it says what to install and fails.
set -euo pipefail

missing=()
for pair in "$@"; do
    # Administrators' tools are not on everybody's path.
    PATH="$PATH:/usr/sbin:/sbin" command -v "${pair%%:*}" > /dev/null || missing+=("${pair#*:}")
done
[ ${#missing[@]} -eq 0 ] && exit 0

install=(apt-get install --yes --no-install-recommends "${missing[@]}")
if ! command -v apt-get > /dev/null; then
    echo "These Debian packages, or what your system calls them, are needed: ${missing[*]}" >&2
    exit 1
elif [ "$(id -u)" -eq 0 ]; then
    as_root=()
elif sudo --non-interactive true 2> /dev/null; then
    as_root=(sudo)
else
    echo "Some programs are missing and I may not install them. As root, run: ${install[*]}" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
echo "installing ${missing[*]}" >&2
"${as_root[@]}" apt-get update --quiet --quiet
"${as_root[@]}" "${install[@]}" > /dev/null
