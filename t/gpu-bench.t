#!/bin/sh
# t/bench/gpu: its table of measured lines, all of it with small sizes, no GPU.
. "${0%/*}/lib.sh"
gpu=$TOP/t/bench/gpu
command -v python3 >/dev/null || skip 'no python3'
for f in "$TOP"/t/bench/*.py; do
	python3 -c 'import sys; compile(open(sys.argv[1]).read(), sys.argv[1], "exec")' "$f" || echo "$f"
done >bad 2>&1
is 'programs in Python compile' '' cat bad

# ROW WHO us CHECK [pct]: a measured line
line() { printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$3" "$3" "${5:--}" "$4"; }
field() { # ROW COLUMN: of the table of rows
	"$gpu" --rows rows | awk -F'\t' -v row="$1" -v c="$2" '
		$1 == "row" { for (i = 1; i <= NF; i++) at[$i] = i } $1 == row && c in at { print $at[c] }'
}
big='select T 1048576 E 64 k 2 f16' mid='select T 16384 E 64 k 2 f16' sink='sinkhorn T 16384 E 256 k 8 bf16'
fused='router T 16384 d 7168 E 256 k 8 bf16' cell='sweep T 4096 E 64 k 2 bf16' gather='gather T 4096 d 7168 E 256 k 8 bf16'
{
	echo '# card A'
	line "$big" ours 40 ok 75
	line "$big" triton 50 'ok ROWS=4'
	line "$big" eager 45 ok
	line "$mid" ours 4 ok 20
	line "$mid" eager 32 ok
	line "$mid" triton 2 ok
	line "$sink" ours 50 ok
	line "$sink" eager 740 ok
	line "$fused" ours 106 ok
	line "$fused" library 110 ok
	line "$fused" library 101 ok
	line "$cell" ours 2 ok
	line "$cell" triton 3 ok
	line "$gather" ours 100 '3 rows differ'
	line 'index T 4096 E 256 k 8 bf16' ours 8.5 ok
	line 'gather T 4096 d 4096 E 64 k 2 f16' ours 30 ok
	line 'gather T 4096 d 4096 E 64 k 2 f16' compile 25 'differ: 7 rows'
	printf '%s\n' "select T 16384 E 128 k 8 bf16	ours	2	2	2	9	ok" \
		"select T 16384 E 128 k 8 bf16	eager	absent	absent	absent	-	absent: no memory"
} >rows
is 'the head comes first' '# card A' sh -c "'$gpu' --rows rows | head -n 1"
while IFS='|' read -r row col want; do
	is "$row: $col is $want" "$want" field "$row" "$col"
done <<!
$big|verdict|pass
$big|reach|pct>=75
$big|against|eager
$big|ratio|1.12
$big|triton_us|50
$big|compile_us|absent
$mid|verdict|pass
$mid|against|eager
$mid|ratio|8
$sink|verdict|short
$sink|ratio|14.8
$fused|verdict|pass
$fused|library_us|101
$cell|verdict|pass
$cell|ratio|1.5
sweep T 4096 E 64 k 6 bf16|verdict|absent
$gather|verdict|wrong
$gather|us|wrong
index T 4096 E 256 k 8 bf16|verdict|short
gather T 4096 d 4096 E 64 k 2 f16|compile_us|wrong
gather T 4096 d 4096 E 64 k 2 f16|against|-
select T 16384 E 128 k 8 bf16|verdict|absent
select T 16384 E 128 k 8 bf16|ratio|-
h2d 268435456 bytes, pinned|verdict|absent
sweep, geometric mean of 1 of 27|ratio|1.5
sweep, geometric mean of 1 of 27|verdict|absent
!
is 'every row has as many columns' 13 sh -c "'$gpu' --rows rows | grep -v '^#' | awk -F'\t' '{ print NF }' | sort -u"
is 'why a peer is absent or wrong' "# gather T 4096 d 4096 E 64 k 2 f16, compile: differ: 7 rows
# select T 16384 E 128 k 8 bf16, eager: absent: no memory" sh -c "'$gpu' --rows rows | grep -E '^# .*(compile|eager)'"
for t in 4096 16384 65536; do
	for e in 64 128 256; do
		for k in 2 6 8; do
			line "sweep T $t E $e k $k bf16" ours 2 ok
			line "sweep T $t E $e k $k bf16" triton $((k == 2 ? 4 : 2)) ok
		done
	done
done >rows
is 'a third twice as fast' 1.26 field 'sweep, geometric mean of 27 of 27' ratio
is 'is too little' short field 'sweep, geometric mean of 27 of 27' verdict

# All of it: a router's stages, the copies, the layer, of the tools that are there; no torch.
mkdir bin
printf '#!/bin/sh\nexec %s -S "$@"\n' "$(command -v python3)" >bin/python3
chmod +x bin/python3
PATH=$tmp/bin:$PATH B=$BUILD OUT=$tmp/out "$gpu" --try >table 2>err
is 'all of it with small sizes' 0 echo $?
is 'ours is measured in all rows' '' sh -c "grep -v '^#' table | awk -F'\t' '!/^(row|sweep,)/ && \$3 !~ /^[0-9.]+\$/'"
is 'torch is absent' '# torch absent absent' sh -c "{ grep '^# torch' table; awk -F'\t' '/^select/ { print \$7 }' table | sort -u; } | xargs"
is 'nothing on stderr' '' cat err
is 'files of it' 'log.txt rows.tsv' sh -c "ls out | grep -v none.tsv | xargs"

PATH=$tmp/bin:$PATH B=$BUILD LIMIT=0 "$gpu" --try >table
is 'of no time nothing is measured' absent sh -c "grep -v '^#' table | awk -F'\t' 'NR > 1 && !/^sweep,/ { print \$3 }' | sort -u"
# Checkpoints
PATH=$tmp/bin:$PATH B=$BUILD OUT=$tmp/models "$gpu" --capture --try >table 2>err
is 'checkpoints with small sizes' 0 echo $?
is 'two rows, both measured' 'deepseek_v2 qwen3_moe' sh -c "awk -F'\t' '/^capture/ && \$3 > 0 { split(\$1, a, \" \"); print a[2] }' table | xargs"
is 'how many layers' '# deepseek_v2: 2 of 27 layers # qwen3_moe: 2 of 48 layers' sh -c "grep layers table | xargs"
is 'nothing of that on stderr' '' cat err
is 'twice as fast' pass sh -c "{ printf 'capture qwen3_moe 8 x 512 bf16\tours\t5\t5\t5\t-\tok\n'
	printf 'capture qwen3_moe 8 x 512 bf16\teager\t10\t9\t11\t-\tok\n'; } >rows; '$gpu' --capture --rows rows | awk -F'\t' '/^capture qwen/ { print \$NF }'"
is 'what 60 GB of disk hold' '27 27 47 48' sh -c "for f in deepseek_v2 qwen3_moe; do python3 '$TOP/t/bench/gpu_capture.py' layers \$f 60000000000; done | xargs"
# Peers, where they are, by Triton's interpreter and torch on the processor
if python3 -c 'import torch, triton' 2>/dev/null; then
	printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' a select 33 - 256 8 bf16 b select 17 - 64 6 f16 c index 16 - 64 4 bf16 \
		d gather 8 192 64 2 bf16 e router 20 128 64 2 f16 f sinkhorn 40 - 64 4 bf16 >list
	for p in torch triton; do
		TRITON_INTERPRET=1 python3 -W ignore "$TOP/t/bench/gpu_peers.py" $p none cpu <list | cut -f 1,2,7 | sed 's/ok .*/ok/; s/ties: .*/ok/'
	done >said 2>err
	is 'peers are right' 'a eager ok b eager ok c eager ok d eager ok e eager ok e library ok f eager ok a triton ok b triton ok c triton ok d triton ok e triton ok f triton ok' xargs <said
else
	skip_one 'no torch with Triton'
fi

fails 2 'no such option' "'$gpu' --best" usage
fails 2 'no such file' "'$gpu' --rows nothing" 'usage|nothing'
if router-bench --tokens 8 --d-model 8 >/dev/null 2>&1; then
	skip_one 'there is a GPU'
else
	fails 3 'no GPU' "B=$BUILD OUT=$tmp/none '$gpu'" 'gpu: no GPU: '
	ok 'and nothing is written' test ! -e "$tmp/none"
fi
done_testing
