#!/bin/sh
# lib/density/kde by itself: t/unit/kde.c prints the TAP.
. "${0%/*}/lib.sh"
exec "$BUILD/t/kde"
