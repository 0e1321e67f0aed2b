# Functions that provide programs and libraries of Debian packages. A script sources this file in
# the project's folder.

# Prints the path of a program. If the program is not installed and the user is root, its package
# is downloaded and unpacked into target/. It is not installed, because the installation of some
# packages starts a service.
#   debian_program PACKAGE PROGRAM [VARIABLE]
debian_program() {
    local package=$1 program=$2 variable=${3-} found fetched=$PWD/target/debian/$1
    found=$(PATH=$PATH:/usr/sbin:/usr/local/sbin command -v "$program" || true)
    if [ -n "$variable" ] && [ -n "${!variable-}" ]; then
        found=${!variable}
    fi
    if [ -n "$found" ]; then
        echo "$found"
        return
    fi
    if [ ! -d "$fetched" ]; then
        if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
            echo "$program is missing: install the package $package${variable:+, or set $variable}" >&2
            return 1
        fi
        debian_fetch "$package"
    fi
    find "$fetched/usr" -type f -path "*bin/$program" -print -quit
}

# Downloads the libraries of a package in the same way, and adds them to the library path.
#   debian_library PACKAGE
debian_library() {
    local package=$1 fetched=$PWD/target/debian/$1
    if [ ! -d "$fetched" ]; then
        if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
            echo "a library of the package $package is missing: install that package" >&2
            return 1
        fi
        debian_fetch "$package"
    fi
    LD_LIBRARY_PATH=$(dirname "$(find "$fetched" -name '*.so.*' -print -quit)"):${LD_LIBRARY_PATH-}
    export LD_LIBRARY_PATH
}

# Downloads a package and unpacks it into target/debian/.
debian_fetch() {
    local package=$1 folder
    folder=$(mktemp -d)
    apt-get update -qq >&2
    (cd "$folder" && apt-get -o APT::Sandbox::User=root download -qq "$package") >&2
    dpkg-deb --extract "$folder/$package"_*.deb "$folder/$package"
    mkdir -p target/debian
    # The folder is renamed at the end, so that an interrupted download does not count as complete.
    mv "$folder/$package" "target/debian/$package"
    rm -rf "$folder"
}
