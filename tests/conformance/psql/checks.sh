# What the two programs share. `hold` lets the matrix look at the console while psql is connected.
set -u
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
exec 3>&1

# Runs psql on the script in standard input; its rows, unadorned, are what it prints.
script() {
    local file
    file=$(mktemp -p "$scratch")
    sed "s#^hold \(.*\)#\\\\! echo 'hold \1' >\&3; read -r _#" >"$file"
    psql -X -q -A -t -F ' ' "$@" -f "$file" 0<&4
}
exec 4<&0

same() {
    [ "$1" = "$2" ] || fail "expected ${2:0:200}, got ${1:0:200}"
}

contains() {
    case "$1" in *"$2"*) ;; *) fail "no \"$2\" in ${1:0:300}" ;; esac
}

fail() {
    echo "fail $(echo "$1" | tr '\n' '|')" >&3
    exit 1
}

absent() {
    echo "n/a $1"
    exit 0
}
