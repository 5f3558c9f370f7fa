# TAP for sh.  A test sources this, runs in a folder of its own, and ends with
# done_testing.
# shellcheck shell=sh
# The expressions and messages of callers are theirs:
# shellcheck disable=SC2034
export LC_ALL=C TZ=UTC
TOP=$(cd "${0%/*}/.." && pwd)
BUILD=${B:-$TOP/build}
case $BUILD in /*) ;; *) BUILD=$TOP/$BUILD ;; esac
PATH=$BUILD/bin:$TOP/pipelines:$PATH
GOLD=$TOP/t/gold
DATA=${MOETRACE_DATA:-$TOP/../shared/data}
[ -d "$DATA" ] && DATA=$(cd "$DATA" && pwd)
unset TRACE_FAKE_TTY TRACE_DEBUG
ntests=0 nfailed=0
tmp=$(mktemp -d "${TMPDIR:-/tmp}/moetrace-t.XXXXXX") || exit 2
trap 'cd /; rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
cd "$tmp" || exit 2

report() { # RC DESCRIPTION
	ntests=$((ntests + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $ntests - $2"
	else
		nfailed=$((nfailed + 1))
		echo "not ok $ntests - $2"
		return 0
	fi
}
note() { sed 's/^/# /'; }

ok() { # DESCRIPTION COMMAND...: succeeds
	d=$1 && shift
	"$@" >out.ok 2>&1
	report $? "$d"
	[ -s out.ok ] && head -n 20 out.ok | note
	rm -f out.ok
}
is() { # DESCRIPTION TEXT COMMAND...: prints TEXT
	d=$1 want=$2 && shift 2
	got=$("$@" 2>&1)
	[ "$got" = "$want" ]
	r=$?
	report $r "$d"
	[ $r -eq 0 ] || printf 'got:  %s\nwant: %s\n' "$got" "$want" | note
}
same() { # DESCRIPTION SHELL SHELL: both print the same bytes
	(eval "$2") >same.a 2>same.err && (eval "$3") >same.b 2>>same.err && cmp same.a same.b >>same.err 2>&1
	r=$?
	report $r "$1"
	[ $r -eq 0 ] || head -n 5 same.err | note
	rm -f same.a same.b same.err
}
fails() { # RC DESCRIPTION SHELL [REGEX]: that status, one line on stderr
	(eval "$3") >fails.out 2>fails.err
	rc=$?
	[ $rc -eq "$1" ] && [ "$(wc -l <fails.err)" -eq 1 ] && { [ -z "${4:-}" ] || grep -Eq -- "$4" fails.err; }
	r=$?
	report $r "$2"
	[ $r -eq 0 ] || { echo "exit $rc" && head -n 5 fails.err; } | note
	rm -f fails.out fails.err
}
gold() { # NAME SHELL: prints what t/gold/NAME holds; REGOLD=1 rewrites it
	(eval "$2") >gold.out 2>&1
	[ -z "${REGOLD:-}" ] || cp gold.out "$GOLD/$1"
	diff -u "$GOLD/$1" gold.out >gold.diff 2>&1
	report $? "gold $1"
	head -n 20 gold.diff | note
	rm -f gold.out gold.diff
}
skip() { # WHY: the whole file
	echo "1..0 # SKIP $1"
	exit 0
}
skip_one() { # WHY: one test
	ntests=$((ntests + 1))
	echo "ok $ntests # SKIP $1"
}
done_testing() {
	echo "1..$ntests"
	[ $nfailed -eq 0 ]
}
