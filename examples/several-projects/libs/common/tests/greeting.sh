set -eu
. ./greeting.sh
[ "$(greeting Ann)" = 'Hello, Ann' ]
[ "$(greeting '')" = 'Hello, stranger' ]
