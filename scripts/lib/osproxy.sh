# Functions for the scripts that build osproxy. A script sources this file in the project's folder.

. scripts/lib/cargo.sh

osproxy_manifest=examples/osproxy/Cargo.toml

# Sets PROTOC, because osproxy's build compiles protobuf files. If neither PROTOC nor an installed
# protoc exists, a package of crates.io provides one.
need_protoc() {
    if [ -z "${PROTOC-}" ] && ! command -v protoc >/dev/null; then
        PROTOC=$(cargo run --locked --quiet --manifest-path "$osproxy_manifest" --package protoc)
        export PROTOC
        echo "protoc is not installed; using $PROTOC"
    fi
}
