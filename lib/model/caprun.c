/* Runs of sequences, see caprun.h. */
#include "caprun.h"

#include <math.h>
#include <stdlib.h>

#include "size.h"

/* The side whose last rows the head reads. */
static int
head(const struct caprun *c)
{
	return c->m->info.flags & MODEL_DECODER ? CAPSEQ_TARGET : CAPSEQ_SOURCE;
}

/* Sequences that run together, and what is generated behind them. */
struct piece {
	uint64_t first, n;
	struct model_batch batch;
	uint64_t *at[2], *past; /* [n + 1], [n] */
	uint32_t *ids, *to;     /* [n]: of one step */
	float *next, *nll;
};

static uint32_t
argmax(const float *x, uint64_t n)
{
	uint64_t best = 0;

	for (uint64_t i = 1; i < n; i++)
		if (x[i] > x[best])
			best = i;
	return (uint32_t)best;
}

/* Greedily, a token at a time of all sequences of p that are not over. */
static int
generate(struct caprun *c, struct piece *p, char *why)
{
	const struct model_info *m = &c->m->info;
	const int two = head(c) == CAPSEQ_TARGET;
	struct model_ids *ids = two ? &p->batch.target : &p->batch.source;
	uint64_t *at = p->at[head(c)];
	char *over = calloc(p->n, 1);
	int r = over ? 0 : TR_ENOMEM;

	for (uint64_t i = 0; i < p->n; i++)
		p->past[i] = at[i + 1] - at[i];
	p->batch.past = p->past;
	p->batch.nll = NULL;
	for (uint64_t step = 1; step <= c->generate && r == 0; step++) {
		uint64_t k = 0;

		for (uint64_t i = 0; i < p->n && r == 0; i++) {
			const uint64_t pos = p->past[i];

			at[i] = k;
			over[i] |= m->positions && pos >= m->positions;
			if (over[i])
				continue;
			p->ids[k] = argmax(p->next + i * m->vocab, m->vocab);
			over[i] = p->ids[k] == m->eos;
			r = capseq_add(c->seqs, head(c), p->first + i, p->ids[k], pos, &p->to[k]);
			k++;
		}
		at[p->n] = k;
		if (!k || r < 0)
			break;
		ids->ids = p->ids;
		ids->at = at;
		c->to[head(c)] = p->to;
		p->batch.next = step < c->generate ? p->next : NULL;
		r = model_run(c->m, &p->batch, c->seen, c->arg, why);
		for (uint64_t i = 0; i < p->n; i++)
			p->past[i] += at[i + 1] - at[i];
	}
	free(over);
	return r;
}

/* Keys and values that stay: of the longest sequence, and of what is generated. */
static uint64_t
kept(const struct caprun *c, const struct piece *p)
{
	const uint64_t most = c->m->info.positions, *at = p->at[head(c)];
	uint64_t n = 0;

	for (uint64_t i = 0; i < p->n; i++)
		n = MAX(n, at[i + 1] - at[i]);
	n += c->generate;
	return most ? MIN(n, most) : n;
}

static void
losses(struct caprun *c, const struct piece *p)
{
	const uint64_t *at = p->at[head(c)];

	for (uint64_t i = 0; i < p->n; i++) {
		const uint64_t rows = at[i + 1] - at[i];
		double sum = 0;

		for (uint64_t k = at[i]; k < at[i + 1]; k++)
			sum += p->nll[k];
		c->loss[p->first + i] = rows > 1 ? sum / (double)(rows - 1) : NAN;
	}
}

int
caprun(struct caprun *c, uint64_t first, uint64_t end, char *why)
{
	const int two = head(c) == CAPSEQ_TARGET && c->m->opts.decoder;
	const uint64_t n = end - first, vocab = c->m->info.vocab;
	struct piece p = {.first = first, .n = n};
	size_t bytes;
	int r = TR_ENOMEM;

	for (int k = 0; k < 2; k++) {
		const struct capseq_side *s = &c->seqs->side[k];

		if (!(p.at[k] = calloc(n + 1, sizeof *p.at[k])))
			goto out;
		for (uint64_t i = 0; i <= n; i++)
			p.at[k][i] = s->at[first + i] - s->at[first];
		c->to[k] = s->to + s->at[first];
	}
	p.batch.n = n;
	p.batch.source =
		(struct model_ids){c->seqs->side[0].ids + c->seqs->side[0].at[first], p.at[0]};
	if (two)
		p.batch.target = (struct model_ids){
			c->seqs->side[1].ids + c->seqs->side[1].at[first], p.at[1]};
	if (c->loss && !(p.batch.nll = p.nll = calloc(p.at[head(c)][n] + 1, sizeof *p.nll)))
		goto out;
	if (c->generate) {
		if (!(p.past = calloc(n, sizeof *p.past)) || !(p.ids = calloc(n, sizeof *p.ids)) ||
		    !(p.to = calloc(n, sizeof *p.to)) || size_mul(n, vocab, &bytes) < 0 ||
		    !(p.batch.next = p.next = calloc(bytes, sizeof *p.next)))
			goto out;
		c->m->opts.keep = kept(c, &p);
	}
	r = model_run(c->m, &p.batch, c->seen, c->arg, why);
	if (r == 0 && c->loss)
		losses(c, &p);
	if (r == 0 && c->generate)
		r = generate(c, &p, why);
out:
	if (r == TR_ENOMEM && !*why)
		model_why(why, "no memory for %llu sequences", (unsigned long long)n);
	free(p.at[0]);
	free(p.at[1]);
	free(p.past);
	free(p.ids);
	free(p.to);
	free(p.next);
	free(p.nll);
	return r;
}
