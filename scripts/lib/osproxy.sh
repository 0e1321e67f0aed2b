# What the scripts that build osproxy have in common; to be sourced in the project's folder.

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

# Builds, and prints where the program is.
#   executable NAME CARGO-ARGUMENTS...
executable() {
    local name=$1
    shift
    cargo build --locked --quiet --message-format=json "$@" |
        python3 -c 'import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("executable") and message["target"]["name"] == sys.argv[1]:
        print(message["executable"])' "$name"
}
