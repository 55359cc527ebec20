# Installs what a spec's BuildRequires ask for, with the image's own package manager: plain POSIX sh, as
# root, in a container of the builder image that becomes a layer.
#
# Reads in/requirements (one per line, in rpm's syntax) and in/repos (a folder of .repo files). What a
# distribution does not have is left out at first. Ends with 70 when the package manager said no, 71 when
# the package sources did not answer, 72 when there is no package manager, 73 when requirements are still
# missing, which out/missing lists.
set -eu
here=/tatara/in
names=/usr/lib/tatara/names

main() {
  export LC_ALL=C DEBIAN_FRONTEND=noninteractive HOME=/root TMPDIR=/tmp
  for file in "$here"/repos/*.repo; do
    [ ! -f "$file" ] || { mkdir -p /etc/yum.repos.d && cp "$file" /etc/yum.repos.d/; }
  done
  # Where Debian's packages stand in rpm's database too, they come from Debian.
  if command -v apt-get > /dev/null && [ -x /usr/lib/tatara/shim ]; then
    with_apt
    [ ! -f "$here/repos/.some" ] || with_dnf_what_is_missing
  elif command -v dnf > /dev/null; then with_dnf dnf "$here/requirements"
  elif command -v dnf5 > /dev/null; then with_dnf dnf5 "$here/requirements"
  elif command -v microdnf > /dev/null; then with_names microdnf
  elif command -v yum > /dev/null; then with_dnf yum "$here/requirements"
  elif command -v zypper > /dev/null; then with_zypper
  else
    echo 'tatara: the builder image has no package manager that could install build requirements'
    exit 72
  fi
  check_all
}

# Asks rpmbuild itself, with a spec that has nothing but the requirements.
check_all() {
  write_spec > /tmp/requirements.spec
  rpmbuild --define '_topdir /tmp/top' --nobuild -ba /tmp/requirements.spec > /tmp/said 2>&1 || true
  mkdir -p /tatara/out
  sed -n 's/^[[:space:]]\{1,\}\(.*\) is needed by .*/\1/p' /tmp/said | sort -u > /tatara/out/missing
  rm -rf /tmp/requirements.spec /tmp/top /tmp/said
  [ ! -s /tatara/out/missing ] || exit 73
  rm -rf /tatara
}

write_spec() {
  printf '%s\n' 'Name: requirements' 'Version: 1' 'Release: 1' 'Summary: x' 'License: x'
  sed 's/^/BuildRequires: /' "$here/requirements"
  printf '%s\n' '%description' x '%files'
}

with_apt() {
  echo '$ apt-get update'
  apt-get update -qq -o APT::Update::Error-Mode=any || exit 71
  wanted=''
  while IFS= read -r requirement; do
    found=$(debian_packages "$requirement")
    if [ -n "$found" ]; then wanted="$wanted $found"
    else echo "tatara: Debian has no package known for $requirement"; fi
  done < "$here/requirements"
  [ -n "$wanted" ] || return 0
  echo "\$ apt-get install$wanted"
  # shellcheck disable=SC2086
  apt-get install -y -qq --no-install-recommends $wanted || exit 70
  rm -rf /var/lib/apt/lists/*
}

# The Debian packages for one requirement: of "(a or b)" the first that exists, of other rich ones all.
debian_packages() {
  case $1 in
    '('*' or '*) first=yes ;;
    *) first='' ;;
  esac
  echo "$1" | sed -e 's/[<>=]\{1,2\} *[^ )]*//g' -e 's/ \(if\|unless\|with\|without\) .*//' -e 's/^(\(.*\))$/\1/' |
    awk '{ for (i = 1; i <= NF; i++) if ($i !~ /^(and|or)$/) print $i }' |
    while IFS= read -r name; do
      found=$(debian_package "$name")
      [ -n "$found" ] || continue
      printf '%s ' "$found"
      [ -z "$first" ] || break
    done
}

# Names that follow a rule need no entry in the table.
debian_package() {
  [ ! -r "$names" ] || set -- "$1" "$(awk -v wanted="$1" '$1 == wanted { print $2; exit }' "$names")"
  low=$(echo "$1" | tr 'A-Z:' 'a-z-' | sed 's/--*/-/g')
  inner=$(echo "$low" | sed -n 's/^[a-z0-9-]*(\(.*\))$/\1/p')
  case $low in
    pkgconfig\(*) set -- "${2-}" "lib$inner-dev" "$inner-dev" "lib${inner#lib}-dev" ;;
    python3dist\(* | python3.*dist\(*) set -- "${2-}" "python3-$inner" ;;
    perl\(*) set -- "${2-}" "lib$inner-perl" ;;
    cmake\(*) set -- "${2-}" "lib$inner-dev" "${inner}-dev" ;;
    /*) set -- "${2-}" "${low##*/}" ;;
    *-devel) set -- "${2-}" "${low%-devel}-dev" "lib${low%-devel}-dev" "${low%el}" ;;
    perl-*) set -- "${2-}" "$low" "lib${low#perl-}-perl" ;;
    *) set -- "${2-}" "$low" ;;
  esac
  for candidate; do
    case $candidate in '' | *[!a-z0-9.+-]*) continue ;; esac
    if apt-cache show --no-all-versions "$candidate" > /dev/null 2>&1; then echo "$candidate" && return; fi
  done
}

with_dnf_what_is_missing() {
  while IFS= read -r requirement; do
    rpm -q --whatprovides "${requirement%% *}" > /dev/null 2>&1 || echo "$requirement"
  done < "$here/requirements" > /tmp/missing
  [ ! -s /tmp/missing ] || with_dnf dnf /tmp/missing
}

# dnf reads rich requirements only from a spec; without its plugin it takes the plain ones.
with_dnf() {
  manager=$1 list=$2
  set -- -y --setopt=install_weak_deps=0 --setopt=tsflags=nodocs
  if "$manager" builddep --help > /dev/null 2>&1; then
    write_spec > /tmp/requirements.spec
    echo "\$ $manager builddep"
    # What it cannot find it names, and installs nothing.
    "$manager" "$@" builddep /tmp/requirements.spec || exit 70
    return 0
  fi
  set -- "$@" --setopt=strict=0 install
  while IFS= read -r requirement; do set -- "$@" "$requirement"; done < "$list"
  echo "\$ $manager install"
  "$manager" "$@" || true
}

with_names() {
  manager=$1
  set -- install -y
  while IFS= read -r requirement; do set -- "$@" "${requirement%% *}"; done < "$here/requirements"
  echo "\$ $manager $*"
  "$manager" "$@" || exit 70
}

with_zypper() {
  set -- --non-interactive install --no-recommends --capability
  while IFS= read -r requirement; do set -- "$@" "$requirement"; done < "$here/requirements"
  echo "\$ zypper install"
  zypper "$@" || exit 70
}

main
