#!/bin/sh
# lib/bench/routercheck by itself: t/unit/routercheck.c prints the TAP.
. "${0%/*}/lib.sh"
exec "$BUILD/t/routercheck"
