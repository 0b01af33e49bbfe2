#!/bin/sh
# Makes world-clock.oci.tar and world-clock.docker.tar.gz: see README.md for what is in them.
# Needs Debian with umoci, skopeo and attr, and root (owners, set-uid bits).
#
#   sudo examples/make.sh [FOLDER]     # the folder the two files go to, default: this one
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=$(cd "${1:-$here}" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
cd "$work"

image=layout:latest
created=2026-11-01T00:00:00Z

# One layer: the files changed by a function, all with one date, as one umoci layer.
layer() {
  umoci unpack --image "$image" bundle >/dev/null
  (cd bundle/rootfs && "$1")
  find bundle/rootfs -newer stamp -exec touch -h -d "$created" {} +
  umoci repack --image "$image" --history.created "$created" --history.author varve \
    --history.created_by "$2" bundle >/dev/null
  rm -rf bundle
}

base() {
  mkdir -p usr/share/zoneinfo usr/share/doc/tzdata etc tmp
  chmod 1777 tmp
  cp -a "$work/tzdata/usr/share/zoneinfo/." usr/share/zoneinfo/
  cp -a "$work/tzdata/usr/share/doc/tzdata/." usr/share/doc/tzdata/
  ln -s ../usr/share/zoneinfo/UTC etc/localtime
  echo Etc/UTC > etc/timezone
}

texts() {
  mkdir -p srv/clay/summer srv/clay/winter var/lib/clock
  echo 'A varve is one year of sediment: a pale summer layer under a dark winter one.' > srv/clay/about.txt
  echo 'Silt, laid down while the ice melts.' > srv/clay/summer/silt.txt
  echo 'Clay, settling under the frozen lake.' > srv/clay/winter/clay.txt
  ln srv/clay/about.txt srv/clay/read-me-first.txt          # hard links, three names
  ln srv/clay/about.txt var/lib/clock/about.txt
  ln -s about.txt srv/clay/link-relative
  ln -s /srv/clay/about.txt srv/clay/link-absolute
  ln -s nowhere srv/clay/link-dangling
  mkfifo -m 0620 var/lib/clock/ticks
  : > srv/clay/empty
  echo 'norrländsk varvkronologi' > 'srv/clay/Gerard De Geer, hvarfvig lera – 1912.txt'
  deep=srv/clay/$(printf 'year-%s/' 1 2 3 4 5 6 7 8 9 10 11 12)a-path-that-is-longer-than-the-hundred-bytes-of-an-old-tar-header
  mkdir -p "$deep" && echo 'found' > "$deep/leaf.txt"
  printf '#!/bin/sh\nexec date -u\n' > srv/clay/clock && chmod 4755 srv/clay/clock
  chown -R 1000:1000 var/lib/clock && chmod 2750 var/lib/clock
  setfattr -n user.varve.season -v summer srv/clay/summer/silt.txt
  truncate -s 64K srv/clay/hole.bin && printf end >> srv/clay/hole.bin
}

removals() {
  rm -r usr/share/zoneinfo/right usr/share/zoneinfo/posix   # whiteouts of folders
  rm srv/clay/empty srv/clay/read-me-first.txt              # of a file, of one of three hard links
  rm -r srv/clay/winter && ln -s summer srv/clay/winter     # a folder becomes a symbolic link
  rm srv/clay/link-dangling && mkdir srv/clay/link-dangling # a link becomes a folder
  echo 'no longer dangling' > srv/clay/link-dangling/here.txt
  echo Europe/Stockholm > etc/timezone                      # a file changes
  ln -sf ../usr/share/zoneinfo/Europe/Stockholm etc/localtime
}

touches() {
  chmod 0711 srv/clay                                       # only metadata
  chown 7:7 srv/clay/hole.bin
  echo 'back again' > srv/clay/empty                        # what was removed returns
  rm -r srv/clay/summer && mkdir srv/clay/summer            # removed and made anew
  echo 'Silt of another year.' > srv/clay/summer/sand.txt
}

apt-get download tzdata >/dev/null 2>&1
dpkg-deb -x tzdata_*.deb tzdata
touch -d '1 second ago' stamp

umoci init --layout layout
umoci new --image "$image"
layer base 'the tz database of Debian tzdata'
layer texts 'texts about varves, links, a pipe, odd names and modes'
umoci config --image "$image" --author varve --created "$created" --os linux --architecture amd64 \
  --config.entrypoint /srv/clay/clock --config.env TZ=Europe/Stockholm \
  --config.workingdir /srv/clay --config.label org.opencontainers.image.title=world-clock \
  --history.created "$created" --history.created_by 'configuration only, no layer'
layer removals 'whiteouts, and files that change their kind'
layer touches 'changes of owner and mode only, and things made anew'
umoci gc --layout layout

skopeo copy -q --insecure-policy oci:layout:latest \
  docker-archive:world-clock.docker.tar:example/world-clock:1.0
gzip -9n world-clock.docker.tar
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="$created" \
  -C layout -cf world-clock.oci.tar .

mv world-clock.oci.tar world-clock.docker.tar.gz "$out/"
ls -l "$out"/world-clock.*
