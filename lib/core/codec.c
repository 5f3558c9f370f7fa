/* Payloads by zstd: each column is a zstd frame of its own (7 % smaller). */
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "codec.h"
#include "frame.h"
#include "size.h"

int
codec_decode(const struct tr_frame *f, void *to)
{
	size_t max = f->need + TR_ALIGN - 1, n;
	unsigned char *room;

	if (strcmp(f->enc, "zstd"))
		return TR_EENC;
	if (!f->has_rows)
		return TR_EENC;
	/* What zstd says of sizes is not believed: rows and cols are. */
	room = to;
	n = ZSTD_decompress(room, size_align(f->need + 1, TR_ALIGN), f->payload, f->bytes);
	if (ZSTD_isError(n) || n < f->need || n > max)
		return TR_EENC;
	return 0;
}

size_t
codec_bound(const struct tr_frame *f)
{
	size_t n = 0;

	for (int i = 0; i < f->ncols; i++)
		n += ZSTD_compressBound(f->rows * f->cols[i].width * f->cols[i].size + TR_ALIGN);
	return n;
}

size_t
codec_encode(const struct tr_frame *f, int level, void *to, size_t size)
{
	ZSTD_CCtx *z = ZSTD_createCCtx();
	size_t n = 0;

	if (!z)
		return 0;
	ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, level);
	ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
	for (int i = 0; i < f->ncols; i++) {
		static const unsigned char zeros[TR_ALIGN];
		const struct tr_col *c = &f->cols[i];
		size_t bytes = f->rows * c->width * c->size;
		size_t pad = i + 1 < f->ncols ? size_align(bytes, TR_ALIGN) - bytes : 0, r;
		ZSTD_inBuffer in = {c->data, bytes, 0}, gap = {zeros, pad, 0};
		ZSTD_outBuffer out = {(char *)to + n, size - n, 0};

		ZSTD_CCtx_setPledgedSrcSize(z, bytes + pad);
		r = ZSTD_compressStream2(z, &out, &in, ZSTD_e_continue);
		while (!ZSTD_isError(r) && in.pos < in.size)
			r = ZSTD_compressStream2(z, &out, &in, ZSTD_e_continue);
		if (!ZSTD_isError(r))
			do
				r = ZSTD_compressStream2(z, &out, &gap, ZSTD_e_end);
			while (!ZSTD_isError(r) && r > 0 && out.pos < out.size);
		if (ZSTD_isError(r) || r > 0) {
			ZSTD_freeCCtx(z);
			return 0;
		}
		n += out.pos;
	}
	ZSTD_freeCCtx(z);
	return n;
}
