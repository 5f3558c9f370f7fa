#!/bin/sh
# lib/core/num and half by themselves: t/unit/num.c prints the TAP.
. "${0%/*}/lib.sh"
exec "$BUILD/t/num"
