#!/bin/bash
# Runs every test program in $1/tests and leaves in $2 what they said, and
# what kind of place this is. The same script runs in a virtual machine and in
# a chroot.
set -u -o pipefail
in=$1 out=$2
{
	echo "kernel=$(uname -r)"
	echo "slurm=$(slurmd -V)"
	if [ -d /run/systemd/system ]; then
		echo "systemd=$(systemctl --version | sed -n '1s/.*(\(.*\))/\1/p')"
	fi
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then echo cgroup=v2; else echo cgroup=v1; fi
} >"$out/facts"
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
export LASTCALL_PROGRAMS=$in/bin
set -a
. "$in/environment"
set +a
mapfile -t arguments <"$in/arguments"
status=0
for program in "$in"/tests/*.test; do
	name=$(basename "$program" .test)
	"$program" -test.v -test.count=1 "${arguments[@]}" 2>&1 | tee "$out/$name.log" || status=1
done
exit $status
