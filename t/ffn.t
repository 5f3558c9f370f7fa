#!/bin/sh
# lib/route/ffn by itself: t/unit/ffn.c prints the TAP.
. "${0%/*}/lib.sh"
exec "$BUILD/t/ffn"
