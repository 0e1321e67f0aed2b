# A function for the scripts that run a program of this project. A script sources this file in the
# project's folder.

# Builds a program, and prints its path.
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
