/* Columns converted: whatever type was stored, as f32, f64 or u64. */
#include <string.h>

#include "half.h"
#include "moetrace.h"

#define EACH(TYPE)                                             \
	do {                                                   \
		const TYPE *p = (const TYPE *)c->data + first; \
		for (uint64_t i = 0; i < n; i++)               \
			to[i] = (to_type)p[i];                 \
	} while (0)

#define NUMBERS                 \
	case TR_U8:             \
		EACH(uint8_t);  \
		break;          \
	case TR_U16:            \
		EACH(uint16_t); \
		break;          \
	case TR_U32:            \
		EACH(uint32_t); \
		break;          \
	case TR_U64:            \
		EACH(uint64_t); \
		break;          \
	case TR_I8:             \
		EACH(int8_t);   \
		break;          \
	case TR_I16:            \
		EACH(int16_t);  \
		break;          \
	case TR_I32:            \
		EACH(int32_t);  \
		break;          \
	case TR_I64:            \
		EACH(int64_t);  \
		break;          \
	case TR_F32:            \
		EACH(float);    \
		break;          \
	case TR_F64:            \
		EACH(double);   \
		break;

int
col_f32(const struct tr_col *c, uint64_t first, uint64_t n, float *to)
{
	typedef float to_type;
	const uint16_t *h = (const uint16_t *)c->data + first;

	switch (c->type) {
		NUMBERS
	case TR_F16:
		half_f32n(to, h, n);
		break;
	case TR_BF16:
		for (uint64_t i = 0; i < n; i++)
			to[i] = bf16_f32(h[i]);
		break;
	default:
		return TR_EUSE;
	}
	return 0;
}

int
col_f64(const struct tr_col *c, uint64_t first, uint64_t n, double *to)
{
	typedef double to_type;
	const uint16_t *h = (const uint16_t *)c->data + first;

	switch (c->type) {
		NUMBERS
	case TR_F16:
		for (uint64_t i = 0; i < n; i++)
			to[i] = half_f32(h[i]);
		break;
	case TR_BF16:
		for (uint64_t i = 0; i < n; i++)
			to[i] = bf16_f32(h[i]);
		break;
	default:
		return TR_EUSE;
	}
	return 0;
}

int
col_u64(const struct tr_col *c, uint64_t first, uint64_t n, uint64_t *to)
{
	typedef uint64_t to_type;

	if (c->type > TR_U64)
		return TR_EUSE;
	switch (c->type) {
		NUMBERS
	default:
		break;
	}
	return 0;
}
