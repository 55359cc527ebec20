# Downloads the sources that a spec names by address, into out: plain POSIX sh, unprivileged, in a
# container of the builder image that has a network. Reads in/addresses: "file address" per line.
set -eu
here=/tatara
mkdir -p "$here/out"

while read -r file address; do
  case $address in
    http://* | https://*) ;;
    *) echo "tatara: $address cannot be fetched: only http and https can" && exit 66 ;;
  esac
  echo "tatara: fetching $address"
  target=$here/out/$file
  if command -v curl > /dev/null; then curl -fsSL --retry 2 -o "$target" -- "$address"
  elif command -v wget > /dev/null; then wget -q -O "$target" -- "$address"
  elif [ -x /usr/lib/apt/apt-helper ]; then /usr/lib/apt/apt-helper -q download-file "$address" "$target"
  elif command -v python3 > /dev/null; then
    python3 -c 'import sys, urllib.request; urllib.request.urlretrieve(sys.argv[1], sys.argv[2])' "$address" "$target"
  else
    echo 'tatara: the builder image has neither curl nor wget to fetch sources with' && exit 66
  fi || { echo "tatara: $address could not be fetched" && exit 66; }
done < "$here/in/addresses"
