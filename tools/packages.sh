# shellcheck shell=bash
# Which Debian packages a build, the quickstart and the tests need, and how they get there. Sourced by tools/quickstart
# and tests/run; not run by itself.

# shellcheck source=tools/progress.sh
. "$(dirname "${BASH_SOURCE[0]}")/progress.sh"

packages_build="cmake scdoc ninja-build g++ pkg-config libboost1.81-dev liburing-dev libnl-3-dev libnl-route-3-dev
libnl-genl-3-dev libcli11-dev nlohmann-json3-dev libtomlplusplus-dev libsystemd-dev libfmt-dev doctest-dev"
packages_quickstart="vblade iproute2 e2fsprogs libnbd-bin jq"
# For tests/guest. The guests' kernels are not among them: tests/guest/fetch-kernel downloads and unpacks them.
packages_guest="qemu-system-x86 busybox-static cpio kmod xz-utils mdadm xfsprogs nbd-client socat udev
systemd dbus adduser"
packages_tests="shellcheck vblade iproute2 e2fsprogs libnbd-bin qemu-utils fio jq procps python3-minimal
bash-completion zsh fish lintian dpkg-dev"
packages_bench="valgrind nbdkit" # beside those of the tests
# For tests/bench/guest, in the guest only: tests/bench/fetch-peers downloads and unpacks them.
packages_bench_guest="tgt open-iscsi nvme-cli nbdkit ethtool"

# become_root "$0" "$@": runs the script again under sudo when it is not root.
become_root() {
    [ "$(id -u)" -eq 0 ] && return
    if command -v sudo >/dev/null 2>&1; then
        exec sudo -- "$@"
    fi
    echo "$(basename "$1"): needs root for packages, network namespaces and packet sockets; run it as root" >&2
    exit 5
}

update_and_install() {
    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

# install_packages NAME...: installs those that are missing.
install_packages() {
    local missing=() name
    for name in "$@"; do
        if [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" != installed ]; then
            missing+=("$name")
        fi
    done
    [ ${#missing[@]} -eq 0 ] && return
    echo "Installing: ${missing[*]}"
    local log
    log=$(mktemp)
    if ! progress_while "installing ${#missing[@]} packages" "$log" update_and_install "${missing[@]}"; then
        rm -f "$log"
        echo "cannot install ${missing[*]}: apt-get failed (above); check the network and /etc/apt" >&2
        return 1
    fi
    rm -f "$log"
}
