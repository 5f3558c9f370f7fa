/*
 * trace2log: a trace in, the JSON log of router logits out that the pipelines write:
 * their keys in their order, a sample a batch.  One frame is held, and what is known
 * of samples that come.  spec: router-analysis.md section 1.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/format/json.h"
#include "../../lib/format/pyfloat.h"
#include "num.h"
#include "size.h"
#include "tool.h"

static int indent;

static const struct opt opts[] = {
	{0, "indent", NULL, OPT_FLAG, &indent, "two blanks a level, a number a line", 0, 0},
	{0},
};

static struct tool t = {"trace2log", "[FILE ...]", "write a trace as a JSON log of router logits",
			opts, TOOL_BYTES};

struct seq {
	uint64_t batch, sample, tokens;
	double loss;
};

static struct json_out o;
static struct seq *queue;
static size_t nqueue, first, capqueue;
static uint64_t open_batch = TR_NONE, last = TR_NONE;
static int logs;

static void
check(void)
{
	if (o.bad)
		tool_broken(&t);
}

/* What stands before element i of a list at a depth. */
static char *
before(char *to, uint64_t i, int depth)
{
	if (i)
		*to++ = ',';
	if (!indent) {
		if (i)
			*to++ = ' ';
		return to;
	}
	*to++ = '\n';
	memset(to, ' ', (size_t)(2 * depth));
	return to + 2 * depth;
}

/* [rows][width] of ids, or of floats; without width []. */
static void
matrix(const char *key, const struct tr_ids *ids, const struct tr_col *c, uint64_t rows,
       uint32_t width)
{
	float *x = xmalloc((width + 1) * sizeof *x);
	int depth = o.depth + 1;

	json_put_key(&o, key);
	json_put_raw(&o, "[", 1);
	for (uint64_t r = 0; r < rows; r++) {
		char *start = json_put_room(&o, (size_t)width * (PYFLOAT_MAX + 2 * 16) + 64), *to;

		if (!start)
			break;
		to = before(start, r, depth);
		*to++ = '[';
		if (c)
			col_f32(c, r * width, width, x);
		for (uint32_t i = 0; i < width; i++) {
			to = before(to, i, depth + 1);
			if (!c) {
				uint32_t id = tr_id(ids, r * width + i);

				to += num_put_i64(to, id == UINT32_MAX ? -1 : (int64_t)id);
			} else if (x[i] - x[i] == 0) {
				to += pyfloat_f32(to, x[i]);
			} else {
				const char *odd = x[i] != x[i] ? "NaN"
						  : x[i] > 0   ? "Infinity"
							       : "-Infinity";

				memcpy(to, odd, strlen(odd));
				to += strlen(odd);
			}
		}
		if (width && indent)
			to = before(to, 0, depth);
		*to++ = ']';
		o.n += (size_t)(to - start);
	}
	if (rows && indent) {
		json_put_bytes(&o, "\n                        ", 1 + 2 * (size_t)(depth - 1));
	}
	json_put_bytes(&o, "]", 1);
	free(x);
	check();
}

static void
text(const struct tr_frame *f, const char *key, const char *as, const char *otherwise)
{
	char buf[TR_HEADER_MAX];
	int n = tr_text(f, key, buf, sizeof buf);

	if (n <= 0 && !otherwise)
		return;
	json_put_key(&o, as);
	if (n > 0)
		json_put_str(&o, buf, (size_t)n);
	else
		json_put_str(&o, otherwise, strlen(otherwise));
}

static void
number(const char *key, uint64_t n)
{
	json_put_key(&o, key);
	json_put_u64(&o, n);
}

/* What stands before the samples; the data set is that of the first where @trace tells none. */
static void
head(const struct tr_frame *f, const struct tr_frame *first_seq)
{
	const struct tr_sect *s = tool_section(&t);
	const char *val;
	uint64_t n;

	json_put_open(&o, '{');
	text(f, "model", "config", "");
	text(f, "log.strategy", "strategy", "topk_baseline");
	number("num_experts", s->experts);
	number("top_k", s->topk);
	text(first_seq && !tr_key(f, "dataset", &val) ? first_seq : f, "dataset", "dataset", "");
	if ((n = tr_get(f, "log.max_samples", TR_NONE)) != TR_NONE)
		number("max_samples", n);
	text(f, "log.timestamp", "timestamp", NULL);
	number("num_layers", s->layers);
	json_put_key(&o, "samples");
	json_put_open(&o, '[');
	check();
}

static void
close_sample(void)
{
	if (open_batch == TR_NONE)
		return;
	json_put_close(&o);
	json_put_close(&o);
	open_batch = TR_NONE;
}

/* rows: how many tokens it has where nothing tells it. */
static void
open_sample(const struct seq *s, uint64_t rows)
{
	close_sample();
	json_put_open(&o, '{');
	number("sample_id", s->sample);
	number("num_tokens", s->tokens == TR_NONE ? rows : s->tokens);
	json_put_key(&o, "loss");
	if (isfinite(s->loss)) {
		char buf[PYFLOAT_MAX];

		json_put_raw(&o, buf, pyfloat_f64(buf, s->loss));
	} else {
		json_put_word(&o, "null");
	}
	json_put_key(&o, "layers");
	json_put_open(&o, '[');
	open_batch = last = s->batch;
	check();
}

static void
add_seq(const struct tr_frame *f)
{
	uint64_t batch = tr_get(f, "batch", 0);
	char loss[64];
	int n = tr_text(f, "loss", loss, sizeof loss);
	struct seq s = {batch, tr_get(f, "sample", batch), tr_get(f, "tokens", TR_NONE), NAN};

	if (n > 0 && num_f64(loss, loss + n, &s.loss))
		s.loss = NAN;
	if ((nqueue > first && queue[nqueue - 1].batch >= batch) ||
	    (last != TR_NONE && last >= batch))
		die("batch %" PRIu64 " has several sequences, or comes late: a sample is a batch",
		    batch);
	if (first == nqueue)
		first = nqueue = 0;
	if (nqueue == capqueue)
		queue = xrealloc(queue, capqueue = capqueue ? 2 * capqueue : 64, sizeof *queue);
	queue[nqueue++] = s;
}

static void
route(const struct tr_frame *f)
{
	uint64_t batch = tr_get(f, "batch", 0), layer = tool_key(&t, f, "layer");
	struct tr_col w, logit;
	struct tr_ids ids;

	if (batch != open_batch) {
		if (last != TR_NONE && batch <= last)
			die("batch %" PRIu64 " comes late: trace-sort --order batch,layer helps",
			    batch);
		while (first < nqueue && queue[first].batch < batch)
			open_sample(&queue[first++], 0);
		if (first < nqueue && queue[first].batch == batch)
			open_sample(&queue[first++], f->rows);
		else
			open_sample(&(struct seq){batch, batch, f->rows, NAN}, f->rows);
	}
	tool_ids(&t, f, &ids);
	tool_col(&t, f, "w", &w);
	tool_col(&t, f, "logit", &logit);
	if (w.width != ids.k)
		die("w and ids differ in width");
	json_put_open(&o, '{');
	number("layer", layer);
	json_put_key(&o, "router_logits_shape");
	json_put_open(&o, '[');
	json_put_u64(&o, f->rows);
	json_put_u64(&o, logit.width);
	json_put_close(&o);
	matrix("router_logits_sample", NULL, &logit, f->rows, logit.width);
	matrix("selected_experts", &ids, NULL, f->rows, ids.k);
	matrix("expert_weights", NULL, &w, f->rows, w.width);
	json_put_close(&o);
}

static int
drain(void *arg, const void *p, size_t n)
{
	return sink_put(arg, p, n);
}

int
main(int argc, char **argv)
{
	static struct tr_frame f, trace;
	int begun = 0;

	tool_start(&t, argc, argv);
	o.style = indent ? JSON_PRETTY : JSON_PYTHON;
	o.drain = drain;
	o.arg = t.sink;
	while (tool_next(&t, &f)) {
		const int seq = !strcmp(f.kind, "seq"), routes = !strcmp(f.kind, "route");

		if (!strcmp(f.kind, "trace")) {
			if (logs++)
				die("a second section: a log is one");
			trace = f;
		} else if ((seq || routes || !strcmp(f.kind, "end")) && !begun++) {
			head(&trace, seq ? &f : NULL);
		}
		if (seq)
			add_seq(&f);
		else if (routes)
			route(&f);
	}
	if (first < nqueue && last == TR_NONE)
		die("no route frames: router-capture(1) makes them");
	while (first < nqueue)
		open_sample(&queue[first++], 0);
	close_sample();
	json_put_close(&o);
	json_put_close(&o);
	if (json_put_flush(&o))
		tool_broken(&t);
	json_out_free(&o);
	return tool_end(&t);
}
