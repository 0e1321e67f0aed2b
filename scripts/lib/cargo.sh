# To be sourced in the project's folder.

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
