#!/bin/sh
# lib/model/decoder over the checkpoints of t/refs: t/unit/decoders.c prints the TAP.
. "${0%/*}/lib.sh"
exec "$BUILD/t/decoders" "$TOP"/t/refs/*_*e "$TOP"/t/refs/*_v2 "$TOP"/t/refs/olmoe "$TOP"/t/refs/mixtral
