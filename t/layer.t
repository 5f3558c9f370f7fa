#!/bin/sh
# lib/bench/layer by itself: t/unit/layer.c prints the TAP.
. "${0%/*}/lib.sh"
exec "$BUILD/t/layer"
