/* A small Switch checkpoint, written here, by steps and at once; its head.  TAP. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/core/rng.h"
#include "../../lib/core/size.h"
#include "../../lib/model/model.h"

enum { VOCAB = 50, D = 16, DK = 5, HEADS = 3, FF = 11, EXPERTS = 4, KEEP = 20, ROWS = 60 };

static int tests;

static void
end(int ok, const char *what)
{
	printf("%sok %d - %s\n", ok ? "" : "not ", ++tests, what);
}

/* ---- a checkpoint ---- */

struct file {
	char head[1 << 16];
	size_t n;
	float *data;
	uint64_t numbers, tensors;
};

static void
put(struct file *f, const char *name, uint64_t rows, uint64_t cols, float by)
{
	const uint64_t n = MAX(rows, (uint64_t)1) * cols;

	f->data = realloc(f->data, (f->numbers + n) * sizeof *f->data);
	for (uint64_t i = 0; i < n; i++)
		f->data[f->numbers + i] =
			(rows ? 0 : 1) + by * (float)(2 * rng_f64(9, f->tensors, i) - 1);
	f->n += (size_t)snprintf(f->head + f->n, sizeof f->head - f->n,
				 "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[", f->n ? "," : "{", name);
	if (rows)
		f->n += (size_t)snprintf(f->head + f->n, sizeof f->head - f->n, "%d,", (int)rows);
	f->n += (size_t)snprintf(f->head + f->n, sizeof f->head - f->n,
				 "%d],\"data_offsets\":[%d,%d]}", (int)cols, (int)f->numbers * 4,
				 (int)(f->numbers + n) * 4);
	f->numbers += n;
	f->tensors++;
}

static void
attention(struct file *f, const char *layer, const char *kind)
{
	char name[128];

	for (const char *x = "qkv"; *x; x++) {
		snprintf(name, sizeof name, "%s.%s.%c.weight", layer, kind, *x);
		put(f, name, HEADS * DK, D, .6f);
	}
	snprintf(name, sizeof name, "%s.%s.o.weight", layer, kind);
	put(f, name, D, HEADS * DK, .6f);
	snprintf(name, sizeof name, "%s.layer_norm.weight", layer);
	put(f, name, 0, D, .3f);
}

static void
block(struct file *f, const char *side, int i)
{
	char layer[64], name[128];
	const int last = *side == 'd' ? 2 : 1;

	snprintf(layer, sizeof layer, "%s.block.%d.layer.0", side, i);
	attention(f, layer, "SelfAttention");
	snprintf(name, sizeof name, "%s.SelfAttention.relative_attention_bias.weight", layer);
	if (i == 0)
		put(f, name, 8, HEADS, 1);
	snprintf(layer, sizeof layer, "%s.block.%d.layer.1", side, i);
	if (last == 2)
		attention(f, layer, "EncDecAttention");
	snprintf(name, sizeof name, "%s.block.%d.layer.%d.layer_norm.weight", side, i, last);
	put(f, name, 0, D, .3f);
	snprintf(layer, sizeof layer, "%s.block.%d.layer.%d.mlp", side, i, last);
	if (i % 2) {
		snprintf(name, sizeof name, "%s.router.classifier.weight", layer);
		put(f, name, EXPERTS, D, 1);
	}
	for (int e = 0; e < (i % 2 ? EXPERTS : 1); e++) {
		char expert[32] = "";

		if (i % 2)
			snprintf(expert, sizeof expert, ".experts.expert_%d", e);
		snprintf(name, sizeof name, "%s%s.wi.weight", layer, expert);
		put(f, name, FF, D, .6f);
		snprintf(name, sizeof name, "%s%s.wo.weight", layer, expert);
		put(f, name, D, FF, .6f);
	}
}

/* dir/config.json and dir/model.safetensors; tied 0: a head that is the embedding / sqrt(D). */
static void
checkpoint(const char *dir, int tied)
{
	struct file f = {{0}};
	char path[4096];
	FILE *out;

	put(&f, "shared.weight", VOCAB, D, 2);
	for (int i = 0; i < 4; i++)
		block(&f, i < 2 ? "encoder" : "decoder", i % 2);
	put(&f, "encoder.final_layer_norm.weight", 0, D, .3f);
	put(&f, "decoder.final_layer_norm.weight", 0, D, .3f);
	if (!tied) {
		put(&f, "lm_head.weight", VOCAB, D, 0);
		for (int i = 0; i < VOCAB * D; i++)
			f.data[f.numbers - VOCAB * D + i] = f.data[i] / 4;
	}
	f.head[f.n++] = '}';
	while (f.n % 8)
		f.head[f.n++] = ' ';
	snprintf(path, sizeof path, "%s/model.safetensors", dir);
	if (!(out = fopen(path, "wb")))
		exit(1);
	fwrite(&(uint64_t){f.n}, 8, 1, out);
	fwrite(f.head, f.n, 1, out);
	fwrite(f.data, sizeof *f.data, f.numbers, out);
	fclose(out);
	snprintf(path, sizeof path, "%s/config.json", dir);
	if (!(out = fopen(path, "w")))
		exit(1);
	fprintf(out,
		"{\"model_type\":\"switch_transformers\",\"vocab_size\":%d,\"d_model\":%d,"
		"\"d_kv\":%d,\"d_ff\":%d,\"num_heads\":%d,\"num_layers\":2,"
		"\"num_decoder_layers\":2,\"encoder_sparse_step\":2,\"decoder_sparse_step\":2,"
		"\"num_experts\":%d,\"expert_capacity\":3,\"relative_attention_num_buckets\":8,"
		"\"relative_attention_max_distance\":9,\"pad_token_id\":7,"
		"\"tie_word_embeddings\":%s}",
		VOCAB, D, DK, FF, HEADS, EXPERTS, tied ? "true" : "false");
	fclose(out);
	free(f.data);
}

/* ---- what its routers did ---- */

/* Of layer 1, the encoder's, and 3, the decoder's. */
struct told {
	uint64_t rows[2];
	float logit[2][ROWS * EXPERTS];
	uint16_t ids[2][ROWS];
	uint8_t dropped[2][ROWS];
};

static int
take(void *arg, const struct model_route *r)
{
	struct told *t = arg;
	const int k = r->layer == 3;
	const uint64_t at = t->rows[k];

	memcpy(t->logit[k] + at * EXPERTS, r->logit, r->rows * EXPERTS * sizeof(float));
	memcpy(t->ids[k] + at, r->ids, r->rows * sizeof *r->ids);
	memcpy(t->dropped[k] + at, r->dropped, r->rows);
	t->rows[k] += r->rows;
	return 0;
}

static const uint32_t source[] = {4, 9, 9, 9, 1, 30, 49, 9, 9, 0, 8, 17, 17, 17, 17, 17, 3};
static const uint64_t sat[] = {0, 10, 11, 17};
static const uint32_t target[] = {7, 3, 3, 3, 3, 41, 3, 3, 3, 3, 7, 2, 12, 7, 7, 7, 7, 7, 7, 7};
static const uint64_t tat[] = {0, 10, 13, 20};
enum { SEQS = 3, TARGET = 20 };

static void
opened(struct model *m, const char *dir, int jobs, int residual)
{
	struct model_opts o = {.decoder = 1,
			       .head = 1,
			       .keep = KEEP,
			       .residual = residual,
			       .engine = {.type = TR_F32, .jobs = jobs, .gpu = -1}};
	char why[MODEL_WHY];

	if (model_open(m, dir, &o, why) < 0) {
		printf("Bail out! %s\n", why);
		exit(1);
	}
}

struct all {
	struct told told;
	float next[SEQS * VOCAB], nll[TARGET];
};

static int
whole(const char *dir, int jobs, int residual, struct all *a)
{
	struct model m;
	const struct model_batch b = {SEQS, {source, sat}, {target, tat}, NULL, a->next, a->nll};
	char why[MODEL_WHY];
	int r;

	opened(&m, dir, jobs, residual);
	memset(a, 0, sizeof *a);
	r = model_run(&m, &b, take, &a->told, why);
	model_close(&m);
	return r;
}

/* Rows in runs of `step` of each sequence, and where they stand in the whole. */
static int
stepped(struct model *m, uint64_t step, struct all *a)
{
	uint64_t past[SEQS] = {0};
	char why[MODEL_WHY];
	int r = 0;

	memset(a, 0, sizeof *a);
	for (int begun = 0; r == 0; begun = 1) {
		uint64_t at[SEQS + 1] = {0}, n = 0, where[TARGET];
		uint32_t ids[TARGET];
		float nll[TARGET];
		struct told t = {{0}};

		for (int i = 0; i < SEQS; i++) {
			for (uint64_t k = past[i]; k < MIN(past[i] + step, tat[i + 1] - tat[i]);
			     k++) {
				where[n] = tat[i] + k;
				ids[n++] = target[tat[i] + k];
			}
			at[i + 1] = n;
		}
		if (!n)
			break;
		const struct model_batch b = {
			SEQS, {source, sat}, {ids, at}, begun ? past : NULL, a->next, nll};

		r = model_run(m, &b, take, &t, why);
		if (!begun) {
			memcpy(a->told.logit[0], t.logit[0], sizeof t.logit[0]);
			a->told.rows[0] = t.rows[0];
		}
		for (uint64_t k = 0; k < n; k++) {
			memcpy(a->told.logit[1] + where[k] * EXPERTS, t.logit[1] + k * EXPERTS,
			       EXPERTS * sizeof(float));
			a->told.ids[1][where[k]] = t.ids[1][k];
			a->told.dropped[1][where[k]] = t.dropped[1][k];
		}
		a->told.rows[1] += t.rows[1];
		for (int i = 0; i < SEQS; i++) {
			/* the token after the last but one of a step is known in the next */
			for (uint64_t k = at[i]; k + 1 < at[i + 1]; k++)
				a->nll[where[k]] = nll[k];
			if (at[i + 1] > at[i] &&
			    past[i] + at[i + 1] - at[i] < tat[i + 1] - tat[i]) {
				const float *x = a->next + i * VOCAB;
				double sum = 0;

				for (int v = 0; v < VOCAB; v++)
					sum += exp(x[v]);
				a->nll[where[at[i + 1] - 1]] =
					(float)(log(sum) - x[target[where[at[i + 1] - 1] + 1]]);
			}
			past[i] += at[i + 1] - at[i];
		}
	}
	return r;
}

static double
apart(const float *a, const float *b, uint64_t n)
{
	double most = 0;

	for (uint64_t i = 0; i < n; i++)
		most = fmax(most, fabs((double)a[i] - b[i]));
	return most;
}

static void
steps(const char *dir)
{
	static struct all once, many;
	struct model m;
	int dropped = 0;

	opened(&m, dir, 1, 0);
	end(whole(dir, 1, 0, &once) == 0 && once.told.rows[0] == 17 && once.told.rows[1] == TARGET,
	    "all rows of source and target are told");
	for (int i = 0; i < TARGET; i++)
		dropped += once.told.dropped[1][i];
	end(dropped > 2 && dropped < TARGET, "some rows of the decoder are dropped");
	for (uint64_t step = 1; step < 5; step += 3) {
		/* twice, since what was kept before is forgotten */
		int r = stepped(&m, step, &many) | stepped(&m, step, &many);

		end(r == 0 && many.told.rows[0] == 17 && many.told.rows[1] == TARGET &&
			    !memcmp(once.told.logit[1], many.told.logit[1],
				    TARGET * EXPERTS * sizeof(float)) &&
			    !memcmp(once.told.ids[1], many.told.ids[1], TARGET * 2),
		    "by steps: the same bits of logits, the same picks");
		end(!memcmp(once.told.dropped[1], many.told.dropped[1], TARGET),
		    "by steps: the same rows are dropped");
		end(!memcmp(once.next, many.next, sizeof once.next), "by steps: the same next");
		end(apart(once.nll, many.nll, TARGET) < 1e-5, "nll is that of next");
	}
	end(!once.nll[9] && !once.nll[12] && !once.nll[19] && once.nll[0] > 0,
	    "nll of the last is 0");
	whole(dir, 3, 0, &many);
	end(!memcmp(&once, &many, sizeof once), "three threads: the same bits");
	whole(dir, 1, 1, &many);
	end(!memcmp(once.told.logit[0], many.told.logit[0], 17 * EXPERTS * 4) &&
		    apart(once.next, many.next, SEQS * VOCAB) > 1e-3,
	    "what a dropped row keeps shows behind it");
	model_close(&m);
}

static void
heads(const char *dir)
{
	static struct all tied, apt;

	whole(dir, 1, 0, &tied);
	checkpoint(dir, 0);
	end(whole(dir, 1, 0, &apt) == 0 && apart(tied.next, apt.next, SEQS * VOCAB) < 1e-5 &&
		    apart(tied.next, tied.next + VOCAB, VOCAB) > .1,
	    "a head of its own that is the embedding by d^-0.5: the same");
	checkpoint(dir, 1);
}

static void
refused(const char *dir)
{
	struct model m;
	const uint64_t past[SEQS] = {KEEP - 9, 0, 0}, empty[] = {0, 0, 11, 17}, two[] = {0, 10, 11};
	struct told t = {{0}};
	char why[MODEL_WHY];
	struct model_batch b = {SEQS, {source, sat}, {target, tat}};

	opened(&m, dir, 1, 0);
	end(m.info.start == 7 && m.info.eos == 1, "the first id is the pad's, the last T5's");
	b.past = past;
	end(model_run(&m, &b, take, &t, why) == TR_EVALUE &&
		    strstr(why, "21 tokens, but 20 are kept"),
	    "more than is kept");
	b.past = (const uint64_t[SEQS]){0};
	end(model_run(&m, &b, take, &t, why) == TR_EVALUE &&
		    strstr(why, "3 sequences go on, but 0 are kept"),
	    "nothing has begun");
	b.past = NULL;
	b.source.at = empty;
	end(model_run(&m, &b, take, &t, why) == TR_EVALUE &&
		    strstr(why, "sequence 0 has a target and no source"),
	    "a target without a source");
	b.n = 2;
	b.source.at = b.target.at = two;
	b.target.ids = source;
	t = (struct told){{0}};
	end(model_run(&m, &b, take, &t, why) == 0 && t.rows[1] == 11, "then one that can be");
	b.target.ids = (const uint32_t[]){1, 2, 50, 1, 1, 1, 1, 1, 1, 1, 1};
	end(model_run(&m, &b, take, &t, why) == TR_EVALUE && strstr(why, "id 50 of token 2"),
	    "an id of the target");
	model_close(&m);

	struct model_opts o = {.engine = {.type = TR_F32, .jobs = 1, .gpu = -1}};

	if (model_open(&m, dir, &o, why) < 0)
		exit(1);
	b = (struct model_batch){SEQS, {source, sat}, .past = past};
	end(model_run(&m, &b, take, &t, why) == TR_EVALUE && strstr(why, "nothing is kept"),
	    "nothing is kept");
	model_close(&m);
}

int
main(int argc, char **argv)
{
	if (argc < 2)
		return 1;
	checkpoint(argv[1], 1);
	steps(argv[1]);
	heads(argv[1]);
	refused(argv[1]);
	printf("1..%d\n", tests);
	return 0;
}
