#!/usr/bin/env bash
# libpq by psql: the simple protocol.
. "$(dirname "$0")/checks.sh"

connect() {
    local options='-c statement_timeout=12345 -c search_path=elsewhere'
    same "$(PGAPPNAME=conformance PGOPTIONS=$options script <<'SQL'
SHOW application_name;
SHOW statement_timeout;
SELECT name FROM place;
hold end
SQL
)" $'conformance\n12345ms\nelsewhere'
    same "$(echo 'SELECT name FROM place' | script)" public
}

prepared() {
    {
        echo "PREPARE mine (text) AS SELECT 'one ' || \$1;"
        for n in $(seq 250); do echo "PREPARE p$n (int) AS SELECT \$1 + $n;"; done
        for n in $(seq 250); do echo "EXECUTE p$n (1);"; done
        echo "EXECUTE mine ('again'); DEALLOCATE ALL;"
        echo "hold end"
    } | script >"$scratch/got" 2>&1
    same "$(cat "$scratch/got")" "$(seq 2 251; echo one again)"
}

transactions() {
    same "$(script 2>"$scratch/errors" <<'SQL'
BEGIN; INSERT INTO item (owner, note) VALUES (-1, 'kept'); COMMIT;
BEGIN; INSERT INTO item (owner, note) VALUES (-1, 'lost'); ROLLBACK;
\set ON_ERROR_ROLLBACK on
BEGIN;
INSERT INTO item (owner, note) VALUES (-1, 'and this');
SELECT 1 / 0;
COMMIT;
\set ON_ERROR_ROLLBACK off
BEGIN; SELECT 1 / 0; SELECT 2; ROLLBACK;
SELECT note FROM item WHERE owner = -1 ORDER BY id;
DELETE FROM item WHERE owner = -1;
hold end
SQL
)" $'kept\nand this'
    contains "$(cat "$scratch/errors")" 'division by zero'
    contains "$(cat "$scratch/errors")" 'current transaction is aborted'
}

pipeline() {
    # Several statements in one message are the nearest that psql has.
    local said
    said=$(psql -X -A -t -c "INSERT INTO item (owner, note) VALUES (-3, 'a'); SELECT 1 / 0" 2>&1)
    contains "$said" 'division by zero'
    same "$(printf 'SELECT count(*) FROM item WHERE owner = -3;\nhold end\n' | script)" 0
}

copy() {
    seq 10000 | awk '{ print $1 "\tcopy " $1 }' >"$scratch/rows"
    echo "x	y" >"$scratch/bad"
    script 2>"$scratch/errors" <<SQL
\copy bulk FROM '$scratch/rows'
\copy bulk FROM '$scratch/bad'
\copy (SELECT * FROM bulk ORDER BY id) TO '$scratch/out'
TRUNCATE bulk;
SELECT 'went on' \g $scratch/on
hold end
SQL
    cmp -s "$scratch/rows" "$scratch/out" || fail 'the rows that came back are others'
    contains "$(cat "$scratch/errors")" 'invalid input syntax for type integer'
    same "$(cat "$scratch/on")" 'went on'
}

cancel() {
    script >"$scratch/got" 2>&1 <<'SQL' &
SELECT pg_sleep(30);
SELECT 'went on';
SQL
    local sleeping="SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'
        AND datname = current_database()"
    until [ "$(psql -X -A -t -c "$sleeping")" = 1 ]; do sleep 0.05; done
    pkill -INT -P $! psql
    wait $!
    contains "$(cat "$scratch/got")" 'canceling statement due to user request'
    # The file that it ran ends with the interrupt; another of the same pool goes on.
    same "$(printf "SELECT 'went on';\nhold end\n" | script)" 'went on'
}

large() {
    head -c 10485760 /dev/zero | tr '\0' x >"$scratch/big"
    same "$(script <<SQL
\set big \`cat $scratch/big\`
SELECT length(:'big');
SELECT :'big' \g $scratch/back
hold end
SQL
)" 10485760
    head -c 10485760 "$scratch/back" | cmp -s - "$scratch/big" || fail 'another value came back'
}

set_() {
    same "$(script <<'SQL'
SET search_path TO elsewhere, public; SET TIME ZONE 'Asia/Tokyo';
SET statement_timeout = '54321ms';
BEGIN; SET LOCAL search_path TO public; SELECT name FROM place; COMMIT;
SELECT name FROM place;
\! psql -X -A -t -c 'SELECT name FROM place' -c 'SHOW statement_timeout'
BEGIN; SELECT name FROM place; COMMIT;
SHOW TimeZone;
SHOW statement_timeout;
BEGIN; SET search_path TO public; ROLLBACK;
SELECT name FROM place;
RESET search_path;
SELECT name FROM place;
hold end
SQL
)" $'public\nelsewhere\npublic\n0\nelsewhere\nAsia/Tokyo\n54321ms\nelsewhere\npublic'
}

notify() {
    contains "$(script <<'SQL'
LISTEN news;
hold listening
\! psql -X -q -c "NOTIFY news, 'for you'"
SELECT 1;
UNLISTEN *;
SELECT 'went on';
hold end
SQL
)" 'Asynchronous notification "news" with payload "for you" received'
}

temp() {
    same "$(script <<'SQL'
CREATE TEMP TABLE cart (note text);
INSERT INTO cart VALUES ('a');
\! psql -X -A -t -c "SELECT to_regclass('cart') IS NULL"
INSERT INTO cart VALUES ('b');
SELECT count(*) FROM cart;
hold temp
DROP TABLE cart;
DISCARD ALL;
hold end
SQL
)" $'t\n2'
}

# What psql itself asks, for \d and completion, and transactions.
client() {
    local me=$1 n
    {
        for n in $(seq "$ROUNDS"); do
            echo "\\d item"
            echo "SELECT 'token $me $n';"
            echo "BEGIN; INSERT INTO item (owner, note) VALUES ($me, 'said $me $n'); SAVEPOINT a;"
            echo "SELECT 1 / 0; ROLLBACK TO a; COMMIT;"
            echo "SELECT note FROM item WHERE owner = $me; DELETE FROM item WHERE owner = $me;"
        done
    } | script 2>/dev/null | grep -E '^(token|said) ' >"$scratch/$me"
    for n in $(seq "$ROUNDS"); do printf 'token %s\nsaid %s\n' "$me $n" "$me $n"; done |
        cmp -s - "$scratch/$me"
}

share() {
    local jobs=() me
    for me in $(seq "$CLIENTS"); do client "$me" & jobs+=($!); done
    for me in "${!jobs[@]}"; do wait "${jobs[$me]}" || fail "client $me got other answers"; done
}

echo "version $(psql --version | awk '{ print $3 }')"
case "$1" in
orm) absent 'a program, not an ORM' ;;
set) set_ ;;
*) "$1" ;;
esac
echo pass
