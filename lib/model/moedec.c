/* Sizes and tensors of the decoder. */
#include <stdarg.h>
#include <stdio.h>

#include "../route/sinkhorn.h"
#include "moedec.h"
#include "size.h"

/* Past these the bytes of a model might not fit 64 bits. */
enum {
	WIDTH = 65536,
	LONGEST = 1 << 20,
	VOCAB = 1 << 24,
	LAYERS = 1024,
	EXPERTS = 1024,
	TOPK = 64
};

enum { BEFORE = 4, DENSE = 3, ROUTER = 1 }; /* tensors of a layer: norms, attention; mlp; router */

#define SIZE(name)                                   \
	{                                            \
#name, offsetof(struct moedec, name) \
	}

const struct moedec_size moedec_sizes[] = {
	SIZE(vocab),   SIZE(d_model), SIZE(heads), SIZE(layers),     SIZE(hidden),
	SIZE(max_len), SIZE(experts), SIZE(topk),  SIZE(iterations), SIZE(learned),
};
const size_t moedec_nsizes = LEN(moedec_sizes);

const char *const moedec_kinds[] = {"router", "decoder-moe", "decoder"};
const char *const moedec_rules[] = {"topk", "sinkhorn"};

static int
fail(char err[MOEDEC_ERR], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, MOEDEC_ERR, fmt, ap);
	va_end(ap);
	return -1;
}

static int
within(const char *what, uint64_t n, uint64_t hi, char err[MOEDEC_ERR])
{
	if (n >= 1 && n <= hi)
		return 0;
	return fail(err, "%s %llu: not from 1 to %llu", what, (unsigned long long)n,
		    (unsigned long long)hi);
}

int
moedec_check(const struct moedec *m, char err[MOEDEC_ERR])
{
	int whole = m->kind != MOEDEC_ROUTER, routed = m->kind != MOEDEC_DENSE;

	if (within("d_model", m->d_model, WIDTH, err) < 0 ||
	    (whole && (within("vocab", m->vocab, VOCAB, err) < 0 ||
		       within("heads", m->heads, WIDTH, err) < 0 ||
		       within("layers", m->layers, LAYERS, err) < 0 ||
		       within("hidden", m->hidden, WIDTH, err) < 0 ||
		       within("max_len", m->max_len, LONGEST, err) < 0)) ||
	    (routed && (within("experts", m->experts, EXPERTS, err) < 0 ||
			within("topk", m->topk, MIN(m->experts, (uint64_t)TOPK), err) < 0)))
		return -1;
	if (whole && m->d_model % m->heads)
		return fail(err, "a width of %llu is not cut evenly into %llu heads",
			    (unsigned long long)m->d_model, (unsigned long long)m->heads);
	if (whole && !m->learned && m->d_model / m->heads % 2)
		return fail(err, "heads of width %llu: a rotation wants an even one",
			    (unsigned long long)(m->d_model / m->heads));
	if (routed && m->rule == MOEDEC_SINKHORN && !sinkhorn_cools(m->temperature))
		return fail(err, "a temperature that is not above 0, or beyond f32");
	return 0;
}

static uint64_t
per_layer(const struct moedec *m)
{
	return BEFORE + (m->kind == MOEDEC_DENSE ? DENSE : ROUTER + DENSE * m->experts);
}

uint64_t
moedec_layer(const struct moedec *m, uint64_t layer)
{
	return (m->learned ? 2 : 3) + layer * per_layer(m);
}

__attribute__((format(printf, 5, 6))) static int
name(struct moedec_tensor *t, enum moedec_role role, uint64_t rows, uint64_t columns,
     const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(t->name, sizeof t->name, fmt, ap);
	va_end(ap);
	t->role = role;
	t->ndim = role == MOEDEC_NORM ? 1 : 2;
	t->dim[0] = rows;
	t->dim[1] = columns;
	return 1;
}

/* w1 (gate), w3 (up), w2 (down) of one SwiGLU. */
static int
swiglu(const struct moedec *m, uint64_t i, struct moedec_tensor *t, const char *prefix)
{
	static const char *const part[] = {"w1", "w3", "w2"};
	uint64_t d = m->d_model, h = m->hidden;

	return name(t, MOEDEC_MATRIX, i == 2 ? d : h, i == 2 ? h : d, "%s.%s.weight", prefix,
		    part[i]);
}

static int
of_layer(const struct moedec *m, uint64_t layer, uint64_t i, struct moedec_tensor *t)
{
	unsigned long long l = layer;
	uint64_t d = m->d_model;
	char prefix[MOEDEC_NAME - 16];

	switch (i) {
	case 0:
		return name(t, MOEDEC_NORM, d, 1, "layers.%llu.norm1.weight", l);
	case 1:
		return name(t, MOEDEC_MATRIX, 3 * d, d, "layers.%llu.attn.qkv.weight", l);
	case 2:
		return name(t, MOEDEC_MATRIX, d, d, "layers.%llu.attn.out.weight", l);
	case 3:
		return name(t, MOEDEC_NORM, d, 1, "layers.%llu.norm2.weight", l);
	}
	i -= BEFORE;
	if (m->kind == MOEDEC_DENSE) {
		snprintf(prefix, sizeof prefix, "layers.%llu.mlp", l);
		return swiglu(m, i, t, prefix);
	}
	if (i == 0)
		return name(t, MOEDEC_MATRIX, m->experts, d, "layers.%llu.router.weight", l);
	i -= ROUTER;
	snprintf(prefix, sizeof prefix, "layers.%llu.experts.%llu", l,
		 (unsigned long long)(i / DENSE));
	return swiglu(m, i % DENSE, t, prefix);
}

int
moedec_tensor(const struct moedec *m, uint64_t i, struct moedec_tensor *t)
{
	uint64_t first = moedec_layer(m, 0), last = moedec_layer(m, m->layers), d = m->d_model;

	t->index = i;
	if (m->kind == MOEDEC_ROUTER)
		return !i && name(t, MOEDEC_MATRIX, m->experts, d, "router.weight");
	if (i == 0)
		return name(t, MOEDEC_MATRIX, m->vocab, d, "embed.weight");
	if (i < first && m->learned)
		return name(t, MOEDEC_MATRIX, m->max_len, d, "positions.weight");
	if (i < first)
		return name(t, i == 1 ? MOEDEC_COS : MOEDEC_SIN, m->max_len, d / m->heads / 2,
			    "rotary.%s", i == 1 ? "cos" : "sin");
	if (i == last)
		return name(t, MOEDEC_NORM, d, 1, "norm.weight");
	return i < last && of_layer(m, (i - first) / per_layer(m), (i - first) % per_layer(m), t);
}
