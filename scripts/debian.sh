#!/usr/bin/env bash
# Installs the Debian packages that tests use, where the machine is Debian and we may; elsewhere their tests are skipped and say so.
set -euo pipefail
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" DEBIAN_FRONTEND=noninteractive

wanted=()
compgen -G "/usr/lib/postgresql/*/bin/initdb" > /dev/null || wanted+=(postgresql)

[ "${#wanted[@]}" -gt 0 ] || exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get > /dev/null; then
    echo "not installed, so their tests are skipped: ${wanted[*]}" >&2
    exit 0
fi
echo "installing ${wanted[*]}"
apt-get update --quiet=2
apt-get install --quiet=2 --yes --no-install-recommends "${wanted[@]}" > /dev/null
