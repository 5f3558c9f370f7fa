#!/bin/sh
# Switch Transformers by steps and at once, and their head: t/unit/switch.c prints the TAP.
. "${0%/*}/lib.sh"
mkdir m
"$BUILD/t/switch" m
