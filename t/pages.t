#!/bin/sh
# The programs on moetrace(5) and moetrace(3) are what they say they are, and
# libmoetrace.so exports what moetrace.h declares and nothing else.
. "${0%/*}/lib.sh"
command -v "${CC:-cc}" >/dev/null || skip 'no C compiler'
program() { # PAGE N: the N-th literal block of it
	awk -v want="$2" '/^\.Bd -lit/ { n++; if (n == want) { inside = 1; next } } /^\.Ed/ { inside = 0 } inside' "$TOP/man/$1" |
		sed 's/\\e/\\/g; s/^\\&//'
}
program moetrace.5 2 >below.c
ok 'the filter of moetrace(5) compiles' "${CC:-cc}" -std=c11 -Wall -Wextra -Werror -o below below.c
s=1 bad=
while [ $s -le 20 ]; do
	trace-gen --batches 5 --layers 2 --rows $((s * 7)) --tokens -s $s --index -o a
	./below 2 <a >b && trace-check b && trace-filter -b 0-1 a | trace-cmp - b || bad="$bad $s"
	s=$((s + 1))
done
is 'and does what trace-filter -b does' '' echo "$bad"
size=$(wc -c <b) n=0 bad=
while [ $n -lt "$size" ]; do
	head -c $n b | ./below 9 >/dev/null 2>&1 && bad="$bad $n"
	n=$((n + 53))
done
is 'and refuses what is cut short' '' echo "$bad"
program moetrace.3 1 >best.c
case $BUILD in
*asan*) set -- -fsanitize=address,undefined ;; # the library wants its runtime
*) set -- ;;
esac
for lib in -lmoetrace "$BUILD/libmoetrace.a"; do
	ok "the program of moetrace(3) compiles with ${lib##*/}" "${CC:-cc}" -std=c11 -Wall -Wextra -Werror "$@" \
		-o best best.c -I"$TOP/lib/core" -L"$BUILD" "$lib" -lzstd -lz -lm -pthread
	trace-gen --layers 2 --rows 999 -o a
	same 'and counts as topk-stats does' "LD_LIBRARY_PATH=$BUILD ./best <a | trace-sum -t | cut -f3" \
		"topk-stats -k 1 -t a | cut -f5"
	fails 2 'and refuses what is broken' "head -c 999 a | LD_LIBRARY_PATH=$BUILD ./best >/dev/null" 'ends inside|cut|ends'
done
if command -v nm >/dev/null; then
	grep -o '\b\(tr\|col\)_[a-z0-9_]*(' "$TOP/lib/core/moetrace.h" | tr -d '(' | grep -v '^tr_id$' | sort -u >declared
	nm -D --defined-only "$BUILD/libmoetrace.so.0" | sed -n 's/.* T \([a-z0-9_]*\).*/\1/p' | sort -u >exported
	is 'what is declared is exported' '' comm -23 declared exported
	is 'and no more' '' comm -13 declared exported
else
	skip_one 'no nm'
fi
done_testing
