#!/bin/sh
# lib/route/rules and lib/density/ptable by themselves: t/unit/rules.c prints the TAP.
. "${0%/*}/lib.sh"
exec "$BUILD/t/rules"
