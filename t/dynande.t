#!/bin/sh
# pipelines/dynande-rebuild: the shipped files, byte for byte; only what the
# source's replication cell garbled ("Layer 266") comes out as its true self.
. "${0%/*}/lib.sh"
[ -d "$DATA/flame-moe-290m" ] || skip 'no shipped files here'
find "$DATA/flame-moe-290m" -name '*.pt' | sort >list
while read -r f; do
	rm -rf out
	bad=
	dynande-rebuild --compat "$f" out || bad=' exit'
	for x in out/*; do
		want=$(dirname "$f")/$(basename "$x")
		if [ -f "$want" ]; then
			sed 's/Layer 266/Layer 26/' "$want" | cmp -s - "$x" || bad="$bad $x"
		elif [ -f "$want.zst" ]; then
			zstd -qdc "$want.zst" | cmp -s - "$x" || bad="$bad $x"
		fi
	done
	is "$(basename "$(dirname "$f")"): $(basename "$f" .pt)" '7 files,' echo "$(find out -type f | wc -l) files,$bad"
done <list
f=$(head -n 1 list)
fails 2 'a missing file' 'dynande-rebuild nope.pt out2' 'nope.pt'
ok 'and no folder is left' test ! -e out2
fails 2 'wrong use' 'dynande-rebuild one' usage
done_testing
