#!/bin/sh
# pipelines/ep-table
. "${0%/*}/lib.sh"
command -v gnuplot >/dev/null || skip 'no gnuplot'
small='--cpu --tokens 64 --d-model 32 --experts 8 --samples 3'
ep-table --out d $small --ranks 4 >said
is 'a row a strategy' 'naive_topk fused_select sinkhorn' sh -c "tail -n +2 said | cut -f 1 | xargs"
is 'and the files' 'ep.svg ep.trace ep.tsv' sh -c 'ls -A d | xargs'
ok 'the table again' cmp said d/ep.tsv
is 'all strategies in the picture' 3 sh -c "grep -o 'naive.topk\|fused.select\|sinkhorn' d/ep.svg | sort -u | wc -l"
is 'and the phases of each' 6 sh -c "grep -o '\(route\|meta\|comm\|comp\|return\|combine\)_us' d/ep.svg | sort -u | wc -l"
ep-table --out e $small --strategy sinkhorn >said
is 'or one' sinkhorn sh -c 'tail -n +2 said | cut -f 1'
fails 2 'what ep-bench refuses' "ep-table --out none $small --ranks 3" '8 experts cannot be shared'
is 'leaves no folder' '' sh -c 'ls -d none 2>/dev/null'
cp d/ep.tsv was
fails 2 'nor touches one' "ep-table --out d $small -k 9" 'picks'
is 'that was there' 'ep.svg ep.trace ep.tsv' sh -c 'cmp was d/ep.tsv && ls -A d | xargs'
fails 2 'an option that would leave no table' "ep-table --out none $small -t" 'not here'
fails 2 'no folder named' 'ep-table --cpu' usage
done_testing
