#!/bin/sh
set -eu
[ "$(./area 3 4)" = 12 ]
[ "$(./area 3 4 5)" = 6 ]
! ./area three 4 2> /dev/null
! ./area 1 1 3 2> /dev/null
