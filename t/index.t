#!/bin/sh
# lib/route/index and gather by themselves: t/unit/index.c prints the TAP.
. "${0%/*}/lib.sh"
exec "$BUILD/t/index"
