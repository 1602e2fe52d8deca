#!/usr/bin/env bash
# Makes a private APT state in DIRECTORY, so that the APT state of this machine is not changed.
# Usage: tests/board/apt.sh DIRECTORY
#
#   DIRECTORY/sources.list  the Debian sources of this machine and their backports, for amd64 and arm64
#   DIRECTORY/guest.conf    for APT_CONFIG: an empty machine of both architectures, to download and unpack from
#   DIRECTORY/host.conf     for APT_CONFIG: this machine with backports added, to install tools on it
set -euo pipefail
directory=$(realpath -m "${1:?usage: apt.sh DIRECTORY}")
release=bookworm
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# Prints each configured source once, as "URI SUITE".
sources() {
    # shellcheck disable=SC2016 # apt-get expands these
    apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' \
        | awk -v release="$release" '$2 ~ "^" release { print $1, $2 }' | sort -u
}
main_uri=$(sources | awk -v release="$release" '$2 == release { print $1; exit }')
if [ -z "$main_uri" ] || [ ! -f "$keyring" ]; then
    echo "apt: this machine's APT sources do not offer Debian $release" >&2
    exit 1
fi

mkdir -p "$directory"/empty/{apt.conf.d,preferences.d,sources.list.d,trusted.gpg.d} \
    "$directory"/{lists,host-lists,archives}/partial
: >"$directory/status"
{ sources; echo "$main_uri $release-backports"; } | sort -u | while read -r uri suite; do
    echo "deb [arch=amd64,arm64 signed-by=$keyring] $uri $suite main"
done >"$directory/sources.list"
for arch in amd64 arm64; do
    sed "s/arch=amd64,arm64/arch=$arch/" "$directory/sources.list" >"$directory/$arch-sources.list"
done

cat >"$directory/guest.conf" <<CONF
Dir::Etc "$directory/empty";
Dir::Etc::sourcelist "$directory/sources.list";
Dir::State::lists "$directory/lists";
Dir::State::status "$directory/status";
Dir::Cache "$directory";
APT::Architecture "amd64";
APT::Architectures { "amd64"; "arm64"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
CONF
cat >"$directory/host.conf" <<CONF
Dir::Etc::sourcelist "$directory/amd64-sources.list";
Dir::Etc::sourceparts "/nonexistent";
Dir::State::lists "$directory/host-lists";
Acquire::Languages "none";
CONF
APT_CONFIG=$directory/guest.conf apt-get update -q
APT_CONFIG=$directory/host.conf apt-get update -q
