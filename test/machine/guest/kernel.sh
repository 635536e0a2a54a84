#!/bin/sh
# Fetches Debian's cloud kernel and its modules into folder $2 without
# installing them: the other dependencies, an initramfs maker and a boot loader,
# are not wanted. $1 is the new root, whose apt configuration mmdebstrap hands
# over.
set -e
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
mkdir -p "$2"
cd "$2"
apt-get -q -o APT::Sandbox::User=root download $(apt-cache depends --recurse --no-suggests --no-recommends \
	--no-conflicts --no-breaks --no-replaces --no-enhances --no-pre-depends linux-image-cloud-amd64 |
	grep -E '^linux-(image|binary|modules|base)-[0-9][^ ]*-cloud-amd64$' | sort -u)
for package in *.deb; do dpkg-deb -x "$package" unpacked; done
