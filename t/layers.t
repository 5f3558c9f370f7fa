#!/bin/sh
# Kernels of whole layers, emulated on the CPU, against plain loops; make gpu-check does it
# on a GPU.
. "${0%/*}/lib.sh"
[ -x "$BUILD/t/emu-layers" ] || skip "no C++ compiler"
"$BUILD/t/emu-layers"
