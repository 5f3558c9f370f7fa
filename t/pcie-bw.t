#!/bin/sh
# pcie-bw: within the host; what it makes of GPUs by t/unit/pcie.c, which plays three; real ones where there are any.
. "${0%/*}/lib.sh"
gpus=$BUILD/t/pcie
ok 'all sizes of the host' sh -c 'pcie-bw --host -t --sizes 4K-64M --samples 3 >all && [ $(grep -c "ok	" all) -eq 8 ]'
is 'frames are whole' '' sh -c 'pcie-bw --host --sizes 1,63,64,65,4097 --samples 3 -j 3 | trace-check'
is 'a size as the reference has it' '536870912 536870912' \
	sh -c "pcie-bw --host --sizes 512M --samples 1 -t | awk 'NR == 2 { print \$8, \$17 / 2 }'"
is 'both bytes read and written, 1e9 and 2^30 a second' '1 1' sh -c "pcie-bw --host --sizes 1M --samples 5 -t |
	awk 'NR == 2 { g = 2 * \$8 / \$12 / 1e3; print (g / \$18 - 1) ^ 2 < 1e-5, (\$18 / \$20 / 1.073741824 - 1) ^ 2 < 1e-5 }'"
is 'so many samples' 7 sh -c "pcie-bw --host --sizes 4K --samples 7 | trace2jsonl | grep -o '\"us\":.*' | tr , '\\n' | grep -c '[0-9]'"
is 'a chase' 'latency chase 1048576 -' sh -c "pcie-bw --host --latency --sizes 1M -t --samples 3 | awk 'NR == 2 { print \$1, \$5, \$8, \$18 }'"
is 'more threads than lines' ok sh -c "pcie-bw --host --sizes 100 --samples 2 -j 8 -t | awk 'NR == 2 { print \$19 }'"
fails 2 'a file' 'pcie-bw --host x' 'x: it reads no files'
fails 2 'a size of 0' 'pcie-bw --host --sizes 0' 'not a list of sizes'
fails 2 'a range backwards' 'pcie-bw --host --sizes 1M-4K' 'not a list of sizes'
fails 2 'an empty size' 'pcie-bw --host --sizes 4K,' 'not a list of sizes'
fails 2 'a chase within a line' 'pcie-bw --host --latency --sizes 64' 'from 128 bytes'
fails 2 'no samples' 'pcie-bw --host --samples 0' 'not a number from 1'
fails 2 'a host has no engines' 'pcie-bw --host --engine kernel' '--host copies pageable memory'
fails 2 'what the memory does not hold' "pcie-bw --host --sizes \$(awk '/MemTotal/ { print int(\$2 / 2) \"K\" }' /proc/meminfo)" \
	'not fit|not a list'
fails 2 'a full disk' 'pcie-bw --host --sizes 4K --samples 1 >/dev/full' 'No space'

# Three GPUs of paper, the last out of reach of the others
gold pcie-bw.links "$gpus --samples 13 --sizes 1M --from g0 --to all -t | sed '/^pcie/d; /^# .*size/d'"
gold pcie-bw.copies "$gpus --samples 13 --sizes 1M,4M-16M --from h,g0 --to g0,g1,g2,g7 --engine both -t | sed '/^link/d; /^# .*pci\t/d'"
gold pcie-bw.latency "$gpus --samples 13 --latency --sizes 64K,1M --to h,g0,g1,g2 -t | sed '/^link/d; /^# .*pci\t/d'"
gold pcie-bw.matrix "$gpus --samples 13 --matrix --sizes 1M,16M -t | sed '/^link/d; /^# .*pci\t/d'"
is 'all sizes, ways and pairs once' '450 450' sh -c "($gpus --samples 1 -t | grep '^pcie' | cut -f1-11 | tee x | wc -l; sort -u x | wc -l) | xargs"
is 'plot-heat draws the pairs' 16 sh -c "$gpus --samples 1 --matrix --direction uni --sizes 1M | plot-heat -t | grep -c '^pcie'"
is 'a matrix of pageable memory' '10' sh -c "$gpus --samples 13 --matrix --memory pageable --direction uni --from h --to g0 --sizes 1M -t | awk 'END { print \$NF }'"
is 'what needs access, or is staged' '100,20' sh -c "$gpus --samples 13 --matrix --direction uni --from g0 --to g1,g2 --sizes 1M -t | awk 'END { print \$NF }'"
is 'only what needs access' '100,nan' sh -c "$gpus --samples 13 --matrix --access on --direction uni --from g0 --to g1,g2 --sizes 1M -t | awk 'END { print \$NF }'"
is '--access off' '20' sh -c "$gpus --samples 13 --matrix --access off --direction uni --from g0 --to g1 --sizes 1M -t | awk 'END { print \$NF }'"
fails 3 'a GPU that is not there' "$gpus --to g7" 'no such GPU: there are 3'
fails 2 'the host alone' "$gpus --from h --to h" 'is what --host measures'
fails 2 'no place' "$gpus --from h,x1" 'not a list of h, g0'
fails 2 'a place of nothing' "$gpus --to g" 'not a list of h, g0'
fails 2 'threads of GPUs' "$gpus -j 4" 'only with --host'
fails 2 'too little memory' "$gpus --from h --to g0 --sizes 12345" 'h to g0, 12345 bytes: so the test wants it'
fails 2 'bytes that did not arrive' "$gpus --from g1 --to g0 --sizes 54321" 'g1 to g0, 54321 bytes: so the test wants it'

pcie-bw --sizes 4K -o none 2>err
if [ $? -eq 3 ]; then
	is 'no GPU: one line' 1 sh -c 'grep -c "^pcie-bw: no GPU: .*; --host measures this machine.s memory\$" err'
	ok 'and no file' test ! -e none
	skip_one 'no GPU'
else
	ok 'all that was copied came' sh -c 'pcie-bw --sizes 4K,1M,64M,100M --engine both --samples 10 -t >real &&
		! grep ^pcie real | cut -f19 | grep -qv "^ok\$"'
	ok 'latency' sh -c 'pcie-bw --latency --sizes 1M --samples 10 -t | grep -q ^latency'
fi
done_testing
