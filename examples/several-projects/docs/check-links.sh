# Each link to a file of the repository leads somewhere.
set -eu
sed -n 's/.*](\([^):]*\)).*/\1/p' ./*.md | while read -r link; do
  [ -e "$link" ] || { echo "docs: nothing at $link" >&2 && exit 1; }
done
