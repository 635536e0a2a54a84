#!/bin/sh
# Runs the tests in root folder $1 with input $2, in namespaces of its own:
# process numbers, mounts, network. Started by unshare(1) as their first
# process, so the end of it is the end of everything in them. The root stays
# as it is: it is mounted read-only, what is written goes into memory.
set -e
root=$1 in=$2
mount --make-rprivate /
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount --bind "$in" "$root/mnt/in"
chroot "$root" ip link set lo up
chroot "$root" ip address add 10.9.9.1/32 dev lo
mkdir -p "$in/out"
status=0
chroot "$root" /bin/bash /mnt/in/run.sh /mnt/in /mnt/in/out || status=$?
echo $status >"$in/out/status"
exit $status
