# Functions that start a node for a script and stop it with the script. A script sources this file
# in the project's folder.

# Starts a node with its data in a folder, and sets OPENSEARCH_URL. If OPENSEARCH_URL already
# names a cluster, no node is started.
#   start_node FOLDER
start_node() {
    [ -z "${OPENSEARCH_URL-}" ] || return 0
    scripts/opensearch fetch
    # The node stops when its standard input is closed, which happens when this script ends.
    coproc node { exec scripts/opensearch run --private --port 0 --dir "$1" >"$1.log" 2>&1; }
    node_pid=$node_PID
    OPENSEARCH_URL=
    while [ -z "$OPENSEARCH_URL" ]; do
        kill -0 "$node_pid" 2>/dev/null || { cat "$1.log" >&2; return 1; }
        sleep 0.1
        OPENSEARCH_URL=$(sed -n 's/^ready //p' "$1.log")
    done
    export OPENSEARCH_URL
}

# Stops the node, if one was started, and waits until it has ended.
end_node() {
    [ -n "${node_pid-}" ] || return 0
    # If the node has already ended, bash has removed this variable.
    [ -z "${node[1]-}" ] || exec {node[1]}>&-
    wait "$node_pid" || true
}
