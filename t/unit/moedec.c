/*
 * lib/model/moerun over the weights that a folder of model-onnx holds: moedec DIR
 * BATCH SEQ.  Ids (of a router: values of x) on standard input, logits (or experts,
 * then weights) on standard output, one a line.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/format/onnx.h"
#include "../../lib/model/moerun.h"

struct file {
	unsigned char *p;
	size_t n;
};

static struct file
slurp(const char *dir, const char *name)
{
	struct file f = {0};
	char path[4096];
	FILE *in;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	if (!(in = fopen(path, "rb"))) {
		perror(path);
		exit(2);
	}
	fseek(in, 0, SEEK_END);
	f.n = (size_t)ftell(in);
	rewind(in);
	if (!(f.p = malloc(f.n + 1)) || fread(f.p, 1, f.n, in) != f.n)
		exit(2);
	fclose(in);
	return f;
}

/* "" where there is none. */
static const char *
meta(const struct onnx_in *in, const char *key)
{
	static char text[64];
	struct onnx_str v = {"", 0};

	onnx_value(in, key, &v);
	snprintf(text, sizeof text, "%.*s", (int)v.n, v.p);
	return text;
}

/* Values as the file has them, named by the graph, not by their place. */
static const float **
weights(const struct moedec *m, const struct onnx_in *in, const struct file *params)
{
	const float **w = calloc(in->ninit + 1, sizeof *w);
	struct moedec_tensor t;
	uint64_t i;

	for (i = 0; w && moedec_tensor(m, i, &t); i++)
		for (size_t k = 0; k < in->ninit && i < in->ninit; k++)
			if (in->init[k].name.n == strlen(t.name) &&
			    !memcmp(in->init[k].name.p, t.name, in->init[k].name.n))
				w[i] = (const float *)(const void *)(params->p +
								     in->init[k].offset);
	for (size_t k = 0; w && k < in->ninit; k++)
		if (i != in->ninit || !w[k]) {
			fprintf(stderr, "tensors are missing\n");
			exit(2);
		}
	return w;
}

int
main(int argc, char **argv)
{
	size_t batch = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
	size_t seq = batch ? strtoul(argv[3], NULL, 10) : 0, T = batch * seq, n;
	struct file model, params;
	struct onnx_in in = {0};
	struct moedec m = {0};
	int r = 0;

	if (!T)
		return 2;
	model = slurp(argv[1], ONNX_MODEL);
	params = slurp(argv[1], ONNX_PARAMS);
	if (onnx_read(&in, model.p, model.n) < 0 || onnx_ranges(&in, params.n) < 0) {
		fprintf(stderr, "%s\n", in.err);
		return 2;
	}
	for (size_t i = 0; i < moedec_nsizes; i++)
		*(uint64_t *)(void *)((char *)&m + moedec_sizes[i].at) =
			strtoull(meta(&in, moedec_sizes[i].name), NULL, 10);
	while (strcmp(meta(&in, "kind"), moedec_kinds[m.kind]) != 0)
		m.kind++;
	m.rule = !strcmp(meta(&in, "rule"), moedec_rules[MOEDEC_SINKHORN]);
	m.temperature = atof(meta(&in, "temperature"));
	const float **w = weights(&m, &in, &params);

	if (m.kind == MOEDEC_ROUTER) {
		float *x = calloc(n = T * m.d_model, sizeof *x);
		float *weight = calloc(T * m.topk, sizeof *weight);
		uint32_t *expert = calloc(T * m.topk, sizeof *expert);

		for (size_t i = 0; i < n; i++)
			if (scanf("%f", &x[i]) != 1)
				return 2;
		r = moerun_route(&m, w[0], x, T, expert, weight);
		for (size_t i = 0; i < T * m.topk; i++)
			printf("%u\n", expert[i]);
		for (size_t i = 0; i < T * m.topk; i++)
			printf("%.9g\n", (double)weight[i]);
		free(x);
		free(weight);
		free(expert);
	} else {
		float *logits = calloc(n = T * m.vocab, sizeof *logits);
		int64_t *ids = calloc(T, sizeof *ids);
		long long id;

		for (size_t i = 0; i < T; i++) {
			if (scanf("%lld", &id) != 1)
				return 2;
			ids[i] = id;
		}
		r = moerun_logits(&m, w, ids, batch, seq, logits);
		for (size_t i = 0; i < n && !r; i++)
			printf("%.9g\n", (double)logits[i]);
		free(ids);
		free(logits);
	}
	if (r)
		fprintf(stderr, "refused: %d\n", r);
	free(w);
	onnx_read_free(&in);
	free(model.p);
	free(params.p);
	return r ? 2 : 0;
}
