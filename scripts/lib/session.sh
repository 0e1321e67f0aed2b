# Functions for the scripts that record a terminal session. A script sources this file in the
# project's folder, after scripts/lib/cargo.sh and scripts/lib/node.sh.

# Builds the command and starts a node, for the index with the given name. At the end of the script,
# the node is stopped.
#   begin_session INDEX
begin_session() {
    local variable
    # Variables that the caller has set for other clusters would change the flags of the script.
    for variable in $(compgen -v DIRECTIVES_ || true); do
        unset "$variable"
    done
    work=$(mktemp -d)
    trap 'end_node; rm -rf "$work"' EXIT
    directives=$(executable directives --package opensearch-directives-cli)
    start_node "$work/node" >&2
    export DIRECTIVES_URL=$OPENSEARCH_URL DIRECTIVES_INDEX=$1
    export DIRECTIVES_CONFIG=$work/contexts.yaml NO_COLOR=1 TZ=UTC
    session=$work/session
}

# Records a command and its output. A command may fail, because the sessions show refusals, too.
show() {
    local status=0 argument
    {
        printf '$ directives'
        for argument in "$@"; do
            case $argument in
            *[!A-Za-z0-9_.:/=,%+-]*) printf " '%s'" "$argument" ;;
            *) printf ' %s' "$argument" ;;
            esac
        done
        printf '\n'
        "$directives" "$@" </dev/null 2>&1 || status=$?
        [ "$status" = 0 ] || printf '(exit code %d)\n' "$status"
        printf '\n'
    } >>"$session"
}

# Records a remark.
remark() { printf '# %s\n' "$*" >>"$session"; }

# Prints the session, or writes it into a page, between the markers of a script.
#   end_session --print|"" SCRIPT PAGE
end_session() {
    {
        echo '```console'
        sed "s,$OPENSEARCH_URL,http://127.0.0.1:9200,g" "$session" | sed '$d'
        echo '```'
    } >"$work/page"
    if [ "$1" = --print ]; then
        cat "$work/page"
    else
        scripts/lib/write-tables "$2" "$work/page" "$3"
    fi
}
