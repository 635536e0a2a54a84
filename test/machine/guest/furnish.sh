#!/bin/sh
# Makes a new root ($1) a machine for tests. It brings no Slurm of its own up:
# the tests start their own clusters.
set -e
root=$1
echo vm0 >"$root/etc/hostname"
printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
: >"$root/etc/fstab"
# An empty machine-id would make each boot a first boot, which takes longer.
od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$root/etc/machine-id"
mkdir -p "$root/mnt/in"
chroot "$root" useradd -m -s /bin/bash ada
chroot "$root" systemctl -q enable lastcall-address.service lastcall-tests.service
chroot "$root" systemctl -q disable munge.service slurmctld.service slurmd.service
chroot "$root" systemctl -q mask getty.target serial-getty@ttyS0.service apt-daily.timer apt-daily-upgrade.timer \
	e2scrub_all.timer e2scrub_reap.service systemd-modules-load.service fstrim.timer dpkg-db-backup.timer \
	systemd-firstboot.service systemd-networkd.service systemd-networkd.socket \
	systemd-networkd-wait-online.service systemd-homed-firstboot.service
