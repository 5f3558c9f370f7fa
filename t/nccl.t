#!/bin/sh
# Messages between GPUs: t/unit/nccl.c prints the TAP.
. "${0%/*}/lib.sh"
exec "$BUILD/t/nccl"
