/* Operators of opset 17, which has no RMSNorm, no SiLU and no attention. */
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "moegraph.h"
#include "num.h"
#include "size.h"

static void
constant(struct onnx_out *o, const char *name, int64_t i)
{
	onnx_node(o, "Constant", "> %s", name);
	onnx_int(o, "value_int", i);
}

static void
list(struct onnx_out *o, const char *name, size_t n, const int64_t *i)
{
	onnx_node(o, "Constant", "> %s", name);
	onnx_ints(o, "value_ints", n, i);
}

static void
real(struct onnx_out *o, const char *name, float f)
{
	onnx_node(o, "Constant", "> %s", name);
	onnx_float(o, "value_float", f);
}

#define LIST(o, name, ...) \
	list(o, name, LEN(((int64_t[]){__VA_ARGS__})), (const int64_t[]){__VA_ARGS__})

/* y = x w^T, w [out, in] as checkpoints have it */
static void
product(struct onnx_out *o, const char *x, const char *w, const char *y)
{
	onnx_node(o, "Gemm", "%s %s.weight > %s", x, w, y);
	onnx_int(o, "transB", 1);
}

struct name {
	char text[2 * MOEDEC_NAME];
};

/* A name on its way into a node. */
__attribute__((format(printf, 1, 2))) static struct name
of(const char *fmt, ...)
{
	struct name n;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(n.text, sizeof n.text, fmt, ap);
	va_end(ap);
	return n;
}

/* P.y = x / sqrt(mean(x^2) + eps) * P.weight */
static void
norm(struct onnx_out *o, const char *p, const char *x)
{
	onnx_node(o, "Mul", "%s %s > %s.square", x, x, p);
	onnx_node(o, "ReduceMean", "%s.square > %s.mean", p, p);
	onnx_ints(o, "axes", 1, (const int64_t[]){-1});
	onnx_node(o, "Add", "%s.mean eps > %s.above", p, p);
	onnx_node(o, "Sqrt", "%s.above > %s.rms", p, p);
	onnx_node(o, "Div", "%s %s.rms > %s.unit", x, p, p);
	onnx_node(o, "Mul", "%s.unit %s.weight > %s.y", p, p, p);
}

/* P.o of x: w2 (silu(w1 x) * w3 x) */
static void
swiglu(struct onnx_out *o, const char *p, const char *x)
{
	product(o, x, of("%s.w1", p).text, of("%s.gate", p).text);
	onnx_node(o, "Sigmoid", "%s.gate > %s.sigmoid", p, p);
	onnx_node(o, "Mul", "%s.gate %s.sigmoid > %s.silu", p, p, p);
	product(o, x, of("%s.w3", p).text, of("%s.up", p).text);
	onnx_node(o, "Mul", "%s.silu %s.up > %s.hidden", p, p, p);
	product(o, of("%s.hidden", p).text, of("%s.w2", p).text, of("%s.o", p).text);
}

static void
divide_sum(struct onnx_out *o, const char *x, const char *axes, const char *p, const char *y)
{
	onnx_node(o, "ReduceSum", "%s %s > %s.sum", x, axes, p);
	onnx_node(o, "Add", "%s.sum eps > %s.above", p, p);
	onnx_node(o, "Div", "%s %s.above > %s", x, p, y);
}

/* P.score of P.logit: the iterations written out, rows, then columns, rows at the end. */
static void
sinkhorn(struct onnx_out *o, const struct moedec *m, const char *p)
{
	struct name q = of("%s.q", p), rows, it;

	onnx_node(o, "Div", "%s.logit temperature > %s.cool", p, p);
	onnx_node(o, "ReduceMax", "%s.cool > %s.max", p, p);
	onnx_ints(o, "axes", 1, (const int64_t[]){-1});
	onnx_node(o, "Sub", "%s.cool %s.max > %s.below", p, p, p);
	onnx_node(o, "Exp", "%s.below > %s.q", p, p);
	for (uint64_t i = 0; i < m->iterations; i++) {
		it = of("%s.step%llu", p, (unsigned long long)i);
		rows = of("%s.rows", it.text);
		divide_sum(o, q.text, "axis_last", rows.text, of("%s.q", rows.text).text);
		divide_sum(o, of("%s.q", rows.text).text, "axis_0", it.text,
			   of("%s.part", it.text).text);
		onnx_node(o, "Mul", "%s.part share > %s.q", it.text, it.text);
		q = of("%s.q", it.text);
	}
	divide_sum(o, q.text, "axis_last", of("%s.last", p).text, of("%s.score", p).text);
}

/* P.picks and P.w [tokens, k] of rows x; TopK puts the lower of equal ones first. */
static void
route(struct onnx_out *o, const struct moedec *m, const char *p, const char *x)
{
	product(o, x, p, of("%s.logit", p).text);
	if (m->rule == MOEDEC_SINKHORN)
		sinkhorn(o, m, p);
	onnx_node(o, "TopK", "%s.%s topk > %s.best %s.picks", p,
		  m->rule == MOEDEC_SINKHORN ? "score" : "logit", p, p);
	if (m->rule == MOEDEC_SINKHORN)
		divide_sum(o, of("%s.best", p).text, "axis_last", of("%s.picked", p).text,
			   of("%s.w", p).text);
	else
		onnx_node(o, "Softmax", "%s.best > %s.w", p, p);
}

/* to = from, and in the rows that picked expert e its weighted output. */
static void
expert(struct onnx_out *o, const char *router, const char *p, uint64_t e, const char *x,
       const char *from, const char *to)
{
	onnx_node(o, "Equal", "%s.picks expert%llu > %s.hit", router, (unsigned long long)e, p);
	onnx_node(o, "NonZero", "%s.hit > %s.where", p, p);
	onnx_node(o, "Transpose", "%s.where > %s.pair", p, p); /* (token, slot) in rows */
	onnx_node(o, "GatherND", "%s.w %s.pair > %s.part", router, p, p);
	onnx_node(o, "Gather", "%s.pair axis_0 > %s.token", p, p);
	onnx_int(o, "axis", 1);
	onnx_node(o, "GatherND", "%s %s.token > %s.x", x, p, p);
	swiglu(o, p, of("%s.x", p).text);
	onnx_node(o, "Unsqueeze", "%s.part axis_last > %s.factor", p, p);
	onnx_node(o, "Mul", "%s.o %s.factor > %s.y", p, p, p);
	onnx_node(o, "ScatterND", "%s %s.token %s.y > %s", from, p, p, to);
	onnx_text(o, "reduction", "add");
}

/* P.turned = P turned by the rows of the tables: (a, b) of each head's halves becomes
 * (a cos - b sin, b cos + a sin). */
static void
rotate(struct onnx_out *o, const char *p)
{
	onnx_node(o, "Split", "%s > %s.a %s.b", p, p, p);
	onnx_int(o, "axis", -1);
	onnx_node(o, "Mul", "%s.a cos > %s.a_cos", p, p);
	onnx_node(o, "Mul", "%s.b sin > %s.b_sin", p, p);
	onnx_node(o, "Sub", "%s.a_cos %s.b_sin > %s.first", p, p, p);
	onnx_node(o, "Mul", "%s.b cos > %s.b_cos", p, p);
	onnx_node(o, "Mul", "%s.a sin > %s.a_sin", p, p);
	onnx_node(o, "Add", "%s.b_cos %s.a_sin > %s.second", p, p, p);
	onnx_node(o, "Concat", "%s.first %s.second > %s.turned", p, p, p);
	onnx_int(o, "axis", -1);
}

/* P.y [tokens, d] of x [tokens, d] */
static void
attention(struct onnx_out *o, const struct moedec *m, const char *p, const char *x)
{
	const char *end = m->learned ? "" : ".turned";

	product(o, x, of("%s.qkv", p).text, of("%s.qkv", p).text);
	onnx_node(o, "Reshape", "%s.qkv split > %s.split", p, p);
	onnx_node(o, "Transpose", "%s.split > %s.heads", p, p);
	onnx_ints(o, "perm", 5, (const int64_t[]){2, 0, 3, 1, 4});
	for (int64_t i = 0; i < 3; i++) {
		onnx_node(o, "Gather", "%s.heads part%d > %s.%c", p, (int)i, p, "qkv"[i]);
		onnx_int(o, "axis", 0);
	}
	if (!m->learned) {
		rotate(o, of("%s.q", p).text);
		rotate(o, of("%s.k", p).text);
	}
	onnx_node(o, "Transpose", "%s.k%s > %s.kt", p, end, p);
	onnx_ints(o, "perm", 4, (const int64_t[]){0, 1, 3, 2});
	onnx_node(o, "MatMul", "%s.q%s %s.kt > %s.dot", p, end, p, p);
	onnx_node(o, "Div", "%s.dot root_width > %s.score", p, p);
	onnx_node(o, "Where", "causal %s.score lowest > %s.masked", p, p);
	onnx_node(o, "Softmax", "%s.masked > %s.share", p, p);
	onnx_node(o, "MatMul", "%s.share %s.v > %s.mixed", p, p, p);
	onnx_node(o, "Transpose", "%s.mixed > %s.tokens", p, p);
	onnx_ints(o, "perm", 4, (const int64_t[]){0, 2, 1, 3});
	onnx_node(o, "Reshape", "%s.tokens rows > %s.joined", p, p);
	product(o, of("%s.joined", p).text, of("%s.out", p).text, of("%s.y", p).text);
}

/* What all layers share: positions, the causal mask, shapes. */
static void
shared(struct onnx_out *o, const struct moedec *m)
{
	const int64_t width = (int64_t)(m->d_model / m->heads);

	constant(o, "zero", 0);
	constant(o, "one", 1);
	constant(o, "part0", 0);
	constant(o, "part1", 1);
	constant(o, "part2", 2);
	LIST(o, "head_shape", 3, (int64_t)m->heads, width);
	real(o, "root_width", sqrtf((float)width));
	real(o, "lowest", -FLT_MAX);
	onnx_node(o, "Shape", "input_ids > shape");
	onnx_node(o, "Concat", "shape head_shape > split");
	onnx_int(o, "axis", 0);
	onnx_node(o, "Gather", "shape one > seq_len");
	onnx_node(o, "Range", "zero seq_len one > position");
	onnx_node(o, "Unsqueeze", "position axis_0 > key_at");
	onnx_node(o, "Unsqueeze", "position axis_last > query_at");
	onnx_node(o, "LessOrEqual", "key_at query_at > causal");
}

static void
layer(struct onnx_out *o, const struct moedec *m, uint64_t l, const char *x)
{
	struct name at = of("layers.%llu", (unsigned long long)l), h, router, from, to;
	const char *p = at.text;

	norm(o, of("%s.norm1", p).text, x);
	attention(o, m, of("%s.attn", p).text, of("%s.norm1.y", p).text);
	onnx_node(o, "Add", "%s %s.attn.y > %s.mid", x, p, p);
	norm(o, of("%s.norm2", p).text, of("%s.mid", p).text);
	h = of("%s.norm2.y", p);
	from = of("%s.mid", p);
	if (m->kind == MOEDEC_DENSE) {
		swiglu(o, of("%s.mlp", p).text, h.text);
		onnx_node(o, "Add", "%s %s.mlp.o > %s.y", from.text, p, p);
		return;
	}
	router = of("%s.router", p);
	route(o, m, router.text, h.text);
	for (uint64_t i = 0; i < m->experts; i++) {
		to = i + 1 < m->experts ? of("%s.upto%llu", p, (unsigned long long)i)
					: of("%s.y", p);
		expert(o, router.text, of("%s.experts.%llu", p, (unsigned long long)i).text, i,
		       h.text, from.text, to.text);
		from = to;
	}
}

/* Constants of routing; the share is tokens / experts, of rows x. */
static void
routing(struct onnx_out *o, const struct moedec *m, const char *x)
{
	LIST(o, "topk", (int64_t)m->topk);
	if (m->kind == MOEDEC_MOE)
		for (uint64_t e = 0; e < m->experts; e++)
			constant(o, of("expert%llu", (unsigned long long)e).text, (int64_t)e);
	if (m->rule != MOEDEC_SINKHORN)
		return;
	real(o, "temperature", (float)m->temperature);
	real(o, "expert_count", (float)m->experts);
	onnx_node(o, "Shape", "%s > rows_shape", x);
	onnx_node(o, "Gather", "rows_shape axis_0 > row_count");
	onnx_node(o, "Cast", "row_count > token_count");
	onnx_int(o, "to", ONNX_F32);
	onnx_node(o, "Div", "token_count expert_count > share");
}

static void
put_router(struct onnx_out *o, const struct moedec *m)
{
	struct name dims;

	onnx_input(o, "x", ONNX_F32, of("batch seq %llu", (unsigned long long)m->d_model).text);
	onnx_node(o, "Reshape", "x rows > tokens");
	routing(o, m, "tokens");
	route(o, m, "router", "tokens");
	LIST(o, "pick_shape", (int64_t)m->topk);
	onnx_node(o, "Shape", "x > shape");
	onnx_int(o, "end", 2);
	onnx_node(o, "Concat", "shape pick_shape > picks_shape");
	onnx_int(o, "axis", 0);
	onnx_node(o, "Reshape", "router.w picks_shape > weights");
	onnx_node(o, "Reshape", "router.picks picks_shape > experts");
	dims = of("batch seq %llu", (unsigned long long)m->topk);
	onnx_output(o, "weights", ONNX_F32, dims.text);
	onnx_output(o, "experts", ONNX_I64, dims.text);
}

static void
put_decoder(struct onnx_out *o, const struct moedec *m)
{
	struct name x = of("embedded");

	onnx_input(o, "input_ids", ONNX_I64, "batch seq");
	shared(o, m);
	onnx_node(o, "Gather", "embed.weight input_ids > looked_up");
	if (m->learned) {
		onnx_node(o, "Gather", "positions.weight position > placed");
		onnx_node(o, "Add", "looked_up placed > positioned");
	} else {
		onnx_node(o, "Gather", "rotary.cos position > cos");
		onnx_node(o, "Gather", "rotary.sin position > sin");
	}
	onnx_node(o, "Reshape", "%s rows > embedded", m->learned ? "positioned" : "looked_up");
	if (m->kind == MOEDEC_MOE)
		routing(o, m, "embedded");
	for (uint64_t l = 0; l < m->layers; l++) {
		layer(o, m, l, x.text);
		x = of("layers.%llu.y", (unsigned long long)l);
	}
	norm(o, "norm", x.text);
	product(o, "norm.y", "embed", "flat");
	LIST(o, "vocab", (int64_t)m->vocab);
	onnx_node(o, "Concat", "shape vocab > logits_shape");
	onnx_int(o, "axis", 0);
	onnx_node(o, "Reshape", "flat logits_shape > logits");
	onnx_output(o, "logits", ONNX_F32, of("batch seq %llu", (unsigned long long)m->vocab).text);
}

/* What a reader of the model wants to know, and its nodes only imply. */
static void
metadata(struct onnx_out *o, const struct moedec *m)
{
	char text[NUM_MAX + 1];

	onnx_meta(o, "kind", moedec_kinds[m->kind]);
	for (size_t i = 0; i < moedec_nsizes; i++) {
		uint64_t n =
			*(const uint64_t *)(const void *)((const char *)m + moedec_sizes[i].at);

		text[num_put_u64(text, n)] = 0;
		if (n)
			onnx_meta(o, moedec_sizes[i].name, text);
	}
	if (m->kind != MOEDEC_DENSE)
		onnx_meta(o, "rule", moedec_rules[m->rule]);
	text[num_put_f64(text, m->temperature)] = 0;
	if (m->rule == MOEDEC_SINKHORN)
		onnx_meta(o, "temperature", text);
}

void
moegraph_put(struct onnx_out *o, const struct moedec *m)
{
	metadata(o, m);
	LIST(o, "axis_0", 0);
	LIST(o, "axis_last", -1);
	LIST(o, "rows", -1, (int64_t)m->d_model);
	real(o, "eps", MOEDEC_EPS);
	if (m->kind == MOEDEC_ROUTER)
		put_router(o, m);
	else
		put_decoder(o, m);
}
