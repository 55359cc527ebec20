#!/bin/sh
# The whole line by hand, as an experienced person would script it: push, archive, image, tests,
# rpmbuild, signature, metadata, signed metadata. Nothing is recorded, checked twice or reported.
#   line.sh WORK_TREE BARE_REPO STATE_DIR IMAGE
set -eu
tree=$1 bare=$2 state=$3 image=$4
export GNUPGHOME="$state/gpg"
key=$(cat "$state/key")

cd "$tree"
git push --quiet "$bare" HEAD:main
sha=$(git rev-parse HEAD)
count=$(git rev-list --count HEAD)
job=$(mktemp -d "$state/job.XXXXXX")
mkdir "$job/tree" "$job/top" "$job/top/SOURCES"
git --git-dir="$bare" archive "$sha" | tar -x -C "$job/tree"
docker build --quiet --tag "$image" "$job/tree" > /dev/null
docker run --rm --volume "$job/tree:/workspace" --workdir /workspace "$image" sh -eu -c 'make check' > "$job/test.log" 2>&1
git --git-dir="$bare" archive --prefix=hello-1.0.0/ --output="$job/top/SOURCES/hello-1.0.0.tar.gz" "$sha"
git --git-dir="$bare" show "$sha:hello.spec" > "$job/top/hello.spec"
docker run --rm --network none --volume "$job/top:/top" "$image" \
  rpmbuild -ba --define '_topdir /top' --define "dist .$count.g$(printf %.7s "$sha").debian12" \
  --define '_binary_payload w9.zstdio' /top/hello.spec > "$job/rpmbuild.log" 2>&1
find "$job/top/RPMS" -name '*.rpm' -exec cp {} "$state/yum/" \;
for rpm in "$job"/top/RPMS/*/*.rpm; do
  rpmsign --addsign --define '__gpg /usr/bin/gpg' --define "_gpg_name $key" \
    "$state/yum/$(basename "$rpm")" > "$job/sign.log" 2>&1 < /dev/null
done
createrepo_c --quiet --update --no-database "$state/yum"
gpg --batch --yes --armor --detach-sign --local-user "$key" --output "$state/yum/repodata/repomd.xml.asc" \
  "$state/yum/repodata/repomd.xml"
rm -rf "$job"
