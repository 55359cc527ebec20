#!/bin/sh
# The agent of the sample: greets whoever is named.
set -eu
case ${1-} in
  --version) echo 1.0.0 ;;
  *) printf 'agent: hello, %s\n' "${1:-stranger}" ;;
esac
