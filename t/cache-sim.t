#!/bin/sh
# cache-sim: by hand, and against plain simulations and the best of all replacements.
. "${0%/*}/lib.sh"
picks() { # EXPERTS PICK...: a layer of these, one a row
	e=$1 && shift
	echo "{\"layer\": 0, \"batch_id\": 0, \"topk_experts\": [$(echo "$*" | sed 's/[0-9][0-9]*/[&]/g; s/ /, /g')]}" |
		jsonl2trace --experts "$e"
}
row() { cache-sim --size "$1" -t "$2" | sed -n 2p | cut -f 4-; } # of one row no number is shown
picks 4 3 3 3 3 >same
is 'one expert, over and over' '4	0.75	0.75	1	0.75' row 1 same
picks 3 0 1 2 0 1 2 0 1 >turns
is 'in turn: the least recently used is the next' '8	0	0	0.75	0.375' row 2 turns
picks 3 0 0 0 1 2 0 1 2 0 >often
is 'the often picked stays under lfu' '9	0.2222222222222222	0.4444444444444444	0.7777777777777778	0.4444444444444444' row 2 often
is 'no cache, and room for all' '9	0	0	0	0 9	0.6666666666666666	0.6666666666666666	1	0.6666666666666666' sh -c "cache-sim --size 0,3 -t often | sed -n 2,3p | cut -f 5- | paste -sd' ' -"
{
	printf '@trace v=1 layers=1 experts=3 topk=2\n'
	printf '@route layer=0 rows=2 cols=ids:u8:2 bytes=4\n\0\377\0\0\n@end frames=1\n'
} >empty
is 'an empty slot is no pick' '3	0.6666666666666666' sh -c 'cache-sim --size 1 -t empty | sed -n 2p | cut -f 4,5'
is 'sizes unasked: no more than there are experts' '1 2' sh -c "cache-sim -t turns | awk '/^cache-sim\t/ { print \$4 }' | paste -sd' ' -"
trace-gen --layers 3 --map 1,3,5 --batches 4 --rows 60 --experts 20 -k 3 --burst 0.5 --zipf 1 -o a
same 'any -j' 'cache-sim a -j 1' 'cache-sim a -j 4'
same '-l' 'cache-sim -t a | grep -P "^cache-sim\t3"' 'cache-sim -l 3 -t a | grep -P "^cache-sim\t"'
is 'all layers together' 'ok' sh -c "cache-sim --size 4 -t a | awk -F'\t' '
	/^cache-sim\t/ { n += \$4; for (i = 5; i < 9; i++) h[i] += \$i * \$4 }
	/-all\t/ { for (i = 5; i < 9; i++) bad += (\$(i - 1) - h[i] / n) ^ 2 > 1e-24; bad += \$3 != n }
	END { print bad ? \"bad\" : \"ok\" }'"
if command -v python3 >/dev/null; then
	cat >want.py <<'E'
import json, subprocess, sys
from functools import lru_cache
def lines(*a):
    return subprocess.run(a, capture_output=True, text=True, check=True).stdout.splitlines()
streams, bad = {}, []
for line in lines('trace2jsonl', sys.argv[1]):
    f = json.loads(line)
    if f['kind'] == 'route':
        streams.setdefault(f['layer'], []).extend(e for row in f['ids'] for e in row)
def lru(s, c):
    held, hits = [], 0
    for e in s:
        hits += e in held
        held = ([e] + [x for x in held if x != e])[:c]
    return hits
def lfu(s, c):
    held, hits, n, used = set(), 0, {}, {}
    for i, e in enumerate(s):
        hits += e in held
        if e not in held and len(held) == c:
            held.remove(min(held, key=lambda x: (n[x], used[x])))
        held.add(e)
        n[e], used[e] = n.get(e, 0) + 1, i
    return hits
def static(s, c):
    return sum(sorted((s.count(e) for e in set(s)), reverse=True)[:c])
def best(s, c): # of all ways to replace
    states = {frozenset(): 0}
    for e in s:
        new = {}
        for held, hits in states.items():
            if e in held: to = [(held, hits + 1)]
            elif len(held) < c: to = [(held | {e}, hits)]
            else: to = [(held - {x} | {e}, hits) for x in held]
            for h, n in to: new[h] = max(n, new.get(h, 0))
        states = new
    return max(states.values())
def belady(s, c):
    if len(s) < 100: return best(s, c)
    held, hits = set(), 0
    for i, e in enumerate(s):
        hits += e in held
        if e not in held and len(held) == c:
            held.remove(max(held, key=lambda x: next((j for j in range(i + 1, len(s)) if s[j] == x), len(s))))
        held.add(e)
    return hits
for line in lines('cache-sim', '--size', sys.argv[2], '-t', sys.argv[1]):
    f = line.split('\t')
    if f[0] != 'cache-sim': continue
    s, c = streams[int(f[1])], int(f[3])
    want = [str(len(s))] + ['%.9f' % (g(s, c) / len(s)) for g in (lru, lfu, static, belady)]
    got = [f[4]] + ['%.9f' % float(x) for x in f[5:]]
    if got != want: bad.append((f[1], c, got, want))
print(bad or 'ok')
E
	is 'a plain simulation says the same' ok python3 want.py a 1,2,5,8,19
	s=1
	while [ $s -le 20 ]; do
		trace-gen --rows 30 --experts 6 -k 2 -s $s -o b
		is "seed $s: belady is the best of all" ok python3 want.py b 1,2,3,4
		s=$((s + 1))
	done
else
	skip_one 'no python3'
fi
fails 2 'more than there are' 'cache-sim --size 21 a' 'size 21: a layer has 20 experts'
fails 2 'layers that are not there' 'cache-sim -l 2 a' 'no records for layer 2 '
fails 2 'results only' 'expert-load a | cache-sim' 'only @count frames'
fails 2 'cut short' 'head -c 700 a | cache-sim' 'cut off|ends'
fails 2 'a full disk' 'cache-sim a >/dev/full'
done_testing
