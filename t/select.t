#!/bin/sh
# lib/route/select and keys by themselves: t/unit/select.c prints the TAP.
. "${0%/*}/lib.sh"
exec "$BUILD/t/select"
