# What the scripts that build osproxy have in common; to be sourced in the project's folder.

. scripts/lib/cargo.sh

osproxy_manifest=examples/osproxy/Cargo.toml

# osproxy's build compiles protobuf files. PROTOC, or a protoc that is installed, is used;
# else one comes from a package of crates.io.
need_protoc() {
    if [ -z "${PROTOC-}" ] && ! command -v protoc >/dev/null; then
        PROTOC=$(cargo run --locked --quiet --manifest-path "$osproxy_manifest" --package protoc)
        export PROTOC
        echo "protoc is not installed; using $PROTOC"
    fi
}
