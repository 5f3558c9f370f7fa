#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "moetrace.h"
#include "pttree.h"

char *
pttree_file(const struct pttree *t, uint64_t layer, uint64_t shard)
{
	char *p = NULL;
	int r;

	if (layer == TR_NONE)
		r = asprintf(&p, "%s/%s/%" PRIu64 "/%" PRIu64 "-%" PRIu64 ".pt", t->samples,
			     t->model, t->run, t->prefix, shard);
	else
		r = asprintf(&p,
			     "%s/%s/%" PRIu64 "/%" PRIu64 "/%" PRIu64 "/%" PRIu64 "-%" PRIu64 ".pt",
			     t->actives, t->model, t->run, t->epoch, layer, t->prefix, shard);
	return r < 0 ? NULL : p;
}

int
pttree_missing(const struct pttree *t, const uint64_t *layer, size_t n, uint64_t shard,
	       char **missing)
{
	for (size_t i = t->samples ? 0 : 1; i <= n; i++) {
		char *p = pttree_file(t, i ? layer[i - 1] : TR_NONE, shard);

		if (!p)
			return -1;
		if (access(p, F_OK) < 0) {
			*missing = p;
			return 1;
		}
		free(p);
	}
	return 0;
}

int
pttree_trace(const struct pttree *t, struct ptsect *s, struct tr_frame *trace, uint64_t pos,
	     int whole)
{
	char text[3000]; /* what a header has room for */
	uint64_t length;
	size_t at = 0;

	for (size_t j = 0; j < s->nshard; j++) {
		at += (size_t)snprintf(text + at, sizeof text - at, "%s%" PRIu64 "-%" PRIu64 ".pt",
				       j ? "," : "", t->prefix, t->first + s->number[j]);
		if (at >= sizeof text) {
			snprintf(s->err, sizeof s->err, "%zu shards do not fit a header",
				 s->nshard);
			return -1;
		}
	}
	tr_new(trace, "trace");
	tr_setu(trace, "v", 1);
	if (tr_set(trace, "model", t->model) < 0) {
		snprintf(s->err, sizeof s->err, "model: too long for a header");
		return -1;
	}
	tr_setu(trace, "run", t->run);
	tr_setu(trace, "epoch", t->epoch);
	if (pos != TR_NONE)
		tr_setu(trace, "position", pos);
	else if (whole)
		tr_setu(trace, "seqs", s->rows / s->seqlen);
	if (s->seqlen)
		tr_setu(trace, "seqlen", s->seqlen);
	if (pt_shard_keys(s, trace, text) < 0)
		return -1;
	tr_set(trace, "align", s->token ? "token" : "raw");
	if (s->batch) {
		if (pt_length(s, 0, &length) < 0)
			return -1;
		tr_setu(trace, "shard_seqs", s->batch);
		tr_setu(trace, "shard_seqlen", length);
	}
	return 0;
}
