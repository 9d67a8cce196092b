#!/usr/bin/env bash
# libpq by pgbench: the extended protocol, prepared statements and pipelines.
. "$(dirname "$0")/checks.sh"

# Runs a script of pgbench in this query mode; a statement that fails ends it.
bench() {
    local file
    file=$(mktemp -p "$scratch")
    cat >"$file"
    pgbench -n -f "$file" "$@" 2>&1 || fail "$(pgbench -n -f "$file" "$@" 2>&1 | tail -3)"
}

all_done() {
    contains "$1" "transactions actually processed: $2/$2"
    contains "$1" 'failed transactions: 0'
}

connect() {
    # A connection for each transaction.
    all_done "$(echo 'SELECT 1;' | bench -C -c 5 -t 10)" 50
}

# Divides by zero, and so fails, unless the answer is what this client sent.
checked="\\set me random(1, 1000000000)
SELECT :me::int AS got \\gset
SELECT 1 / (CASE WHEN :got = :me THEN 1 ELSE 0 END);"

prepared() {
    all_done "$(echo "$checked" | bench -M prepared -c 5 -t 50)" 250
    for n in $(seq 250); do echo "SELECT $n + :client_id;"; done >"$scratch/many"
    all_done "$(bench -M prepared -c 2 -t 3 <"$scratch/many")" 6
}

transactions() {
    all_done "$({ echo 'BEGIN;'; echo "$checked"; echo 'END;'; } | bench -M extended -c 5 -t 20)" 100
}

pipeline() {
    all_done "$(printf '\\startpipeline\nBEGIN;\nSELECT 1;\nSELECT 2;\nEND;\n\\endpipeline\n%s\n' "$checked" |
        bench -M prepared -c 5 -t 20)" 100
    # The statement that fails ends the client, and none but it.
    local said
    printf '\\startpipeline\nSELECT 1;\nSELECT 1 / 0;\nSELECT 2;\n\\endpipeline\n' >"$scratch/fails"
    said=$(pgbench -n -f "$scratch/fails" -M extended -t 1 2>&1)
    contains "$said" 'division by zero'
    all_done "$(echo "$checked" | bench -M extended -t 5)" 5
}

large() { absent 'it has no large values'; }

share() {
    pgbench -q -i -s 1 >/dev/null 2>&1 || fail 'pgbench -i'
    local mode
    for mode in simple extended prepared; do
        all_done "$(echo "$checked" | bench -M $mode -c "$CLIENTS" -j 2 -t "$ROUNDS")" $((CLIENTS * ROUNDS))
        all_done "$(pgbench -n -b tpcb-like -M $mode -c "$CLIENTS" -j 2 -t "$ROUNDS" 2>&1)" $((CLIENTS * ROUNDS))
    done
}

echo "version $(pgbench --version | awk '{ print $3 }')"
case "$1" in
connect | prepared | transactions | pipeline | share) "$1" ;;
*) absent 'pgbench has no such thing' ;;
esac
echo pass
