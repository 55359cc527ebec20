# Does with a build's packages what hosts will do: installs them, runs a command, removes them; then
# installs what hosts have now, upgrades it, and the same again. Runs in a clean container of the
# target, as root, with the signatures of packages and metadata checked.
#
# Reads in/facts: nevras and names (of the build's packages), channel (of the build), previous (channels
# to upgrade from; may be empty), command (may be empty). Ends with 70 not installed, 71 not upgraded,
# 72 the command failed, 73 not removed, 74 no package manager, 75 a repository cannot be read.
set -eu
here=/tatara
. "$here/in/facts"

main() {
  manager=$(find_manager) || stop 74 'the image has no dnf, microdnf or yum'
  mkdir -p "$here/empty"
  on_build="--enablerepo=tatara-$channel*"

  title "install $nevras"
  manage $on_build install $nevras || exit 70
  check_installed 70
  try_command
  remove

  if [ -n "$previous" ]; then upgrade; fi
}

upgrade() {
  on_previous=''
  for each in $previous; do on_previous="$on_previous --enablerepo=tatara-$each*"; done
  title "what hosts have: $previous"
  quietly $on_previous repoquery --qf 'tatara-old %{name}\n' $names > "$here/known" || exit 75
  old=$(sed -n 's/^tatara-old \([^ ]*\).*/\1/p' "$here/known" | sort -u)
  if [ -z "$old" ]; then
    echo 'tatara: no earlier version there, so nothing to upgrade'
    return
  fi
  manage $on_previous install $old || stop 71 'what hosts have now cannot be installed'
  rpm -q $old
  title "upgrade to $nevras"
  manage $on_previous $on_build upgrade $old || exit 71
  # What is new in this build comes beside what was upgraded.
  manage $on_previous $on_build install $nevras || exit 71
  check_installed 71
  try_command
  remove
}

find_manager() {
  for each in dnf dnf5 microdnf yum; do
    if command -v "$each"; then return; fi
  done
  return 1
}

manage() {
  echo "\$ ${manager##*/} $*"
  "$manager" --assumeyes --disablerepo='tatara-*' --setopt=install_weak_deps=0 \
    --setopt='tatara-*.skip_if_unavailable=0' "$@"
}

quietly() {
  "$manager" --quiet --assumeyes --disablerepo='*' --setopt='tatara-*.skip_if_unavailable=0' "$@"
}

check_installed() {
  for each in $nevras; do
    rpm -q "$each" || stop "$1" "$each is not installed afterwards: a newer one is in the way"
  done
}

try_command() {
  [ -n "$command" ] || return 0
  title "$command"
  (cd "$here/empty" && sh -eu -c "$command") || {
    code=$?
    stop 72 "\`$command\` exited $code"
  }
}

remove() {
  title 'remove'
  manage remove $names || exit 73
  for each in $names; do
    if rpm -q "$each" > /dev/null 2>&1; then stop 73 "$each is still there after its removal"; fi
  done
}

title() { printf '\ntatara: %s\n' "$*"; }

stop() {
  code=$1
  shift
  echo "tatara: error: $*"
  exit "$code"
}

main
