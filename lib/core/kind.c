#include "kind.h"

#include <string.h>

#include "size.h"

const char *
kind_told(const void *p, size_t n)
{
	static const struct {
		const char *magic;
		size_t n;
		const char *what;
	} known[] = {
		{"@trace ", 7, "a trace: it needs no conversion"},
		{"PK", 2, "a zip file: npz2trace or pt2trace reads it"},
		{"\x93NUMPY", 6, "an NPY file: npz2trace reads it"},
		{"\x80\x02", 2, "a pickle: pt2trace reads it"},
		{"\x80\x03", 2, "a pickle: pkl2trace or pt2trace reads it"},
		{"\x80\x04", 2, "a pickle: pkl2trace or pt2trace reads it"},
		{"\x80\x05", 2, "a pickle: pkl2trace or pt2trace reads it"},
		{"\x28\xb5\x2f\xfd", 4, "zstd-compressed: give it to zstd -dc first"},
		{"\x1f\x8b", 2, "gzip-compressed: give it to gzip -dc first"},
		{"{", 1, "JSON: jsonl2trace or log2trace reads it"},
		{"layer_id,", 9, "CSV: csv2trace reads it"},
		{"#", 1, "text: give -t to the last tool only"},
	};

	for (size_t i = 0; i < LEN(known); i++)
		if (n >= known[i].n && !memcmp(p, known[i].magic, known[i].n))
			return known[i].what;
	return NULL;
}
