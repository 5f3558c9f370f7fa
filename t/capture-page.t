#!/bin/sh
# moetrace-capture(7): its examples with the models that are shipped.
. "${0%/*}/lib.sh"
page=$TOP/man/moetrace-capture.7
[ -d "$TOP/examples/tiny-switch" ] && [ -d "$TOP/examples/tiny-qwen" ] || skip 'no small models here'
[ -x "$BUILD/bin/tok-encode" ] || skip 'no tok-encode here'
cp -r "$TOP"/examples/* .
awk '/^\.Bd -literal$/ { inside = 1; n++; next } /^\.Ed/ { inside = 0 }
	inside && /^\$ / { sub(/^\$ /, ""); print > (n ".sh"); next }
	inside { print > (n ".want") }' "$page"
i=1
while [ -f $i.sh ]; do
	touch $i.want
	sed -i 's/\\e/\\/g' $i.sh
	sh -e ./$i.sh >got 2>&1
	r=$?
	cmp -s got $i.want || r=1
	report $r "example $i"
	[ $r -eq 0 ] || diff $i.want got | head -n 10 | note
	i=$((i + 1))
done
is 'four of them' 4 echo $((i - 1))
is 'logits of five tokens' yes sh -c 'grep -aq logit.npy got.npz && echo yes'
is 'what was gone on with has losses' yes sh -c "grep -q '\"loss\": [0-9]' log.json && echo yes"
done_testing
