#!/bin/sh
# router-capture --gpu: what the processor says, or why not.
. "${0%/*}/lib.sh"

. "$TOP/t/checkpoint.sh"

mk m
tok '0 0 3 8 1 29 4 4 17 22 9 3' '1 0 5 6 7' >in.trace
fails 2 'streamed, and where to' 'router-capture --stream-weights m <in.trace' 'stream-weights needs --gpu'
fails 2 'no number' 'router-capture --gpu=x m <in.trace' 'gpu=x'
if router-capture --gpu m <in.trace >gpu.trace 2>err; then
	column ids <gpu.trace >gpu
	router-capture m <in.trace | column ids >cpu
	ok 'picks of the processor' cmp gpu cpu
	router-capture --gpu --stream-weights m <in.trace >streamed.trace
	ok 'streamed: the same bits' trace-cmp gpu.trace streamed.trace
else
	is 'no GPU: exit 3' 3 echo $?
	is 'one line that says so' 1 sh -c "grep -c '^router-capture: .*GPU' err"
	is 'and no more' 1 sh -c 'wc -l <err | xargs'
	is 'nothing is written' '' cat gpu.trace
	fails 3 'no file either' 'router-capture --gpu m -o x.trace <in.trace' GPU
	ok 'x.trace is not there' test ! -e x.trace
fi
done_testing
