#!/bin/sh
# lib/place/assign by itself: t/unit/assign.c prints the TAP.
. "${0%/*}/lib.sh"
exec "$BUILD/t/assign"
