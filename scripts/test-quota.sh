#!/usr/bin/env bash
# Runs the tests of layer sizes on a kernel that has the project quota of ext4 and xfs, which many
# machines that only run containers have not: user-mode Linux, a process that sees this machine's
# files. As root: apt-get install user-mode-linux kmod e2fsprogs xfsprogs
set -euo pipefail
cd "$(dirname "$0")/.."
checkout=$PWD
# Not beneath /dev, which is another file system in there.
work=$(mktemp -d -p /var/tmp varve-quota-XXXXXX)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tmp"

cat >"$work/init" <<END
#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root CI=true
export VARVE_QUOTA=required NO_COLOR=1 TMPDIR=$work/tmp
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t tmpfs tmpfs $work/tmp
mountpoint -q /dev || mount -t devtmpfs devtmpfs /dev
for module in quota_tree quota_v2 overlay loop; do
  insmod "\$(find /usr/lib/uml/modules -name \$module.ko)"
done
cd "$checkout"
node_modules/.bin/node node_modules/vitest/vitest.mjs run --no-cache \
  packages/driver-overlay/test/size.test.ts >"$work/said" 2>&1
echo \$? >"$work/status"
poweroff -f
END
chmod 755 "$work/init"

# What it does not find, and how it ends, it says on its terminal.
timeout 1800 linux.uml root=/dev/root rootfstype=hostfs rootflags=/ rw mem=2G init="$work/init" \
  con=null con0=null,fd:1 quiet </dev/null >"$work/kernel" 2>&1 || true
cat "$work/said" 2>/dev/null || cat "$work/kernel"
exit "$(cat "$work/status" 2>/dev/null || echo 1)"
