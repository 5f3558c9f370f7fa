/* zstd payloads.  Not for tools. */
#ifndef CODEC_H
#define CODEC_H

#include "moetrace.h"

/* Bytes that codec_encode may need for the decoded columns of f. */
size_t codec_bound(const struct tr_frame *f);
/* Columns of f compressed, gaps included: bytes written, 0 on failure. */
size_t codec_encode(const struct tr_frame *f, int level, void *to, size_t size);

#endif
