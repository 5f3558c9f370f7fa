#!/bin/sh
# lib/core by itself: t/unit/core.c prints the TAP.
. "${0%/*}/lib.sh"
exec "$BUILD/t/core"
