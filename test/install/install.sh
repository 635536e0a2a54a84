#!/bin/sh
# Installs by name what the demo and the tests need and this Debian machine
# lacks; with "machines" what virtual machines and chroots need. A second run
# finds everything and asks no network.
set -eu

missing=
need() { # program package
	PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
if [ "${1-}" = machines ]; then
	need qemu-system-x86_64 qemu-system-x86
	[ -e /usr/share/seabios/bios-256k.bin ] || missing="$missing seabios"
	need mmdebstrap mmdebstrap
	need mke2fs e2fsprogs
	need debugfs e2fsprogs
	need sfdisk fdisk
	need unshare util-linux
	[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing="$missing debian-archive-keyring"
fi
need slurmctld slurmctld
need slurmd slurmd
need sbatch slurm-client
need munged munge
need perl perl-base
need mkfs.ext4 e2fsprogs
need mount mount
need losetup mount
need fsfreeze util-linux
need flock util-linux
need setpriv util-linux
need pgrep procps
need ip iproute2
need strace strace
need unshare util-linux
need git git
need gcc gcc
[ -x /usr/bin/python3 ] || missing="$missing python3"
[ -e /usr/include/stdlib.h ] || missing="$missing libc6-dev"
[ -z "$missing" ] && exit 0

if [ "$(id -u)" != 0 ]; then
	echo "install.sh: these packages are missing and only root can install them:$missing" >&2
	exit 1
fi
if ! command -v apt-get >/dev/null 2>&1; then
	echo "install.sh: this is no Debian; install what holds these programs:$missing" >&2
	exit 1
fi
# The daemons are for the tests' own clusters; none is to start by itself.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod 755 $policy
	trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $missing >/tmp/lastcall-install.log 2>&1 ||
	{ apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing >/tmp/lastcall-install.log 2>&1; } ||
	{ tail -20 /tmp/lastcall-install.log >&2; exit 1; }
rm -f /tmp/lastcall-install.log
