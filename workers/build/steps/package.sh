# Makes RPMs out of a spec, inside the package container: plain POSIX sh, no network, no root.
# Parsing a spec runs code, so even its name and version are read here and nowhere else.
#
# Reads in/facts: spec (file name), dist and dist_plain (value of %dist on an ordinary commit, and on
# one that is tagged with the spec's version), tag_versions (one per line). Not from the environment,
# which the spec's own commands inherit. Reads in/beside (the spec's own folder) and in/tree (the
# commit); leaves RPMs in out. Ends with 64, 65 or 66 when the image, the spec or its sources cannot be
# used; the reason stands after "tatara: " or "error: ".
set -eu
here=/tatara
. "$here/in/facts"
spec_file=$here/top/SPECS/$spec

main() {
  umask 022
  mkdir -p "$here/top/SPECS" "$here/out" "$here/tmp" "$here/home"
  mv "$here/in/beside" "$here/top/SOURCES"
  mv "$here/top/SOURCES/$spec" "$spec_file"
  check_database
  settle_macros

  read_spec
  case $release in *"$dist"*) ;; *) warn_about_release ;; esac
  if is_tagged "$version" && [ "$dist" != "$dist_plain" ]; then
    dist=$dist_plain
    read_spec
  fi
  provide_sources

  touch_all
  echo "\$ rpmbuild -ba --define 'dist $dist' $spec"
  rpm_with_macros rpmbuild -ba "$spec_file" || exit "$?"
  find "$here/top/RPMS" "$here/top/SRPMS" -type f -name '*.rpm' -exec mv {} "$here/out/" \;
  list_packages
}

# Without the database rpmbuild believes that every BuildRequires is there.
check_database() {
  rpm -q --qf '' rpm > "$here/tmp/database" 2>&1 || true
  grep '^error: ' "$here/tmp/database" > /dev/null || return 0
  cat "$here/tmp/database"
  stop 'the rpm database of the image cannot be read'
}

settle_macros() {
  payload=w9.zstdio
  # rpm packs with zstd since 4.14; to an older one the word would be an error.
  case $(rpm --version) in *' 4.'[0-9].* | *' 4.1'[0-3].*) payload=w9.gzdio ;; esac
}

rpm_with_macros() {
  program=$1
  shift
  "$program" --define "_topdir $here/top" --define "_tmppath $here/tmp" --define "dist $dist" \
    --define "_binary_payload $payload" --define "_source_payload $payload" \
    --define 'use_source_date_epoch_as_buildtime 1' \
    --define 'clamp_mtime_to_source_date_epoch 1' --define '_buildhost reproducible' "$@"
}

# Sets name, version, release and writes the spec with its macros expanded.
read_spec() {
  if ! rpm_with_macros rpmspec -P "$spec_file" > "$here/tmp/expanded" 2> "$here/tmp/said"; then
    cat "$here/tmp/said"
    exit 65
  fi
  name=$(tag_value name)
  version=$(tag_value version)
  release=$(tag_value release)
  [ -n "$name" ] && [ -n "$version" ] || stop "$spec has no Name or no Version"
}

# The first one: those of subpackages follow.
tag_value() {
  sed -n "s/^[[:space:]]*$(any_case "$1")[[:space:]]*:[[:space:]]*\(.*[^[:space:]]\)[[:space:]]*\$/\1/p" \
    "$here/tmp/expanded" | head -n 1
}

any_case() {
  case $1 in
    name) echo '[Nn][Aa][Mm][Ee]' ;;
    version) echo '[Vv][Ee][Rr][Ss][Ii][Oo][Nn]' ;;
    release) echo '[Rr][Ee][Ll][Ee][Aa][Ss][Ee]' ;;
  esac
}

is_tagged() {
  printf '%s\n' "$tag_versions" | grep -Fx -e "$1" > /dev/null
}

warn_about_release() {
  echo "tatara: warning: Release of $spec lacks %{?dist}: the next push will have the same release and be refused"
}

# "0 name-1.0.tar.gz" for each source and patch; the number of a plain "Source:" is the next free one.
list_sources() {
  awk '
    { line = $0; sub(/^[ \t]+/, "", line) }
    tolower(line) ~ /^(source|patch)[0-9]*[ \t]*:/ {
      tag = tolower(line); sub(/[ \t]*:.*/, "", tag)
      kind = tag; sub(/[0-9]+$/, "", kind)
      number = substr(tag, length(kind) + 1)
      if (number == "") number = next_number[kind] + 0
      next_number[kind] = number + 1
      value = line; sub(/^[^:]*:[ \t]*/, "", value); sub(/[ \t]+$/, "", value)
      print kind number, value
    }' "$here/tmp/expanded"
}

provide_sources() {
  list_sources > "$here/tmp/sources"
  while read -r tag value; do
    file=${value##*/}
    file=${file#*#/}
    [ ! -e "$here/top/SOURCES/$file" ] || continue
    if [ "$tag" = source0 ]; then
      make_source "$file"
      continue
    fi
    case $value in
      *://*) echo "tatara: $tag of $spec is an address: $value" ;;
      *) echo "tatara: $tag of $spec is not beside it: $file" ;;
    esac
    exit 66
  done < "$here/tmp/sources"
}

# The commit's files under the name that %setup expects; sorted, without owner, with the commit's time.
make_source() {
  case $1 in
    *.tar) pack=cat ;;
    *.tar.gz | *.tgz) pack='gzip -n' ;;
    *.tar.xz | *.txz) pack='xz -T1' ;;
    *.tar.bz2 | *.tbz2 | *.tbz) pack=bzip2 ;;
    *.tar.zst | *.tzst) pack='zstd -q' ;;
    *) stop "source0 of $spec is not beside it, and $1 is no tar archive that could be made of the commit" ;;
  esac
  mkdir -p "$here/tmp/source"
  mv "$here/in/tree" "$here/tmp/source/$name-$version"
  (cd "$here/tmp/source" && tar --sort=name --format=gnu --owner=0 --group=0 --numeric-owner \
    --mtime="@$SOURCE_DATE_EPOCH" -cf - "$name-$version") | $pack > "$here/top/SOURCES/$1"
  echo "tatara: made $1 of the commit"
}

# A source package's id is part of each binary package, so one changed time there changes them all.
touch_all() {
  find "$here/top/SPECS" "$here/top/SOURCES" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}

list_packages() {
  (cd "$here/out" && for file in *.rpm; do
    [ ! -f "$file" ] || echo "tatara: package $file, $(($(wc -c < "$file"))) bytes"
  done)
}

stop() {
  echo "tatara: $1"
  exit 64
}

main
