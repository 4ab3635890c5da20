#!/usr/bin/env bash
# `unix-transport proxy` against socat: Redis commands a second, and a stream's bytes a second.
#
#   cargo build --release && benches/proxy.sh [ROUNDS [REQUESTS [MIB]]]
#
# Every relay is alive all the time; in each round each has its turn, so that the machine's drift
# concerns all alike. Medians of all rounds are printed, with the lowest and the highest. "direct" is
# no relay at all. Needs redis-server, redis-tools and socat.
set -euo pipefail
rounds=${1:-5} requests=${2:-100000} mib=${3:-2048}
program=${PROGRAM:-$(dirname "$0")/../target/release/unix-transport}

directory=$(mktemp -d) started=()
finish() {
    kill "${started[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$directory"
}
trap finish EXIT

# The rest of this file ends what it starts, by process id.
start() {
    "$@" >>"$directory/log" 2>&1 &
    started+=($!)
}
# Waits for a socket file, or a port.
listening() {
    local try
    for try in $(seq 500); do
        case $1 in
            */*) [ -S "$1" ] && return ;;
            *) (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return ;;
        esac
        sleep 0.01
    done
    cat "$directory/log" >&2
    echo "nothing listens on $1" >&2
    exit 1
}
free_port() {
    local port
    while :; do
        port=$((RANDOM % 20000 + 20000))
        (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
    done
}

redis=$directory/redis sink=$directory/sink
start redis-server --port 0 --unixsocket "$redis" --save "" --appendonly no --dir "$directory"
start "$program" serve sink "$sink" --backend epoll
listening "$redis"
listening "$sink"

# A relay for each name, service and family; where it listens goes into `at`.
names=(socat socat-b64k epoll uring blocking)
declare -A at=([direct,redis,unix]=$redis [direct,sink,unix]=$sink)
for service in redis sink; do
    target=${!service}
    for name in "${names[@]}"; do
        for family in unix tcp; do
            if [ $family = unix ]; then
                where=$directory/$name-$service from=unix:$where
                listen=UNIX-LISTEN:$where,fork,backlog=1024
            else
                where=$(free_port) from=tcp:127.0.0.1:$where
                listen=TCP-LISTEN:$where,bind=127.0.0.1,fork,reuseaddr,backlog=1024,nodelay
            fi
            case $name in
                socat) start socat "$listen" "UNIX-CONNECT:$target" ;;
                socat-b64k) start socat -b 65536 "$listen" "UNIX-CONNECT:$target" ;;
                *) start "$program" proxy "$from" "$target" --backend "$name" ;;
            esac
            listening "$where"
            at[$name,$service,$family]=$where
        done
    done
done

# Commands a second of one Redis command, with 50 clients.
commands() {
    local where=$1 command=$2 reach
    case $where in
        */*) reach=(-s "$where") ;;
        *) reach=(-h 127.0.0.1 -p "$where") ;;
    esac
    redis-benchmark "${reach[@]}" -c 50 -n "$requests" -t "$command" --csv |
        awk -F, 'NR == 2 { gsub("\"", ""); print int($2) }'
}
# MiB a second of one stream, whose sink answers how many bytes came.
stream() {
    local where=$1 begin end to count
    case $where in
        */*) to=UNIX-CONNECT:$where ;;
        *) to=TCP:127.0.0.1:$where ;;
    esac
    begin=$(date +%s%N)
    count=$(head -c "${mib}M" /dev/zero | socat -b 262144 -t 60 - "$to" | od -An -t u8 | tr -d ' ')
    end=$(date +%s%N)
    [ "$count" = $((mib * 1048576)) ] || { echo "$where lost bytes: $count" >&2; exit 1; }
    echo $((mib * 1000000000 / (end - begin)))
}

for _ in $(seq "$rounds"); do
    for name in direct "${names[@]}"; do
        for family in unix tcp; do
            where=${at[$name,redis,$family]:-}
            [ -n "$where" ] || continue
            for command in get set; do
                echo "$family $command/s $name $(commands "$where" $command)"
            done
            echo "$family MiB/s $name $(stream "${at[$name,sink,$family]}")"
        done
    done
done | sort -k1,3 -k4,4n | awk '
    function show() { if (n) printf "%-5s %-6s %-11s %8d (%d to %d)\n", f, w, s, v[int((n + 1) / 2)], v[1], v[n] }
    { if ($1 != f || $2 != w || $3 != s) { show(); n = 0; f = $1; w = $2; s = $3 } v[++n] = $4 }
    BEGIN { print "from  what   relay         median (lowest to highest)" }
    END { show() }'
