#!/bin/sh
# Runs the program on a folder of its own; one TAP line per test.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/from" "$work/to"
echo iron > "$work/from/sand"
printf 'from=%s\nto=%s\nkeep=2\n' "$work/from" "$work/to" > "$work/conf"
number=0
failures=0

is() {
  number=$((number + 1))
  if [ "$2" = "$3" ]; then echo "ok $number - $1" && return; fi
  failures=$((failures + 1))
  echo "not ok $number - $1"
  echo "# expected \"$2\", got \"$3\""
}

bin/snapshot "$work/conf"
is 'makes an archive' 1 "$(find "$work/to" -name '*.tar.gz' | wc -l)"
is 'with what is in the folder' iron "$(tar -xzOf "$work"/to/*.tar.gz ./sand)"
for _ in 1 2 3; do bin/snapshot "$work/conf"; done
is 'keeps the newest two' 2 "$(find "$work/to" -type f | wc -l)"
echo 'from=/nonexistent' > "$work/bad"
is 'refuses a folder that is not there' 1 "$(bin/snapshot "$work/bad" 2> /dev/null || echo $?)"
echo "1..$number"
[ "$failures" = 0 ]
