#!/bin/sh
# Every example of every page prints what the page says; every option is on it.
. "${0%/*}/lib.sh"
for page in "$TOP"/man/*.1; do
	name=$(basename "$page" .1)
	mkdir "$name" && cd "$name" || exit 2
	cp "$TOP"/examples/* . 2>/dev/null
	# one file a block: the commands in N.sh, what they print in N.want
	awk '/^\.Bd -literal/ { inside = 1; n++; next } /^\.Ed/ { inside = 0 }
		inside && /^\$ / { sub(/^\$ /, ""); print > (n ".sh"); next }
		inside { print > (n ".want") }' "$page"
	sed -i 's/^\\&//; s/\\e/\\/g' ./*.sh ./*.want 2>/dev/null
	i=1
	while [ -f $i.sh ]; do
		touch $i.want
		sh ./$i.sh >got 2>&1
		cmp -s got $i.want
		r=$?
		report $r "$name: example $i"
		[ $r -eq 0 ] || diff $i.want got | head -n 10 | note
		i=$((i + 1))
	done
	cd ..
	! [ -x "$BUILD/bin/$name" ] || is "$name: --help says what the page says" \
		"$name: $(sed -n 's/^\.Nd //p' "$page")" sh -c "$name --help | head -n 1"
	[ "$name" = moetrace ] || ! command -v "$name" >/dev/null || [ -f "$TOP/pipelines/$name" ] || {
		"$name" --help | sed -n 's/^ .\{5\}--\([a-z0-9-]*\).*/\1/p' | sort >opts
		missing=
		while read -r opt; do
			grep -q -- "-$opt\b" "$page" || grep -q "^  -., --$opt\|--$opt" "$TOP/man/moetrace.1" ||
				grep -q -- "Fl .*-$opt" "$TOP/man/moetrace.1" || missing="$missing $opt"
		done <opts
		is "$name: every option is on a page" '' echo "$missing"
	}
done
done_testing
