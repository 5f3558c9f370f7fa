#!/bin/sh
# lib/model/engine.h on the processor: t/unit/engine.c prints the TAP.
. "${0%/*}/lib.sh"
"$BUILD/t/engine"
