#!/bin/sh
# lib/format/json and base64 by themselves: t/unit/json.c prints the TAP.
. "${0%/*}/lib.sh"
exec "$BUILD/t/json"
