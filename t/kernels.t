#!/bin/sh
# Kernels, emulated on the CPU, against their twins; make gpu-check does it on a GPU.
. "${0%/*}/lib.sh"
[ -x "$BUILD/t/emu-kernels" ] || skip "no C++ compiler"
"$BUILD/t/emu-kernels" 41
