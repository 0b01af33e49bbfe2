#!/usr/bin/env bash
# Runs the tests of fs-verity on a kernel that has it, which many machines that only run containers
# have not: Debian's, in an emulator, which needs no KVM and sees this machine's files, read-only.
# Both are of Debian 12's backports, which nothing is installed from: its own EROFS and emulator are
# too old. As root: apt-get install kmod e2fsprogs btrfs-progs qemu-system-x86
# Ends with 77 if backports cannot be reached.
set -euo pipefail
cd "$(dirname "$0")/.."
checkout=$PWD suite=bookworm-backports
# Not beneath /dev, which is another file system in there.
work=$(mktemp -d -p /var/tmp varve-verity-XXXXXX)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
mkdir "$work/tmp" "$work/system"
cd "$work"

# Lists of its own, so that this machine's stay as they are.
mkdir -p sources lists/partial
sed "s/^Suites:.*/Suites: $suite/; /^$/q" /etc/apt/sources.list.d/debian.sources >sources/it.sources
apt() {
  local tool=$1 && shift
  "apt-$tool" -qq -o APT::Sandbox::User=root -o Dir::Etc::sourcelist=/dev/null \
    -o "Dir::Etc::sourceparts=$work/sources" -o "Dir::State::lists=$work/lists" "$@"
}
out_of_reach() {
  echo 'fs-verity: NOT TESTED, because the backports of Debian cannot be reached'
  exit 77
}
apt get update --error-on=any || out_of_reach
kernel=$(apt cache show "linux-image-cloud-amd64/$suite" | sed -n 's/^Depends: \([^ ]*\).*/\1/p')
apt get download "$kernel/$suite" qemu-system-{x86,data}/$suite || out_of_reach
for package in *.deb; do dpkg -x "$package" system; done
release=${kernel#linux-image-}
depmod -b system "$release"

# Bun runs the tests, since a tenth of Vitest's instructions are enough for it to start.
cat >init <<END
#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root CI=true
export VARVE_VERITY=required NO_COLOR=1 TMPDIR=$work/tmp BUN_RUNTIME_TRANSPILER_CACHE_PATH=0
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t tmpfs tmpfs $work/tmp
mountpoint -q /dev || mount -t devtmpfs devtmpfs /dev
for module in loop erofs btrfs overlay; do modprobe -d $work/system \$module; done
cd "$checkout"
node_modules/.bin/bun --conditions=@varve/source test --timeout=600000 \
  packages/driver-erofs/test/verity.test.ts 2>&1
echo \$? >/dev/ttyS1
poweroff -f
END
chmod 755 init

/usr/lib/qemu/virtiofsd --socket-path=files -o source=/ -o sandbox=chroot -o cache=always \
  -o announce_submounts >sharing 2>&1 &
for _ in {1..600}; do [ -S files ] || sleep 0.1; done
export QEMU_MODULE_DIR=$work/system/usr/lib/x86_64-linux-gnu/qemu
timeout 1800 system/usr/bin/qemu-system-x86_64 -L system/usr/share/qemu -L /usr/share/seabios \
  -M pc -accel tcg -cpu max -smp 2 -m 2G -numa node,memdev=memory \
  -object memory-backend-memfd,id=memory,size=2G,share=on \
  -chardev socket,id=files,path=files -device vhost-user-fs-pci,chardev=files,tag=root \
  -display none -monitor none -serial stdio -serial file:status -no-reboot \
  -kernel "system/boot/vmlinuz-$release" -append "console=ttyS0 loglevel=1 panic=-1 \
    mitigations=off rootfstype=virtiofs root=root ro init=$work/init" </dev/null 2>emulator || true
status=$(tr -dc 0-9 <status || true)
[ -n "$status" ] || cat emulator sharing
exit "${status:-1}"
