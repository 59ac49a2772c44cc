#!/usr/bin/env bash
# The Debian packages, as cpack makes them of what is built: lintian finds no error, what they hold is where Debian wants
# it, and what they depend on is there.
#   packages.sh BUILD_FOLDER OUTPUT_FOLDER
# Leaves uaoe_VERSION_ARCHITECTURE.deb there, uaoe-dbg, uaoe-aoetools, and uaoe of a later version, of the same programs.
set -euo pipefail
shopt -s inherit_errexit
build=$1 output=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $*" >&2 && exit 1; }

rm -rf "$output"
mkdir -p "$output/later"
cd "$work"
# gzip: the packages of a release are made smaller, and take longer.
pack() { (cd "$build" && cpack -G DEB -D CPACK_DEBIAN_COMPRESSION_TYPE=gzip "$@") >"$output/cpack.log" 2>&1 || fail "$(cat "$output/cpack.log")"; }
pack -B "$output"
pack -B "$output/later" -D CPACK_COMPONENTS_ALL=uaoe -D UAOE_PACKAGE_VERSION=99.0
rm -rf "$output"/_CPack_Packages "$output"/later/_CPack_Packages
names=$(echo "$output"/uaoe-aoetools_*.deb)
main=$(echo "$output"/uaoe_*.deb) symbols=$(echo "$output"/uaoe-dbg_*.deb) later=$(echo "$output"/later/uaoe_99.0_*.deb)

for package in "$main" "$symbols" "$names"; do
    lintian --allow-root --fail-on error "$package" || fail "lintian complains of $(basename "$package")"
    echo "ok: lintian finds no error in $(basename "$package")"
done

dpkg-deb -c "$main" | awk '{print $1, $6}' >contents.txt
for wanted in '-rwxr-xr-x ./usr/sbin/uaoe' '-rwxr-xr-x ./usr/sbin/uaoed' '-rw-r--r-- ./etc/uaoe/uaoe.toml' \
    'drwxr-xr-x ./etc/uaoe/uaoe.d/' '-rw-r--r-- ./lib/systemd/system/uaoed.service' '-rw-r--r-- ./lib/udev/rules.d/60-uaoe.rules' '-rwxr-xr-x ./lib/uaoe/release-devices' \
    '-rw-r--r-- ./usr/share/man/man8/uaoe.8.gz' '-rw-r--r-- ./usr/share/man/man8/uaoed.8.gz' \
    '-rw-r--r-- ./usr/share/man/man5/uaoe.toml.5.gz' '-rw-r--r-- ./usr/share/man/man7/uaoe-from-aoe.7.gz' '-rw-r--r-- ./usr/share/bash-completion/completions/uaoe' \
    '-rw-r--r-- ./usr/share/zsh/vendor-completions/_uaoe' '-rw-r--r-- ./usr/share/fish/vendor_completions.d/uaoe.fish' \
    '-rw-r--r-- ./usr/share/uaoe/grafana/uaoe.json' '-rwxr-xr-x ./usr/share/uaoe/complete' '-rw-r--r-- ./usr/share/doc/uaoe/copyright'; do
    grep -qxF -- "$wanted" contents.txt || fail "$(basename "$main") has no $wanted: $(cat contents.txt)"
done
echo "ok: $(wc -l <contents.txt) files and folders are in $(basename "$main")"
dpkg-deb --fsys-tarfile "$main" | tar -xO ./usr/share/bash-completion/completions/uaoe | grep -q '/usr/share/uaoe/complete' ||
    fail "the completion does not know where it is installed"
[ "$(dpkg-deb -I "$main" conffiles)" = /etc/uaoe/uaoe.toml ] || fail "the configuration is no conffile"
for library in libc6 libnl-3-200 liburing2 libsystemd0; do
    dpkg-deb -f "$main" Depends | grep -qE "(^|, )$library( |,|\$)" || fail "it does not depend on $library"
done
[ "$(dpkg-deb -f "$later" Version)" = 99.0 ] || fail "the later package is $(dpkg-deb -f "$later" Version)"

# The names of aoetools: links to a program and a manual that are in the package it depends on; and it takes their place.
mkdir linked
dpkg-deb -x "$main" linked
dpkg-deb -x "$names" linked
for name in aoe-discover aoe-flush aoe-interfaces aoe-mkdevs aoe-mkshelf aoe-revalidate aoe-sancheck aoe-stat aoe-version aoecfg aoeping; do
    [ "$(readlink -f "linked/usr/sbin/$name")" = "$work/linked/usr/sbin/uaoe" ] || fail "$name is not a link to uaoe"
    [ "$(readlink -f "linked/usr/share/man/man8/$name.8.gz")" = "$work/linked/usr/share/man/man8/uaoe-aoetools.8.gz" ] ||
        fail "$name has no manual"
    zgrep -q "$name" "linked/usr/share/man/man8/$name.8.gz" || fail "the manual does not speak of $name"
    for file in bash-completion/completions/$name fish/vendor_completions.d/$name.fish zsh/vendor-completions/_uaoe_aoetools; do
        grep -q "/usr/share/uaoe/complete" "linked/usr/share/$file" || fail "there is no completion of $name: $file"
        grep -qE "[ =]$name( |\$)" "linked/usr/share/$file" || fail "$file does not complete $name"
    done
    "linked/usr/sbin/$name" --version | grep -q "^$name (uaoe " || fail "uaoe does not answer to $name"
done
for field in Conflicts Replaces Provides; do
    [ "$(dpkg-deb -f "$names" $field)" = aoetools ] || fail "it does not say $field: aoetools"
done
[ "$(dpkg-deb -f "$names" Depends)" = "uaoe (= $(dpkg-deb -f "$main" Version))" ] || fail "it does not depend on this uaoe"
[ "$(find linked/usr/sbin -name 'aoe*' | wc -l)" = 11 ] || fail "there are more names: $(ls linked/usr/sbin)"
! grep -q aoe-stat contents.txt || fail "uaoe has names of aoetools itself"
echo "ok: the names of aoetools are links, with a manual"

# The symbols are those of the programs in the other package.
mkdir unpacked
dpkg-deb -x "$main" unpacked
dpkg-deb -x "$symbols" unpacked
for program in uaoe uaoed; do
    id=$(readelf -n "unpacked/usr/sbin/$program" | sed -n 's/.*Build ID: //p')
    file="unpacked/usr/lib/debug/.build-id/${id:0:2}/${id:2}.debug"
    [ -s "$file" ] || fail "there are no symbols of $program, $id"
    readelf -S "unpacked/usr/sbin/$program" | grep -q debug_info && fail "$program has its symbols itself"
    readelf -S "$file" | grep -q debug_info || fail "$file has no symbols"
done
echo "ok: the debug symbols belong to the programs"
