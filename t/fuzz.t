#!/bin/sh
# The corpus of each fuzz target, replayed: what once broke a reader, and a seed of each kind.
. "${0%/*}/lib.sh"
for dir in "$TOP"/t/fuzz/corpus/*; do
	name=$(basename "$dir")
	ok "$name: $(find "$dir" -type f | wc -l) inputs" "$BUILD/t/fuzz-$name" "$dir"/*
done
for source in "$TOP"/t/fuzz/*.c; do
	name=$(basename "$source" .c)
	ok "$name has a corpus" test -d "$TOP/t/fuzz/corpus/$name"
done
done_testing
