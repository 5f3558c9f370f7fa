#!/bin/sh
# make install puts things where packagers expect them; uninstall takes all of it back.
. "${0%/*}/lib.sh"
unset MAKEFLAGS MAKELEVEL MFLAGS
to=$tmp/root/usr
install() { make -s -C "$TOP" B="$BUILD" DESTDIR="$tmp/root" PREFIX=/usr "$@"; }
ok 'make install' install install
is 'a tool runs from there' 'trace-gen (moetrace) 0.1' "$to/libexec/moetrace/trace-gen" --version
is 'its name is a link' /usr/libexec/moetrace/trace-gen readlink "$to/bin/trace-gen"
is 'every program has a name' '' sh -c "ls $to/libexec/moetrace | grep -v 'so\$' | while read -r n; do [ -L $to/bin/\$n ] || echo \$n; done"
is 'the umbrella finds its tools' "trace-gen (moetrace) 0.1" "$to/libexec/moetrace/moetrace" trace-gen --version
is 'pages of all sections' '1 3 5 7' sh -c "cd $to/share/man && ls -d man?/* | sed 's/.*\.//' | sort -u | xargs"
ok 'header, libraries' test -f "$to/include/moetrace.h" -a -f "$to/lib/libmoetrace.a" -a -f "$to/lib/libmoetrace.so"
is 'pkg-config' '-L/usr/lib -lmoetrace' sh -c "sed -n 's/Libs: //p' $to/lib/pkgconfig/moetrace.pc"
if [ -d "$TOP/examples/tiny-switch" ]; then
	is 'a model and texts, beside each other' 'config.json harbour.jsonl' sh -c "cd $to/share/moetrace && ls tiny-switch/config.json text/harbour.jsonl | xargs -n 1 basename | sort | xargs"
fi
if command -v bash >/dev/null; then
	is 'completion knows the options' '--zipf' bash -c "PATH=$to/libexec/moetrace:\$PATH; . $to/share/bash-completion/completions/trace-gen
		COMP_WORDS=(trace-gen --zi) COMP_CWORD=1; _moetrace trace-gen; echo \"\${COMPREPLY[*]}\""
fi
ok 'make uninstall' install uninstall
is 'nothing is left' '' sh -c "find $tmp/root ! -type d"
ok 'the given names alone' install NAMES=given install
is 'are these' 'coact moetrace npz2trace pcie-bw place-anneal router-bench topk-stats trace-filter' sh -c "ls $to/bin | xargs"
done_testing
