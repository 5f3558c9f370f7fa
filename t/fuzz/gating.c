/*
 * Fuzz target: lists of GatingDataPoints, each record as frames.
 * Without libFuzzer its main replays the files given.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../../lib/format/gatingsect.h"

int LLVMFuzzerTestOneInput(const unsigned char *p, size_t n);

int
LLVMFuzzerTestOneInput(const unsigned char *p, size_t n)
{
	struct gating_frames x = {0};
	struct gating_out o = {0};
	char why[GATING_ERR];
	struct gating_list *l = gating_read(p, n, why);
	struct gating g;
	struct tr_frame f;

	if (!l)
		return 0;
	gating_trace(l, &f, why);
	for (size_t i = 0; i < gating_count(l); i++) {
		if (gating_get(l, i, &g, why) < 0)
			break;
		if (gating_begins(&x, &g) > 0) {
			gating_seq(&x, &g, &f);
			if (g.tokens)
				gating_tok(&x, &g, &f);
		}
		gating_route(&x, &g, &f);
		gating_put(&o, &g);
	}
	gating_end(&o);
	gating_out_free(&o);
	gating_frames_free(&x);
	gating_free(l);
	return 0;
}

#include "replay.h"
