#!/bin/sh
# lib/ep: t/unit/ep.c prints the TAP; mpirun's processes last.
. "${0%/*}/lib.sh"
"$BUILD/t/ep" >tap.all
sed '$d' tap.all >tap
cat tap
ntests=$(grep -c '^ok\|^not ok' tap)
nfailed=$(grep -c '^not ok' tap)
is 'all of the unit test ran' 1..43 tail -n 1 tap.all
if command -v mpirun >/dev/null && [ -e "$BUILD/moetrace-mpi.so" ] && [ -z "${ASAN_OPTIONS:-}" ]; then
	export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
	for n in 2 4; do
		is "mpi, $n ranks: what arrives is what was sent" '' timeout 60 mpirun --oversubscribe -np $n "$BUILD/t/ep" mpi
	done
else
	skip_one 'no mpirun'
fi
done_testing
