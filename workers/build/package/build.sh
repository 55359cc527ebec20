# Makes RPMs out of a spec, inside the package container: plain POSIX sh, no network, no root.
# Parsing a spec runs code, so even its name and version are read here and nowhere else.
#
# Reads in/facts, written by spec-inputs.ts. Not from the environment, which the spec's own commands
# inherit. Reads in/beside (the spec's own folder), in/tree (the commit) or in/root (what a package
# without a spec of its own installs); leaves RPMs in out. Ends with 64, 65 or 66 when the image, the
# spec or its sources cannot be used, the reason stands after "tatara: " or "error: "; with 67 when
# out/requirements lists what must be installed first, with 68 when out/addresses lists what must be
# fetched, with 69 when rpmlint said no.
set -eu
here=/tatara
top=$here/top
. "$here/in/facts"

main() {
  umask 022
  mkdir -p "$top/SPECS" "$here/out" "$here/tmp" "$here/home"
  mv "$here/in/beside" "$top/SOURCES"
  mv "$top/SOURCES/$spec" "$top/SPECS/$spec"
  # It takes milliseconds, and nobody needs its answer yet.
  rpm -q --qf '' rpm > "$here/tmp/database" 2>&1 &
  rpm --version > "$here/tmp/version"

  read_spec
  case $release in *"$dist"*) ;; *) warn_about_release ;; esac
  if [ "$dist" != "$dist_plain" ] && is_tagged "$version"; then
    dist=$dist_plain
    read_spec
  fi
  with_macros rpmbuild --nobuild "$build" "$top/SPECS/$spec" > "$here/tmp/wanted" 2>&1 &
  provide_sources
  # A source package's id is part of each binary package, so one changed time there changes them all.
  find "$top/SPECS" "$top/SOURCES" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  wait
  check_database
  check_requirements
  if grep -q '^%generate_buildrequires' "$top/SPECS/$spec"; then compute_requirements; fi

  echo "\$ rpmbuild $build --define 'dist $dist' $spec"
  with_macros rpmbuild "$build" "$top/SPECS/$spec" || exit "$?"
  for file in "$top"/RPMS/*/*.rpm "$top"/SRPMS/*.rpm; do
    [ ! -f "$file" ] || set -- "$@" "$file"
  done
  [ "$#" = 0 ] || mv "$@" "$here/out/"
  [ "$lint" = off ] || [ "$#" = 0 ] || check_packages
}

# Sets name, version, release; leaves the sources and patches in tmp/sources.
read_spec() {
  if ! with_macros rpmspec -P "$top/SPECS/$spec" > "$here/tmp/expanded" 2> "$here/tmp/said"; then
    cat "$here/tmp/said"
    exit 65
  fi
  read_tags > "$here/tmp/tags"
  { read -r name && read -r version && read -r release && cat > "$here/tmp/sources"; } < "$here/tmp/tags"
  [ -n "$name" ] && [ -n "$version" ] || stop "$spec has no Name or no Version"
}

# Name, version and release of the main package, whose lines come first, then "source0 file" for each
# source and patch; the number of a plain "Source:" is the next free one.
read_tags() {
  awk '
    { line = $0; sub(/^[ \t]+/, "", line); sub(/[ \t]+$/, "", line); tag = tolower(line) }
    tag !~ /^(name|version|release|source[0-9]*|patch[0-9]*)[ \t]*:/ { next }
    {
      sub(/[ \t]*:.*/, "", tag)
      value = line; sub(/^[^:]*:[ \t]*/, "", value)
      kind = tag; sub(/[0-9]+$/, "", kind)
    }
    kind == "source" || kind == "patch" {
      number = substr(tag, length(kind) + 1)
      if (number == "") number = following[kind] + 0
      following[kind] = number + 1
      sources = sources kind number + 0 " " value "\n"
      next
    }
    !(tag in first) { first[tag] = value }
    END { printf "%s\n%s\n%s\n%s", first["name"], first["version"], first["release"], sources }
  ' "$here/tmp/expanded"
}

is_tagged() {
  case "
$tag_versions
" in *"
$1
"*) ;; *) return 1 ;; esac
}

warn_about_release() {
  [ "$warns_of_release" = yes ] || return 0
  echo "tatara: warning: Release of $spec lacks %{?dist}: the next push will have the same release and be refused"
}

provide_sources() {
  while read -r tag value; do
    file=${value##*/}
    [ ! -e "$top/SOURCES/$file" ] || continue
    if [ "$tag" = source0 ]; then
      make_source "$file"
      continue
    fi
    case $value in
      *://*)
        if [ "$fetch" = yes ]; then echo "$file $value" >> "$here/out/addresses" && continue; fi
        echo "tatara: $tag of $spec is an address: $value"
        ;;
      *) echo "tatara: $tag of $spec is not beside it: $file" ;;
    esac
    exit 66
  done < "$here/tmp/sources"
  [ ! -e "$here/out/addresses" ] || exit 68
}

# The commit's files under the name that %setup expects, or what the package installs; sorted, without
# owner, with the commit's time.
make_source() {
  case $1 in
    *.tar) pack=cat ;;
    *.tar.gz | *.tgz) pack='gzip -n' ;;
    *.tar.xz | *.txz) pack='xz -T1' ;;
    *.tar.bz2 | *.tbz2 | *.tbz) pack=bzip2 ;;
    *.tar.zst | *.tzst) pack='zstd -q' ;;
    *) stop "source0 of $spec is not beside it, and $1 is no tar archive that could be made of the commit" ;;
  esac
  if [ "$has_root" = yes ]; then
    pack_folder "$here/in/root" . "$1"
    return
  fi
  mkdir -p "$here/tmp/source"
  mv "$here/in/tree" "$here/tmp/source/$name-$version"
  pack_folder "$here/tmp/source" "$name-$version" "$1"
  echo "tatara: made $1 of the commit"
}

pack_folder() {
  tar --sort=name --format=gnu --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
    -C "$1" -cf - "$2" | $pack > "$top/SOURCES/$3"
}

# Without the database rpmbuild believes that every BuildRequires is there.
check_database() {
  while read -r line; do
    case $line in error:*) echo "$line" && stop 'the rpm database of the image cannot be read' ;; esac
  done < "$here/tmp/database"
}

# rpmbuild looks at BuildRequires before it does anything; what is missing, the worker installs.
check_requirements() {
  sed -n '/^error: Failed build dependencies:/,$s/^[[:space:]]\{1,\}\(.*\) is needed by .*/\1/p' \
    "$here/tmp/wanted" | sort -u > "$here/out/requirements"
  if [ -s "$here/out/requirements" ]; then exit 67; fi
  rm "$here/out/requirements"
}

# %generate_buildrequires runs after %prep, until nothing that it names is missing.
compute_requirements() {
  echo "\$ rpmbuild -br $spec"
  { with_macros rpmbuild -br "$top/SPECS/$spec" 2>&1 || echo "$?" > "$here/tmp/code"; } |
    tee "$here/tmp/wanted" | sed 's/^error: Failed build dependencies:$/tatara: the spec computed more build requirements:/'
  [ -s "$here/tmp/code" ] || return 0
  check_requirements
  exit "$(cat "$here/tmp/code")"
}

# Says what rpmlint thinks of the packages; only with "error" it decides.
check_packages() {
  if ! command -v rpmlint > /dev/null; then
    echo 'tatara: warning: rpmlint is not in the builder image, so nobody checked the packages'
    [ "$lint" = warn ] || exit 69
    return 0
  fi
  echo '$ rpmlint'
  if rpmlint --help 2>&1 | grep -q -- --ignore-unused-rpmlintrc; then # 2 and newer
    set -- --ignore-unused-rpmlintrc --config "$here/in/rpmlint.toml"
  fi
  code=0
  rpmlint "$@" "$here"/out/*.rpm > "$here/tmp/lint" 2>&1 || code=$?
  sed "s|^$here/out/||" "$here/tmp/lint"
  errors=$(grep -c '^[^ ]*: E: ' "$here/tmp/lint" || true)
  if [ "$errors" = 0 ]; then
    # Its own trouble is no verdict.
    [ "$code" = 0 ] || echo "tatara: warning: rpmlint ended with $code"
    return 0
  fi
  if [ "$errors" = 1 ]; then found='1 error'; else found="$errors errors"; fi
  [ "$lint" = error ] || { echo "tatara: warning: rpmlint found $found" && return 0; }
  exit 69
}

with_macros() {
  program=$1
  shift
  payload=w9.zstdio
  # rpm packs with zstd since 4.14; to an older one the word would be an error.
  if [ "$program" = rpmbuild ]; then
    read -r version_line < "$here/tmp/version"
    case $version_line in *' 4.'[0-9].* | *' 4.1'[0-3].*) payload=w9.gzdio ;; esac
  fi
  with_own_macros "$program" --define "_topdir $top" --define "_tmppath $here/tmp" --define "dist $dist" \
    --define "_binary_payload $payload" --define "_source_payload $payload" \
    --define 'use_source_date_epoch_as_buildtime 1' --define 'source_date_epoch_from_changelog 0' \
    --define 'clamp_mtime_to_source_date_epoch 1' --define '_buildhost reproducible' "$@"
}

stop() {
  echo "tatara: $1"
  exit 64
}

main
