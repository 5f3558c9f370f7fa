/* The decoder's forward pass, one product, one sum after the other. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "moerun.h"
#include "num.h"
#include "size.h"

/* to [rows, out] = x [rows, in] w [out, in]^T */
static void
product(const float *x, const float *w, size_t rows, size_t in, size_t out, float *to)
{
	for (size_t r = 0; r < rows; r++)
		for (size_t o = 0; o < out; o++) {
			float s = 0;

			for (size_t i = 0; i < in; i++)
				s += x[r * in + i] * w[o * in + i];
			to[r * out + o] = s;
		}
}

static void
norm(const float *x, const float *w, size_t rows, size_t d, float *to)
{
	for (size_t r = 0; r < rows; r++) {
		float s = 0;

		for (size_t i = 0; i < d; i++)
			s += x[r * d + i] * x[r * d + i];
		s = sqrtf(s / (float)d + MOEDEC_EPS);
		for (size_t i = 0; i < d; i++)
			to[r * d + i] = x[r * d + i] / s * w[i];
	}
}

/* x becomes exp(x - max x), of which this is the sum. */
static float
exp_sum(float *x, size_t n)
{
	float max = x[0], s = 0;

	for (size_t i = 1; i < n; i++)
		max = MAX(max, x[i]);
	for (size_t i = 0; i < n; i++)
		s += x[i] = (float)num_exp((double)x[i] - (double)max);
	return s;
}

/* Plan q [tokens, experts] for logits: rows, then columns brought to their sums. */
static void
sinkhorn(const struct moedec *m, float *q, size_t tokens)
{
	const size_t E = m->experts;
	float share = (float)tokens / (float)E;

	for (size_t i = 0; i < tokens * E; i++)
		q[i] /= (float)m->temperature;
	for (size_t t = 0; t < tokens; t++)
		exp_sum(q + t * E, E);
	for (uint64_t it = 0; it <= m->iterations; it++) {
		for (size_t t = 0; t < tokens; t++) {
			float s = 0;

			for (size_t e = 0; e < E; e++)
				s += q[t * E + e];
			for (size_t e = 0; e < E; e++)
				q[t * E + e] /= s + MOEDEC_EPS;
		}
		for (size_t e = 0; e < E && it < m->iterations; e++) { /* rows are the last */
			float s = 0;

			for (size_t t = 0; t < tokens; t++)
				s += q[t * E + e];
			for (size_t t = 0; t < tokens; t++)
				q[t * E + e] = q[t * E + e] / (s + MOEDEC_EPS) * share;
		}
	}
}

/* The k greatest of n scores, the lower index first where they are equal. */
static void
pick(const float *score, size_t n, size_t k, uint32_t *ids, float *w)
{
	for (size_t j = 0; j < k; j++) {
		size_t best = n;

		for (size_t e = 0; e < n; e++) {
			int taken = 0;

			for (size_t i = 0; i < j; i++)
				taken |= ids[i] == e;
			if (!taken && (best == n || score[e] > score[best]))
				best = e;
		}
		ids[j] = (uint32_t)best;
		w[j] = score[best];
	}
}

int
moerun_route(const struct moedec *m, const float *router, const float *x, size_t tokens,
	     uint32_t *experts, float *weights)
{
	const size_t E = m->experts, k = m->topk;
	float *score;
	size_t n;

	if (size_mul(tokens * E, sizeof *score, &n) < 0 || !(score = malloc(n ? n : 1)))
		return MOERUN_ENOMEM;
	product(x, router, tokens, m->d_model, E, score);
	if (m->rule == MOEDEC_SINKHORN)
		sinkhorn(m, score, tokens);
	for (size_t t = 0; t < tokens; t++) {
		float *w = weights + t * k, s = MOEDEC_EPS;

		pick(score + t * E, E, k, experts + t * k, w);
		if (m->rule == MOEDEC_TOPK)
			s = exp_sum(w, k);
		else
			for (size_t j = 0; j < k; j++)
				s += w[j];
		for (size_t j = 0; j < k; j++)
			w[j] /= s;
	}
	free(score);
	return 0;
}

/* All that a pass needs besides weights, for T tokens. */
struct pass {
	const struct moedec *m;
	size_t batch, seq, T;
	float *x, *h, *qkv, *score, *mixed, *gate, *up; /* [T, d] but: [T, 3 d], [seq], [hidden] */
	float *weights;                                 /* [T, topk] */
	uint32_t *experts;
};

/* Pairs (i, i + width / 2) of each head are turned by the angle of their position. */
static void
rotate(const struct pass *p, const float *cos, const float *sin)
{
	const size_t d = p->m->d_model, half = d / p->m->heads / 2;

	for (size_t t = 0; t < p->T; t++)
		for (size_t head = 0; head < 2 * p->m->heads; head++) { /* of q and of k */
			float *a = p->qkv + t * 3 * d + head * 2 * half, *b = a + half;
			size_t row = t % p->seq * half;

			for (size_t i = 0; i < half; i++) {
				float x = a[i], y = b[i], c = cos[row + i], s = sin[row + i];

				a[i] = x * c - y * s;
				b[i] = y * c + x * s;
			}
		}
}

/* Token t of one head, over those before it in its sequence. */
static void
attend(const struct pass *p, size_t t, size_t head)
{
	const size_t d = p->m->d_model, width = d / p->m->heads, first = t - t % p->seq;
	const float *q = p->qkv + t * 3 * d + head * width;
	float *to = p->mixed + t * d + head * width, sum;

	for (size_t u = first; u <= t; u++) {
		const float *k = p->qkv + u * 3 * d + d + head * width;
		float s = 0;

		for (size_t i = 0; i < width; i++)
			s += q[i] * k[i];
		p->score[u - first] = s / sqrtf((float)width);
	}
	sum = exp_sum(p->score, t - first + 1);
	memset(to, 0, width * sizeof *to);
	for (size_t u = first; u <= t; u++)
		for (size_t i = 0; i < width; i++)
			to[i] += p->score[u - first] / sum *
				 p->qkv[u * 3 * d + 2 * d + head * width + i];
}

/* Row t of x gets the SwiGLU of row t of h, times weight. */
static void
swiglu(const struct pass *p, const float *const *w, size_t t, float weight)
{
	const size_t d = p->m->d_model, hidden = p->m->hidden;

	product(p->h + t * d, w[0], 1, d, hidden, p->gate);
	product(p->h + t * d, w[1], 1, d, hidden, p->up);
	for (size_t i = 0; i < hidden; i++)
		p->gate[i] *= p->up[i] / (1 + (float)num_exp(-(double)p->gate[i]));
	product(p->gate, w[2], 1, hidden, d, p->mixed);
	for (size_t i = 0; i < d; i++)
		p->x[t * d + i] += weight * p->mixed[i];
}

static int
layer(const struct pass *p, const float *const *w, const float *const *tables)
{
	const struct moedec *m = p->m;
	const size_t d = m->d_model;

	norm(p->x, w[0], p->T, d, p->h);
	product(p->h, w[1], p->T, d, 3 * d, p->qkv);
	if (!m->learned)
		rotate(p, tables[0], tables[1]);
	for (size_t t = 0; t < p->T; t++)
		for (size_t head = 0; head < m->heads; head++)
			attend(p, t, head);
	product(p->mixed, w[2], p->T, d, d, p->h);
	for (size_t i = 0; i < p->T * d; i++)
		p->x[i] += p->h[i];
	norm(p->x, w[3], p->T, d, p->h);
	if (m->kind == MOEDEC_DENSE) {
		for (size_t t = 0; t < p->T; t++)
			swiglu(p, w + 4, t, 1);
		return 0;
	}
	if (moerun_route(m, w[4], p->h, p->T, p->experts, p->weights) < 0)
		return MOERUN_ENOMEM;
	for (size_t t = 0; t < p->T; t++)
		for (size_t e = 0; e < m->experts; e++) /* sums in this order, as the graph */
			for (size_t j = 0; j < m->topk; j++)
				if (p->experts[t * m->topk + j] == e)
					swiglu(p, w + 5 + 3 * e, t, p->weights[t * m->topk + j]);
	return 0;
}

static void *
array(size_t n, size_t width, size_t size)
{
	size_t cells;

	return size_mul(n, width, &cells) < 0 ? NULL : calloc(cells ? cells : 1, size);
}

int
moerun_logits(const struct moedec *m, const float *const *w, const int64_t *ids, size_t batch,
	      size_t seq, float *logits)
{
	const size_t d = m->d_model, T = batch * seq, k = m->kind == MOEDEC_MOE ? m->topk : 0;
	struct pass p = {.m = m, .batch = batch, .seq = seq, .T = T};
	int r = 0;

	if (seq > m->max_len)
		return MOERUN_ELONG;
	for (size_t t = 0; t < T; t++)
		if (ids[t] < 0 || (uint64_t)ids[t] >= m->vocab)
			return MOERUN_EID;
	p.x = array(T, d, sizeof *p.x);
	p.h = array(T, d, sizeof *p.h);
	p.mixed = array(T, d, sizeof *p.mixed);
	p.qkv = array(T, 3 * d, sizeof *p.qkv);
	p.score = array(seq, 1, sizeof *p.score);
	p.gate = array(m->hidden, 1, sizeof *p.gate);
	p.up = array(m->hidden, 1, sizeof *p.up);
	p.weights = array(T, k, sizeof *p.weights);
	p.experts = array(T, k, sizeof *p.experts);
	if (!p.x || !p.h || !p.mixed || !p.qkv || !p.score || !p.gate || !p.up || !p.weights ||
	    !p.experts) {
		r = MOERUN_ENOMEM;
		goto out;
	}
	for (size_t t = 0; t < T; t++)
		for (size_t i = 0; i < d; i++)
			p.x[t * d + i] = w[0][(size_t)ids[t] * d + i] +
					 (m->learned ? w[1][t % seq * d + i] : 0);
	for (uint64_t l = 0; l < m->layers && !r; l++)
		r = layer(&p, w + moedec_layer(m, l), w + 1);
	if (r < 0)
		goto out;
	norm(p.x, w[moedec_layer(m, m->layers)], T, d, p.h);
	product(p.h, w[0], T, d, m->vocab, logits);
out:
	free(p.x);
	free(p.h);
	free(p.mixed);
	free(p.qkv);
	free(p.score);
	free(p.gate);
	free(p.up);
	free(p.weights);
	free(p.experts);
	return r;
}
