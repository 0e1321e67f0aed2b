# Functions for the scripts that need an etcd. A script sources this file in the project's folder.

. scripts/lib/debian.sh

# Starts etcd with its data in the folder, and sets ETCD_URL. The caller ends it with `end_etcd`. The
# variable ETCD can name the program, which otherwise comes from Debian's package etcd-server.
start_etcd() {
    local folder=$1 peers
    etcd=$(debian_program etcd-server etcd ETCD)
    ETCD_URL=http://127.0.0.1:$(free_port)
    peers=http://127.0.0.1:$(free_port)
    export ETCD_URL
    "$etcd" --data-dir "$folder/data" --initial-cluster "default=$peers" \
        --listen-client-urls "$ETCD_URL" --advertise-client-urls "$ETCD_URL" \
        --listen-peer-urls "$peers" --initial-advertise-peer-urls "$peers" \
        >"$folder/log" 2>&1 &
    etcd_process=$!
    for _ in $(seq 100); do
        if curl -fsS "$ETCD_URL/health" >/dev/null 2>&1; then return; fi
        sleep 0.1
    done
    echo "etcd does not start:" >&2
    cat "$folder/log" >&2
    return 1
}

end_etcd() {
    [ -z "${etcd_process-}" ] || kill "$etcd_process" 2>/dev/null || true
    wait "${etcd_process-}" 2>/dev/null || true
}

free_port() { python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
