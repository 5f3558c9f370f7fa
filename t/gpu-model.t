#!/bin/sh
# The engine of a GPU, its kernels emulated on the CPU, against the processor's; make
# gpu-check does it on a GPU.
. "${0%/*}/lib.sh"
[ -x "$BUILD/t/emu-model" ] || skip "no C++ compiler"
set --
for c in "$DATA/switch-tiny" "$TOP"/t/refs/*/; do
	[ ! -e "$c/config.json" ] || set -- "$@" "${c%/}"
done
"$BUILD/t/emu-model" "$@"
