#!/bin/sh
# lib/ep/eplayer: t/unit/eplayer.c prints the TAP: what is right, and every fault that is put in.
. "${0%/*}/lib.sh"
exec "$BUILD/t/eplayer"
