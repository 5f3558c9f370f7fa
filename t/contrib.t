#!/bin/sh
# contrib/read.py says what trace-show says, with numpy and without.
. "${0%/*}/lib.sh"
command -v python3 >/dev/null || skip 'no python3'
cat >rows.py <<'E'
import sys
if sys.argv[2] == "plain": sys.modules["numpy"] = None
sys.path.insert(0, sys.argv[1])
import read
for kind, keys, cols in read.read(sys.stdin.buffer):
    if kind != "route": continue
    n, k = int(keys["rows"]), len(cols["ids"]) // int(keys["rows"]) if sys.argv[2] == "plain" else cols["ids"].shape[1]
    flat = list(cols["ids"]) if sys.argv[2] == "plain" else cols["ids"].ravel().tolist()
    for r in range(n): print(",".join(map(str, flat[r * k:r * k + k])))
E
trace-gen --layers 2 --batches 3 --rows 50 --experts 300 -k 4 -o a
for py in python3 /usr/bin/python3; do
	for how in plain numpy; do
		if "$py" -c "$([ $how = plain ] || echo import numpy)" 2>/dev/null; then
			same "$how" "$py rows.py $TOP/contrib $how <a" "trace-filter --drop w a -t | grep -v '^#' | cut -f4"
			fails 1 'and refuses what is cut' "head -c 5000 a | $py rows.py $TOP/contrib $how 2>&1 >/dev/null | tail -n 1 >&2; exit 1" 'cut short'
		fi
	done
done
done_testing
