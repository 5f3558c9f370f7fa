#!/bin/sh
# Kernels, emulated on the CPU, against their twins; make gpu-check does it on a GPU.
. "${0%/*}/lib.sh"
[ -x "$BUILD/t/kernels" ] || skip "no C++ compiler"
exec "$BUILD/t/kernels" 41
