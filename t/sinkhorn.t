#!/bin/sh
# lib/route/sinkhorn by itself: t/unit/sinkhorn.c prints the TAP.
. "${0%/*}/lib.sh"
exec "$BUILD/t/sinkhorn"
