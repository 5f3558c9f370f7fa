/*
 * Checkpoints of t/refs against what a second program says of them, TAP: of each folder
 * that is named, config.json and safetensors, ids.txt and expected.npz.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/core/size.h"
#include "../../lib/format/array.h"
#include "../../lib/model/model.h"

enum { LAYERS = 64, SEQUENCES = 16, ROWS = 4096 };

#define NEAR 1e-4 /* of logits */
#define GAP 1e-3  /* two that are nearer may change places */

static int tests;
static const char *dir;

static void
end(int ok, const char *what)
{
	printf("%sok %d - %s: %s\n", ok ? "" : "not ", ++tests, strrchr(dir, '/') + 1, what);
}

static char *
slurp(const char *name, size_t *n)
{
	char file[4096], *p = NULL;
	FILE *f;

	snprintf(file, sizeof file, "%s/%s", dir, name);
	if (!(f = fopen(file, "rb")) || fseek(f, 0, SEEK_END) < 0)
		goto bad;
	*n = (size_t)ftell(f);
	rewind(f);
	if (!(p = calloc(*n + 1, 1)) || fread(p, 1, *n, f) != *n)
		goto bad;
	fclose(f);
	return p;
bad:
	printf("Bail out! %s\n", file);
	exit(1);
}

/* What is expected, and what runs say of the same rows. */
struct said {
	uint64_t layers, layer[LAYERS], rows, experts, topk;
	float *logit[LAYERS], *w[LAYERS];
	uint16_t *ids[LAYERS];
	float *next, *nll; /* [n][vocab], [rows] */
};

static struct {
	uint32_t ids[ROWS];
	uint64_t n, at[SEQUENCES + 1], vocab;
} tokens;

static void
read_tokens(void)
{
	size_t n;
	char *text = slurp("ids.txt", &n), *p = text, *to;

	tokens.n = 0;
	for (uint64_t at = 0; *p; p = to) {
		tokens.ids[at] = (uint32_t)strtoul(p, &to, 10);
		if (to == p)
			break;
		at++;
		if (*to == '\n')
			tokens.at[++tokens.n] = at;
	}
	free(text);
}

static float *
floats(const struct array_list *l, const char *name, uint64_t layer, uint64_t *rows, uint64_t *cols)
{
	char path[64];
	const struct array *a;
	float *x;

	snprintf(path, sizeof path, layer == TR_NONE ? "%s" : "%s.%llu", name,
		 (unsigned long long)layer);
	if (!(a = array_find(l, path)))
		return NULL;
	*rows = a->dim[0];
	*cols = a->ndim > 1 ? a->dim[1] : 1;
	x = malloc(*rows * *cols * sizeof *x);
	array_f32(a, 0, *rows, x);
	return x;
}

static void
read_expected(struct said *s)
{
	static const struct array_opts opts = {0};
	struct array_list l = {0};
	uint64_t rows, cols;
	size_t n;
	char *p = slurp("expected.npz", &n);

	memset(s, 0, sizeof *s);
	if (array_read(&l, (unsigned char *)p, n, &opts) < 0) {
		printf("Bail out! %s/expected.npz: %s\n", dir, l.err);
		exit(1);
	}
	for (uint64_t i = 0; i < LAYERS; i++) {
		float *logit = floats(&l, "logit", i, &s->rows, &s->experts), *ids;

		if (!logit)
			continue;
		s->logit[s->layers] = logit;
		s->w[s->layers] = floats(&l, "w", i, &rows, &s->topk);
		ids = floats(&l, "ids", i, &rows, &cols);
		s->ids[s->layers] = malloc(rows * cols * sizeof **s->ids);
		for (uint64_t k = 0; k < rows * cols; k++)
			s->ids[s->layers][k] = (uint16_t)ids[k];
		free(ids);
		s->layer[s->layers++] = i;
	}
	s->next = floats(&l, "next", TR_NONE, &rows, &tokens.vocab);
	s->nll = floats(&l, "nll", TR_NONE, &rows, &cols);
	array_free(&l);
	free(p);
}

/* As wide as e, with nothing in it that is right. */
static void
said_new(struct said *s, const struct said *e)
{
	*s = *e;
	for (uint64_t i = 0; i < e->layers; i++) {
		s->logit[i] = calloc(e->rows * e->experts, sizeof **s->logit);
		s->w[i] = calloc(e->rows * e->topk, sizeof **s->w);
		s->ids[i] = calloc(e->rows * e->topk, sizeof **s->ids);
	}
	s->next = calloc(tokens.n * tokens.vocab, sizeof *s->next);
	s->nll = calloc(e->rows, sizeof *s->nll);
}

static void
said_free(struct said *s)
{
	for (uint64_t i = 0; i < s->layers; i++) {
		free(s->logit[i]);
		free(s->w[i]);
		free(s->ids[i]);
	}
	free(s->next);
	free(s->nll);
}

/* A run of parts of the sequences: row i of it is row[i] of all. */
struct part {
	struct said *to;
	uint64_t row[ROWS], at[SEQUENCES + 1], past[SEQUENCES];
	uint32_t ids[ROWS];
	float nll[ROWS];
	uint64_t seen;
};

static int
seen(void *arg, const struct model_route *r)
{
	struct part *p = arg;
	struct said *s = p->to;

	for (uint64_t l = 0; l < s->layers; l++)
		for (uint64_t i = 0; s->layer[l] == r->layer && i < r->rows; i++) {
			const uint64_t to = p->row[i];

			memcpy(s->logit[l] + to * s->experts, r->logit + i * s->experts,
			       s->experts * sizeof *r->logit);
			memcpy(s->w[l] + to * s->topk, r->w + i * s->topk, s->topk * sizeof *r->w);
			memcpy(s->ids[l] + to * s->topk, r->ids + i * s->topk,
			       s->topk * sizeof *r->ids);
			p->seen++;
		}
	return 0;
}

/* Rows [past[i], until[i]) of each sequence. */
static int
run(struct model *m, struct said *to, const uint64_t *past, const uint64_t *until, int head)
{
	static struct part p;
	char why[MODEL_WHY];
	uint64_t n = 0;

	p.to = to;
	for (uint64_t i = 0; i < tokens.n; i++) {
		p.past[i] = past[i];
		for (uint64_t k = past[i]; k < until[i]; k++) {
			p.row[n] = tokens.at[i] + k;
			p.ids[n] = tokens.ids[tokens.at[i] + k];
			n++;
		}
		p.at[i + 1] = n;
	}
	const struct model_batch b = {
		.n = tokens.n,
		.source = {p.ids, p.at},
		.past = m->opts.keep ? p.past : NULL,
		.next = head ? to->next : NULL,
		.nll = head ? p.nll : NULL,
	};

	if (model_run(m, &b, seen, &p, why) < 0) {
		printf("# %s\n", why);
		return -1;
	}
	for (uint64_t i = 0; head && i < n; i++)
		to->nll[p.row[i]] = p.nll[i];
	return 0;
}

static double
off(const float *a, const float *b, uint64_t n)
{
	double most = 0;

	for (uint64_t i = 0; i < n; i++) {
		const double d = fabs((double)a[i] - b[i]);

		most = d <= most ? most : d; /* NaN counts */
	}
	return most;
}

/* Are the picks, and the one after them, further apart than GAP? */
static int
clear(const float *logit, uint64_t experts, const uint16_t *ids, uint64_t k)
{
	for (uint64_t i = 0; i < k; i++)
		for (uint64_t x = 0; x < experts; x++)
			if (x != ids[i] && fabsf(logit[x] - logit[ids[i]]) <= GAP)
				return 0;
	return 1;
}

static void
compare(const struct said *got, const struct said *e, const char *how, int head)
{
	double most = 0, w = 0;
	uint64_t wrong = 0, few = 0;
	char what[256];

	for (uint64_t l = 0; l < e->layers; l++) {
		most = fmax(most, off(got->logit[l], e->logit[l], e->rows * e->experts));
		for (uint64_t i = 0; i < e->rows; i++) {
			const uint64_t at = i * e->topk;

			if (!clear(e->logit[l] + i * e->experts, e->experts, e->ids[l] + at,
				   e->topk)) {
				few++;
				continue;
			}
			wrong += memcmp(got->ids[l] + at, e->ids[l] + at,
					e->topk * sizeof **e->ids) != 0;
			w = fmax(w, off(got->w[l] + at, e->w[l] + at, e->topk));
		}
	}
	snprintf(what, sizeof what, "%s: logits (%.1e), %llu of %llu picks wrong, weights (%.1e)",
		 how, most, (unsigned long long)wrong,
		 (unsigned long long)(e->rows * e->layers - few), w);
	end(most <= NEAR && !wrong && w <= NEAR && few < e->rows * e->layers / 4, what);
	if (!head)
		return;
	most = off(got->next, e->next, tokens.n * tokens.vocab);
	w = off(got->nll, e->nll, e->rows);
	snprintf(what, sizeof what, "%s: logits of the head (%.1e), losses (%.1e)", how, most, w);
	end(most <= NEAR && w <= NEAR, what);
}

static int
open_model(struct model *m, int head, uint64_t keep, int jobs, const struct tr_list *layers)
{
	const struct model_opts o = {.head = head,
				     .keep = keep,
				     .layers = layers,
				     .engine = {.type = TR_F32, .jobs = jobs, .gpu = -1}};
	char why[MODEL_WHY];

	if (model_open(m, dir, &o, why) == 0)
		return 0;
	printf("# %s\n", why);
	return -1;
}

static void
whole(const struct said *e, struct said *got)
{
	uint64_t past[SEQUENCES] = {0}, until[SEQUENCES];
	struct model m;

	for (uint64_t i = 0; i < tokens.n; i++)
		until[i] = tokens.at[i + 1] - tokens.at[i];
	if (open_model(&m, 1, 0, 1, NULL) < 0 || run(&m, got, past, until, 1) < 0)
		end(0, "runs");
	else
		compare(got, e, "at once", 1);
	model_close(&m);
}

/* In steps, each after what is kept of those before: many rows, some, none, and one by one. */
static void
steps(const struct said *e)
{
	static const uint64_t ends[] = {1, 17, 18, 33, 34, 35, UINT64_MAX};
	uint64_t past[SEQUENCES] = {0}, until[SEQUENCES], most = 0;
	struct model m;
	struct said got;
	int bad = 0;

	said_new(&got, e);
	for (uint64_t i = 0; i < tokens.n; i++)
		most = MAX(most, tokens.at[i + 1] - tokens.at[i]);
	if (open_model(&m, 1, most, 1, NULL) < 0)
		bad = 1;
	for (size_t s = 0; s < LEN(ends) && !bad; s++) {
		for (uint64_t i = 0; i < tokens.n; i++)
			until[i] = MIN(ends[s], tokens.at[i + 1] - tokens.at[i]);
		bad = run(&m, &got, past, until, 1) < 0;
		for (uint64_t i = 0; i < tokens.n; i++) {
			const uint64_t last = tokens.at[i] + until[i] - 1;

			/* its loss needs the token after it, which comes with the next step */
			bad |= past[i] < until[i] && got.nll[last] != 0;
			got.nll[last] = e->nll[last];
		}
		memcpy(past, until, sizeof past);
	}
	if (bad)
		end(0, "runs in steps");
	else
		compare(&got, e, "in steps", 1);
	/* the same model, that keeps nothing any more, and then is said to */
	said_free(&got);
	said_new(&got, e);
	memset(past, 0, sizeof past);
	m.opts.keep = 0;
	if (bad || run(&m, &got, past, until, 0) < 0)
		end(0, "runs without what was kept");
	else
		compare(&got, e, "without what was kept", 0);
	past[tokens.n - 1] = 1;
	m.opts.keep = most;
	end(run(&m, &got, past, until, 0) < 0, "does not go on after rows that are not kept");
	model_close(&m);
	said_free(&got);
}

/* One layer alone, and with threads: the same bits. */
static void
parts(const struct said *e, const struct said *all)
{
	uint64_t past[SEQUENCES] = {0}, until[SEQUENCES];
	const uint64_t first = e->layer[0];
	struct tr_list one = {0};
	struct said got;
	struct model m;
	int same = 1;

	said_new(&got, e);
	for (uint64_t i = 0; i < tokens.n; i++)
		until[i] = tokens.at[i + 1] - tokens.at[i];
	tr_list_add(&one, first);
	if (open_model(&m, 0, 0, 3, &one) < 0 || run(&m, &got, past, until, 0) < 0)
		same = 0;
	same = same && tr_list_count(&m.info.routed) == 1 &&
	       !memcmp(got.logit[0], all->logit[0], e->rows * e->experts * sizeof *got.logit[0]);
	if (e->layers > 1)
		same = same && got.ids[1][0] == 0 && got.logit[1][0] == 0;
	end(same, "one layer, three threads: the same bits");
	model_close(&m);
	tr_list_free(&one);
	said_free(&got);
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct said e, got;

		dir = argv[i];
		read_tokens();
		read_expected(&e);
		said_new(&got, &e);
		whole(&e, &got);
		steps(&e);
		parts(&e, &got);
		said_free(&got);
		said_free(&e);
	}
	printf("1..%d\n", tests);
	return 0;
}
