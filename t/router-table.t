#!/bin/sh
# pipelines/router-table and profile-kernels
. "${0%/*}/lib.sh"
command -v gnuplot >/dev/null || skip 'no gnuplot'
router-table --out d --cpu --tokens 64 --d-model 32 --samples 3 >said
is 'a row a strategy' 'naive_topk masked_matmul fused_select sinkhorn fused_router' sh -c "tail -n +2 said | cut -f 1 | xargs"
is 'and the files' 'router.svg router.trace router.tsv timeline.json' sh -c 'ls -A d | xargs'
ok 'the table again' cmp said d/router.tsv
is 'all strategies in the picture' 5 sh -c "grep -o 'naive.topk\|masked.matmul\|fused.select\|fused.router\|>sinkhorn\|sinkhorn' d/router.svg | sort -u | wc -l"
router-table --out e --cpu --tokens 64 --d-model 32 --samples 3 --strategy sinkhorn >said
is 'or one' sinkhorn sh -c 'tail -n +2 said | cut -f 1'
fails 2 'what router-bench refuses' 'router-table --out none --cpu --experts 2 -k 3' 'router-bench'
is 'leaves no folder' '' sh -c 'ls -d none 2>/dev/null'
fails 2 'no folder named' 'router-table --cpu' usage
# The profiler is told names that the kernels have.
cat >ncu <<'E'
#!/bin/sh
printf '%s\n' "$@"
E
chmod +x ncu
PATH=$PWD:$PATH profile-kernels --launches 2 --strategy sinkhorn >said
sed -n 's/^regex:^(\(.*\))\$$/\1/p' said | tr '|' '\n' | sort >names
# shellcheck disable=SC2016
for k in gather index mask product_select select select_index sinkhorn; do
	perl -0ne 'print "$1\n" while /__global__\s+void\s+(?:__launch_bounds__\s*\([^()]*\)\s+)?(\w+)\s*\(/g' "$TOP/kernels/$k.cu"
done | sort >have
is 'every kernel of a router, and no other' '' diff have names
is 'its launches, and router-bench with the options' '2 router-bench sinkhorn' sh -c \
	"awk 'p == \"--launch-count\" { n = \$0 } { p = \$0 } /^router-bench/ { r = \$0 } END { print n, r, \$0 }' said"
PATH=$PWD:$PATH profile-kernels --cpu --strategy sinkhorn --tokens 8 --d-model 8 | sed '1,/^router-bench$/d' >args
ok 'which router-bench takes: one strategy' xargs -d '\n' -a args router-bench
PATH=$PWD:$PATH profile-kernels --cpu --tokens 8 --d-model 8 | sed '1,/^router-bench$/d' >args
ok 'or all' grep -qx -- --all-strategies args
rm ncu
if command -v ncu >/dev/null; then
	skip_one 'there is a profiler'
else
	fails 3 'no profiler' profile-kernels 'no ncu'
fi
done_testing
