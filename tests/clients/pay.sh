#!/bin/sh
# A shell script's client: curl, a new connection a call, and eyes for the exit code: what is no 2xx
# is a failure.
#
# pay.sh BASE_URL SECONDS [--key KEY] [--expect]: bodies come on the standard input, one a line; for
# each a line of JSON says what the script would believe, and what came.
base=$1
seconds=$2
shift 2
while [ $# -gt 0 ]; do
    case $1 in
    --key) key=$2 && shift ;;
    --expect) expect=yes ;;
    esac
    shift
done

answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
while IFS= read -r body; do
    : >"$answer"
    # Whoever is sent no 100 waits for longer than the whole call may take.
    status=$(printf '%s' "$body" | curl --silent --fail-with-body --max-time "$seconds" \
        --user "$SHOP" --header 'Content-Type: application/json' \
        ${key:+--header "RequestID: $key"} \
        ${expect:+--header 'Expect: 100-continue' --expect100-timeout 3600} \
        --data-binary @- --output "$answer" --write-out '%{http_code}' \
        "$base/transactions/payments")
    case $? in
    0) believed=successful ;;
    22) believed=error ;;
    28) believed=timeout ;;
    *) believed=transport ;;
    esac
    printf '{"believed":"%s","status":%d,"body":"%s"}\n' \
        "$believed" "$status" "$(base64 <"$answer" | tr -d '\n')"
done
