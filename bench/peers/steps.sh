#!/bin/sh
# The same command several times, one after the other, as a person would script it.
#   steps.sh run|exec COUNT IMAGE COMMAND
# "run": a new container each time; "exec": all in one container, which is there already.
set -eu
how=$1 count=$2 image=$3 command=$4
if [ "$how" = exec ]; then
  container=$(docker run --detach --rm --init "$image" sleep 600)
  trap 'docker rm --force "$container" > /dev/null' EXIT
fi
while [ "$count" -gt 0 ]; do
  count=$((count - 1))
  case $how in
    run) docker run --rm "$image" sh -eu -c "$command" ;;
    exec) docker exec "$container" sh -eu -c "$command" ;;
  esac
done
