/* Names and types of the columns: framing sections 4 and 5. */
#include <stdio.h>

#include "genframe.h"
#include "half.h"
#include "size.h"

uint64_t
genframe_requests(const struct genmodel *m)
{
	return (m->rows + m->request_rows - 1) / m->request_rows;
}

void
genframe_seq(struct genframe *o, struct genmodel *m, uint64_t batch, uint64_t request)
{
	uint64_t row = request * m->request_rows;
	struct genrow r;
	char name[32];

	tr_new(&o->f, "seq");
	tr_setu(&o->f, "batch", batch);
	tr_setu(&o->f, "seq", batch * genframe_requests(m) + request);
	if (m->domains) {
		genmodel_facts(m, batch, row, &r);
		snprintf(name, sizeof name, "domain-%u", r.domain);
		tr_set(&o->f, "dataset", name);
	}
	tr_setu(&o->f, "tokens", MIN(m->request_rows, m->rows - row));
	tr_set(&o->f, "synthetic", "1");
}

void
genframe_tok(struct genframe *o, struct genmodel *m, uint64_t batch, uint64_t row0, uint64_t n)
{
	uint64_t requests = genframe_requests(m);
	int phases = m->prefill != GENMODEL_NEVER;

	for (uint64_t i = 0; i < n; i++) {
		uint64_t row = row0 + i, pos = row % m->request_rows;

		o->tok[i] = gen_token(m->gen, batch, row);
		o->seq[i] = (uint32_t)(batch * requests + row / m->request_rows);
		o->pos[i] = (uint32_t)pos;
		o->phase[i] = phases && pos >= m->prefill;
	}
	tr_new(&o->f, "tok");
	tr_setu(&o->f, "batch", batch);
	if (requests == 1)
		tr_setu(&o->f, "seq", batch);
	if (!phases)
		tr_setu(&o->f, "phase", 0);
	if (row0)
		tr_setu(&o->f, "row0", row0);
	tr_rows(&o->f, n);
	tr_addcol(&o->f, "tok", TR_U32, 1, o->tok);
	if (requests > 1)
		tr_addcol(&o->f, "seq", TR_U32, 1, o->seq);
	tr_addcol(&o->f, "pos", TR_U32, 1, o->pos);
	if (phases)
		tr_addcol(&o->f, "phase", TR_U8, 1, o->phase);
}

void
genframe_route(struct genframe *o, const struct gen *g, uint64_t batch, uint64_t layer,
	       uint64_t row0, uint64_t n, enum genframe_weights weights, int has_origin,
	       struct genlogit *logits)
{
	static const enum tr_type types[] = {TR_F32, TR_F16, TR_BF16};
	uint32_t k = g->k;

	tr_new(&o->f, "route");
	tr_setu(&o->f, "batch", batch);
	tr_setu(&o->f, "layer", layer);
	if (row0)
		tr_setu(&o->f, "row0", row0);
	tr_rows(&o->f, n);
	if (g->experts <= 255) {
		for (uint64_t i = 0; i < n * k; i++)
			o->ids8[i] = (uint8_t)o->ids[i];
		tr_addcol(&o->f, "ids", TR_U8, k, o->ids8);
	} else {
		tr_addcol(&o->f, "ids", TR_U16, k, o->ids);
	}
	for (uint64_t i = 0; logits && i < n; i++)
		genlogit_row(logits, layer, batch, row0 + i, o->ids + i * k, i, o->w + i * k);
	for (uint64_t i = 0; weights != GENFRAME_NONE && !logits && i < n; i++)
		gen_weights(g, layer, batch, row0 + i, o->w + i * k);
	if (weights == GENFRAME_F16)
		half_fromn(o->half, o->w, n * k);
	for (uint64_t i = 0; weights == GENFRAME_BF16 && i < n * k; i++)
		o->half[i] = bf16_from(o->w[i]);
	if (weights == GENFRAME_F32)
		tr_addcol(&o->f, "w", TR_F32, k, o->w);
	else if (weights != GENFRAME_NONE)
		tr_addcol(&o->f, "w", weights == GENFRAME_F16 ? TR_F16 : TR_BF16, k, o->half);
	if (has_origin)
		tr_addcol(&o->f, "origin", TR_U16, 1, o->origin);
	if (logits)
		tr_addcol(&o->f, "logit", types[logits->type], g->experts,
			  logits->type == GENLOGIT_F32 ? (void *)logits->x : logits->half);
}
