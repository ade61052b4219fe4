# Shared by tools/check, tools/check-arches and tools/demo (sourced, POSIX sh): makes sure that what
# a build needs is installed. On Debian and its kin missing packages are installed by name; elsewhere
# it says what is missing.

BUILD_PACKAGES="gcc libc6-dev meson ninja-build pkg-config libprotobuf-c-dev protobuf-c-compiler libzstd-dev"
ARCH_PACKAGES="qemu-user gcc-s390x-linux-gnu libc6-dev-s390x-cross gcc-i686-linux-gnu libc6-dev-i386-cross"
SYSROOT_PACKAGES="libzstd-dev libprotobuf-c-dev check libsubunit-dev"
CLANG_PACKAGES="clang libclang-rt-dev"
ANALYSIS_PACKAGES="cppcheck"
TEST_PACKAGES="protobuf-compiler check python3 zstd sqlite3 mandoc valgrind snakemake"

say() {
    printf '%s\n' "$*" >&2
}

die() {
    say "$*"
    exit 1
}

# Runs a command as root: directly, or by sudo where that asks for no password.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

can_be_root() {
    [ "$(id -u)" -eq 0 ] || { command -v sudo && sudo -n true; } >/dev/null 2>&1
}

# Prints those of the given Debian packages that are not installed.
missing_packages() {
    for package in "$@"; do
        case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
        *" installed") ;;
        *) printf '%s ' "$package" ;;
        esac
    done
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends "$@" </dev/null >&2
}

# On systems other than Debian: what a build cannot do without, by the names of the programs.
check_programs() {
    lacking=
    for program in cc meson ninja pkg-config protoc-c; do
        command -v "$program" >/dev/null 2>&1 || lacking="$lacking $program"
    done
    [ -z "$lacking" ] && return 0
    say "This is no Debian system, so nothing is installed for you. Not found:$lacking"
    die "Please install what your system calls these Debian packages: $*"
}

# Makes sure that the given packages are there.
need_packages() {
    if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
        check_programs "$@"
        return 0
    fi
    missing=$(missing_packages "$@")
    [ -z "$missing" ] && return 0
    can_be_root || die "Please install these packages first (as root): apt-get install $missing"
    say "Installing: $missing"
    # shellcheck disable=SC2086 # a list of names
    apt_install $missing && return 0
    as_root apt-get update </dev/null >&2
    # shellcheck disable=SC2086
    apt_install $missing || die "Could not install: $missing"
}

# Configures a build folder, or reconfigures one that is there, and builds it.
build_in() {
    build=$1
    shift
    if [ -f "$build/build.ninja" ]; then
        meson configure "$build" "$@" >&2
    else
        meson setup "$build" "$@" >&2
    fi && ninja -C "$build" >&2
}
