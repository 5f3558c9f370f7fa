/* A model as text: names of others go through clean(), the rest is ours. */
#include "onnx.h"

static void
clean(struct sink *s, const struct onnx_str *name)
{
	for (size_t i = 0; i < name->n; i++) {
		char c = name->p[i];

		sink_put(s, (unsigned char)c < ' ' || c == 127 ? "?" : &c, 1);
	}
}

/* The texts of one field, commas between. */
static void
names(struct sink *s, const struct onnx_msg *msg, uint64_t field)
{
	struct onnx_msg rest = *msg;
	struct onnx_str name;

	for (int i = 0; onnx_field(&rest, field, &name); i = 1) {
		sink_put(s, ",", (size_t)i);
		clean(s, &name);
	}
}

/* A line a message: of so many of its fields. */
static void
table(struct sink *s, const char *head, const struct onnx_msgs *l, int n, const uint64_t *field)
{
	sink_printf(s, "# %s\n", head);
	for (size_t i = 0; i < l->n; i++)
		for (int k = 0; k < n; k++) {
			names(s, &l->m[i], field[k]);
			sink_put(s, k + 1 < n ? "\t" : "\n", 1);
		}
}

static void
initialiser(struct sink *s, const struct onnx_init *t)
{
	clean(s, &t->name);
	sink_printf(s, "\t%s\t", onnx_type(t->type));
	for (int i = 0; i < t->ndim; i++)
		sink_printf(s, "%s%llu", i ? "x" : "", (unsigned long long)t->dim[i]);
	if (t->external)
		sink_printf(s, "\t%llu", (unsigned long long)t->offset);
	else
		sink_printf(s, "\t-");
	sink_printf(s, "\t%llu\n", (unsigned long long)t->bytes);
}

int
onnx_list(const struct onnx_in *m, struct sink *s)
{
	sink_printf(s, "# ir\topset\tproducer\n%llu\t%llu\t", (unsigned long long)m->ir,
		    (unsigned long long)m->opset);
	clean(s, &m->producer);
	sink_put(s, "\n", 1);
	table(s, "key\tvalue", &m->meta, 2, (const uint64_t[]){ONNX_KEY, ONNX_VALUE});
	table(s, "input", &m->input, 1, (const uint64_t[]){ONNX_NAME});
	table(s, "output", &m->output, 1, (const uint64_t[]){ONNX_NAME});
	sink_printf(s, "# initialiser\tdtype\tshape\toffset\tbytes\n");
	for (size_t i = 0; i < m->ninit; i++)
		initialiser(s, &m->init[i]);
	table(s, "op\tinputs\toutputs", &m->node, 3,
	      (const uint64_t[]){ONNX_NODE_OP, ONNX_NODE_IN, ONNX_NODE_OUT});
	return sink_flush(s); /* what failed above fails again */
}
