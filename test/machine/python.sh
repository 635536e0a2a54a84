#!/bin/sh
# Runs a program of input folder $2 in root folder $1, in a mount and a process
# namespace of its own. A root of unpacked packages has no shell, no /dev and
# no /mnt.
set -e
root=$1 in=$2
shift 2
mkdir -p "$root/mnt" "$root/proc" "$root/dev" "$root/tmp"
mount --make-rprivate /
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount --bind "$in" "$root/mnt"
exec unshare --root="$root" --wd=/mnt "$@"
