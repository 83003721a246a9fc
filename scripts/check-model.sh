#!/usr/bin/env bash
# Checks the model of the commit protocol (test/model/commit.pml) exhaustively with spin, and that each
# broken variant of it is caught. One line a configuration; exits 1 if any came out other than expected.
#
#   scripts/check-model.sh               the configurations below
#   scripts/check-model.sh --deep        the large ones instead (minutes, up to 3.6 GB)
#   scripts/check-model.sh --trace NAME  the shortest run that breaks the promise, step by step
set -euo pipefail

# name | what must come out: `holds`, or the promise found broken | least states | macros
# The least number of states is a guard: a model that lost half of its steps holds everything too.
configurations='
folder                                 | holds              |  900000 | CRASHES=1 LATE=1
folder-two-late-requests               | holds              | 1000000 | CRASHES=2 LATE=2 IDS=2
folder-power-cut                       | holds              |  180000 | CRASHES=1 LATE=1 IDS=2 POWERCUTS=1
folder-three-writers                   | holds              | 1500000 | CRASHES=1 LATE=1 IDS=2 WRITERS=3
s3                                     | holds              |  700000 | CRASHES=1 LATE=1 VERSIONED
s3-delete-marker-and-junk              | holds              |  600000 | CRASHES=1 LATE=1 IDS=2 VERSIONED MARKERS=1 JUNK=1
s3-condition-ignored-but-confirmed     | holds              |  100000 | CRASHES=2 LATE=1 IDS=2 VERSIONED NO_CONDITION ARRIVAL_ORDER
single-writer-condition-ignored        | holds              |    6000 | CRASHES=2 LATE=2 WRITERS=1 VERSIONED NO_CONDITION WAIT_OUT
s3-second-bucket                       | holds              | 1000000 | CRASHES=0 LATE=1 IDS=2 VERSIONED MARKERS=1 SECOND=1
s3-second-bucket-marker-and-junk       | holds              | 1000000 | CRASHES=1 LATE=1 IDS=2 WRITERS=1 VERSIONED MARKERS=1 JUNK=1 SECOND=1
changed-content-under-a-real-condition | holds              |   30000 | CRASHES=1 LATE=1 IDS=2 BREAK_CHANGE_CONTENT_WHILE_UNSETTLED
BREAK_ACK_BEFORE_DURABLE               | an_ack_stays_true  |       1 | CRASHES=1 LATE=1 IDS=2 VERSIONED
BREAK_ANSWER_FROM_VISIBLE              | an_ack_stays_true  |       1 | CRASHES=1 LATE=1 IDS=2 POWERCUTS=1
BREAK_CHANGE_CONTENT_WHILE_UNSETTLED   | no_fork            |       1 | CRASHES=0 LATE=1 IDS=2 WRITERS=1 VERSIONED NO_CONDITION WAIT_OUT
BREAK_COPY_FROM_MEMORY                 | the_copy_is_the_log |      1 | CRASHES=0 LATE=1 IDS=2 VERSIONED SECOND=1
BREAK_EXISTS_MEANS_COPIED              | replicated_is_there |      1 | CRASHES=0 LATE=1 IDS=2 WRITERS=1 VERSIONED JUNK=1 SECOND=1
BREAK_EXISTS_MEANS_MINE                | no_fork            |       1 | CRASHES=1 LATE=1 IDS=2 VERSIONED
BREAK_MOVE_ON_WHILE_UNSETTLED          | no_hole            |       1 | CRASHES=0 LATE=1 IDS=2 VERSIONED
BREAK_NO_DEDUPE_ON_ADOPT               | no_id_twice        |       1 | CRASHES=1 LATE=1 IDS=2 VERSIONED
BREAK_RESTART_TOO_SOON                 | no_fork            |       1 | CRASHES=1 LATE=1 IDS=2 WRITERS=1 VERSIONED NO_CONDITION
BREAK_SKIP_ADOPT                       | every_link_matches |       1 | CRASHES=0 LATE=1 IDS=2 VERSIONED
BREAK_START_WITHOUT_IDS                | no_id_twice        |       1 | CRASHES=1 LATE=1 IDS=2 VERSIONED
BREAK_TRUST_CREATED                    | no_fork            |       1 | CRASHES=0 LATE=1 IDS=2 VERSIONED MARKERS=1
BREAK_UNCONDITIONAL_PUT                | no_fork            |       1 | CRASHES=0 LATE=1 IDS=2 VERSIONED
REACH_EVERY_ID_ACKNOWLEDGED            | never_reached      |       1 | CRASHES=1 LATE=1 IDS=2 VERSIONED
REACH_LATE_REQUEST_OF_AN_EARLIER_LIFE  | never_reached      |       1 | CRASHES=1 LATE=1 IDS=2 VERSIONED
'
deep_configurations='
deep-folder-two-crashes                | holds              |  6000000 | CRASHES=2 LATE=1
deep-folder-two-late-requests          | holds              |  7000000 | CRASHES=1 LATE=2
deep-folder-power-cut                  | holds              |  9000000 | CRASHES=1 LATE=1 POWERCUTS=1
deep-folder-every-order                | holds              |  4500000 | CRASHES=1 LATE=1 EVERY_ORDER
deep-s3-two-late-requests              | holds              |  4000000 | CRASHES=1 LATE=2 IDS=2 VERSIONED MARKERS=1 JUNK=1
deep-s3-two-markers-and-two-junk       | holds              |  4000000 | CRASHES=1 LATE=1 IDS=2 VERSIONED MARKERS=2 JUNK=2
deep-s3-three-writers-delete-marker    | holds              |  4000000 | CRASHES=1 LATE=1 IDS=2 WRITERS=3 VERSIONED MARKERS=1
deep-s3-delete-marker-and-junk         | holds              | 25000000 | CRASHES=1 LATE=1 VERSIONED MARKERS=1 JUNK=1
'

at_once=2 megabytes=1800 trace=''
case "${1-}" in
  '') ;;
  --deep) configurations=$deep_configurations at_once=1 megabytes=3600 ;;
  --trace) trace=${2:?--trace needs the name of a configuration} ;;
  *) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

for tool in spin gcc; do
  command -v "$tool" >/dev/null || { echo "check-model: $tool is not installed (Debian: apt-get install spin gcc)" >&2; exit 1; }
done

model=$(cd "$(dirname "$0")/.." && pwd)/test/model/commit.pml
work=$(mktemp -d)
set -m # each job in a group of its own, so that a search does not outlive an interrupted check
trap 'for job in $(jobs -p); do kill -- "-$job" 2>/dev/null || true; done; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# check NAME EXPECTED LEAST MACROS...: one line on stdout; fails if the outcome is another one.
check() {
  local name=$1 expected=$2 least=$3 macros=() macro states='?' outcome='no result' verdict=FAILED
  shift 3
  for macro in "$@"; do macros+=("-D$macro"); done
  case $name in BREAK_* | REACH_*) macros+=("-D$name") ;; esac

  mkdir "$work/$name"
  cd "$work/$name"
  cp "$model" .
  # A broken variant: few states, and the search goes on (-i) to the shortest run that breaks a promise.
  local compile=(-O1) search=()
  if [ "$expected" != holds ]; then compile=(-O0 -DREACH) search=(-i); fi
  spin -a "${macros[@]}" commit.pml >generated 2>&1 &&
    nice gcc -w -DSAFETY "-DMEMLIM=$megabytes" "${compile[@]}" -o pan pan.c >compiled 2>&1 &&
    { nice ./pan -m100000 -w24 -n "${search[@]}" >searched 2>&1 || true; }

  if [ -f searched ]; then
    states=$(awk '/states, stored/ { print $1 }' searched)
    if grep -q 'assertion violated' searched; then
      outcome=$(awk '/assertion violated/ { promise = $4 } END { print promise }' searched)
    elif grep -q 'Search not completed\|search depth too small\|out of memory\|Bit statespace' searched; then
      outcome='the search was cut short'
    elif grep -q '^Full statespace search' searched && grep -q 'errors: 0$' searched; then
      outcome=holds
    fi
  fi
  if [ "$outcome" = "$expected" ] && [ "${states:-0}" -ge "$least" ]; then verdict=ok; fi
  printf '%-6s  %-38s  %8s states  %s\n' "$verdict" "$name" "$states" "$outcome"
  if [ "$verdict" = ok ]; then
    touch "$work/$name.ok"
  else
    echo "check-model: $name: expected \"$expected\" with at least $least states" >&2
    grep -h -i 'error\|violated\|^pan:' generated compiled searched >&2 || true
  fi
  if [ -n "$trace" ] && [ -f commit.pml.trail ]; then
    spin -t "${macros[@]}" commit.pml | sed '/^#processes/,$d' >&2
  fi
}

started=0
while IFS='|' read -r name expected least macros; do
  name=${name// /}
  if [ -z "$name" ] || { [ -n "$trace" ] && [ "$trace" != "$name" ]; }; then continue; fi
  if [ "$(jobs -rp | wc -l)" -ge "$at_once" ]; then wait -n || true; fi
  # shellcheck disable=SC2086 # the columns are padded words
  check $name $expected $least $macros &
  started=$((started + 1))
done <<<"$configurations"
wait

as_expected=$(find "$work" -maxdepth 1 -name '*.ok' | wc -l)
echo "check-model: $as_expected of $started configurations as expected"
[ "$started" -gt 0 ] && [ "$as_expected" -eq "$started" ]
