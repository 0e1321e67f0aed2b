# A node that lives as long as the script that takes it; to be sourced in the project's folder.

# Sets OPENSEARCH_URL to a node whose data is in a folder, unless it names a cluster already.
#   start_node FOLDER
start_node() {
    [ -z "${OPENSEARCH_URL-}" ] || return 0
    scripts/opensearch fetch
    # It ends when its standard input closes, so with this script at the latest.
    coproc node { exec scripts/opensearch run --private --port 0 --dir "$1" >"$1.said" 2>&1; }
    node_pid=$node_PID
    OPENSEARCH_URL=
    while [ -z "$OPENSEARCH_URL" ]; do
        kill -0 "$node_pid" 2>/dev/null || { cat "$1.said" >&2; return 1; }
        sleep 0.1
        OPENSEARCH_URL=$(sed -n 's/^ready //p' "$1.said")
    done
    export OPENSEARCH_URL
}

# Ends the node, if one was started, and waits until it has ended.
end_node() {
    [ -n "${node_pid-}" ] || return 0
    # Gone if the node has ended already.
    [ -z "${node[1]-}" ] || exec {node[1]}>&-
    wait "$node_pid" || true
}
