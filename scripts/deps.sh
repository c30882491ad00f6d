# Sourced by the other scripts: installs the Debian or Ubuntu packages that a job needs, or prints
# exactly what to install where it may not.
#   plumb_deps PACKAGE…            stops the script when one cannot be had
#   plumb_deps_optional PACKAGE…   goes on without
#   plumb_venv DIR REQUIREMENTS    Python packages from PyPI in an environment of their own, once;
#                                  goes on without (the tests that want them say so and skip)
plumb_missing() {
    local package
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
            printf '%s ' "$package"
    done
}

plumb_apt() {
    local as=()
    [ "$(id -u)" = 0 ] || as=(sudo -n)
    if [ -z "${PLUMB_APT_UPDATED:-}" ]; then
        "${as[@]}" apt-get -qq update >&2 || return 1
        PLUMB_APT_UPDATED=1
    fi
    DEBIAN_FRONTEND=noninteractive "${as[@]}" apt-get -qq -y -o Dpkg::Use-Pty=0 install \
        --no-install-recommends "$@" >/dev/null
}

plumb_may_install() {
    command -v apt-get >/dev/null && [ -z "${PLUMB_NO_INSTALL:-}" ] &&
        { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }
}

plumb_deps() {
    local missing
    missing=$(plumb_missing "$@")
    [ -n "$missing" ] || return 0
    if plumb_may_install; then
        echo "installing: $missing" >&2
        # shellcheck disable=SC2086
        plumb_apt $missing && return 0
        echo "the installation failed" >&2
    fi
    echo "Please install these packages and run this again:" >&2
    echo "    apt-get install $missing" >&2
    exit 4
}

plumb_deps_optional() {
    local missing
    missing=$(plumb_missing "$@")
    [ -n "$missing" ] || return 0
    plumb_may_install || { echo "going on without: $missing" >&2; return 0; }
    echo "installing: $missing" >&2
    # shellcheck disable=SC2086
    plumb_apt $missing || echo "going on without: $missing" >&2
}

# The copy of REQUIREMENTS inside DIR is written last: a half-made environment is made again.
plumb_venv() {
    local dir=$1 requirements=$2 python
    cmp -s "$requirements" "$dir/requirements.txt" && return 0
    python=$(command -v /usr/bin/python3 || command -v python3) || return 0
    [ -z "${PLUMB_NO_INSTALL:-}" ] || { echo "going on without: $dir" >&2; return 0; }
    echo "installing into $dir: $(grep -vc '^#' "$requirements") Python packages" >&2
    rm -rf "$dir"
    if "$python" -m venv "$dir" >/dev/null 2>&1 &&
        timeout 300 "$dir/bin/python" -m pip -q --disable-pip-version-check --no-input install \
            --no-compile --retries 1 --timeout 15 -r "$requirements" >"$dir/pip.log" 2>&1; then
        cp "$requirements" "$dir/requirements.txt"
    else
        echo "going on without: $dir ($(tail -n 1 "$dir/pip.log" 2>/dev/null))" >&2
        rm -rf "$dir"
    fi
}

PLUMB_BUILD_PACKAGES="gcc libc6-dev cmake ninja-build pkg-config libsodium-dev libjansson-dev
    libhdf5-dev libopenblas-dev libssl-dev"
