/* model.h where there is no CUDA toolkit. */
#include "model.h"

int
k_convert(enum tr_type of, const void *from, enum tr_type type, void *to, uint64_t n, void *stream)
{
	return GPU_ABSENT;
}

int
k_embed(enum tr_type type, const void *w, const uint32_t *ids, uint64_t rows, uint64_t d, float *x,
	void *stream)
{
	return GPU_ABSENT;
}

int
k_norm(const float *w, float eps, const float *x, uint64_t ldx, uint64_t rows, uint64_t d,
       float *to, void *stream)
{
	return GPU_ABSENT;
}

int
k_add(float *x, const float *y, uint64_t rows, uint64_t n, void *stream)
{
	return GPU_ABSENT;
}

int
k_clip(float *x, uint64_t n, float by, void *stream)
{
	return GPU_ABSENT;
}

int
k_activate(const float *gate, const float *up, enum tr_type type, void *to, uint64_t n,
	   void *stream)
{
	return GPU_ABSENT;
}

int
k_rope(const struct k_turn *r, float *x, uint64_t ldx, uint64_t rows, void *stream)
{
	return GPU_ABSENT;
}

int
k_strided(float *to, uint64_t ldto, uint64_t hto, const float *from, uint64_t ldfrom,
	  uint64_t hfrom, uint64_t rows, uint64_t heads, uint64_t n, void *stream)
{
	return GPU_ABSENT;
}

int
k_place(float *to, const uint32_t *at, const float *from, uint64_t rows, uint64_t n, void *stream)
{
	return GPU_ABSENT;
}

int
k_attend(const struct k_attend *a, const struct k_attend_tile *tiles, uint64_t n, const float *q,
	 const float *k, const float *v, float *out, void *stream)
{
	return GPU_ABSENT;
}

int
k_merge(const struct index *x, enum tr_type type, const void *from, uint64_t d, const float *w,
	uint64_t rows, float *to, void *stream)
{
	return GPU_ABSENT;
}

int
k_nll(const float *logit, uint64_t vocab, const uint32_t *ids, uint64_t rows, float *nll,
      void *stream)
{
	return GPU_ABSENT;
}
