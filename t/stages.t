#!/bin/sh
# lib/bench/router by turns: t/unit/stages.c prints the TAP.
. "${0%/*}/lib.sh"
exec "$BUILD/t/stages"
