# Programs of Debian packages; to be sourced in the project's folder.

# Prints the path of a program. If it is not installed, root has apt-get fetch its package into
# target/, and installs nothing: some packages would start a service at once.
#   debian_program PACKAGE PROGRAM [VARIABLE]
debian_program() {
    local package=$1 program=$2 variable=${3-} folder found fetched=$PWD/target/debian/$1
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
        folder=$(mktemp -d)
        apt-get update -qq >&2
        (cd "$folder" && apt-get -o APT::Sandbox::User=root download -qq "$package") >&2
        dpkg-deb --extract "$folder/$package"_*.deb "$folder/$package"
        mkdir -p target/debian
        # In one step, so that half of it is never taken for the whole.
        mv "$folder/$package" "$fetched"
        rm -rf "$folder"
    fi
    find "$fetched" -type f -name "$program" -perm -u+x -print -quit
}
