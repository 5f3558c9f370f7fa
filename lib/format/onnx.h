/*
 * ONNX models whose weights lie in a file beside them: the messages of onnx.proto
 * that such a graph needs, written (IR 8, opset 17) and read.
 */
#ifndef ONNX_H
#define ONNX_H

#include <stddef.h>
#include <stdint.h>

#include "sink.h"

/* Types of elements, as onnx.proto numbers them. */
enum { ONNX_F32 = 1, ONNX_I64 = 7 };

enum { ONNX_IR = 8, ONNX_OPSET = 17, ONNX_DIMS = 8, ONNX_ERR = 512 };

#define ONNX_MODEL "__model__"
#define ONNX_PARAMS "__params__" /* the location of every external tensor */

/* A model being written, in memory but for its weights. */
struct onnx_out;

struct onnx_out *onnx_new(void); /* NULL: no memory */
void onnx_free(struct onnx_out *o);

/*
 * Each adds to the model; what fails (no memory) is told by onnx_end.
 *
 * A node: the names of its inputs, then of its outputs, blanks between, as in
 * "x w > y"; it is named as its first output.  The attributes that follow are its.
 */
void onnx_node(struct onnx_out *o, const char *op, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void onnx_int(struct onnx_out *o, const char *name, int64_t i);
void onnx_ints(struct onnx_out *o, const char *name, size_t n, const int64_t *i);
void onnx_float(struct onnx_out *o, const char *name, float f);
void onnx_text(struct onnx_out *o, const char *name, const char *text);

/* An input or output; dims are names and numbers, blanks between: "batch seq 64". */
void onnx_input(struct onnx_out *o, const char *name, int type, const char *dims);
void onnx_output(struct onnx_out *o, const char *name, int type, const char *dims);
/* An f32 initialiser of ndim sizes: length bytes of ONNX_PARAMS from offset. */
void onnx_external(struct onnx_out *o, const char *name, int ndim, const uint64_t *dim,
		   uint64_t offset, uint64_t length);
void onnx_meta(struct onnx_out *o, const char *key, const char *value);

/* The whole file: 0, *p (o's own) of *n bytes, or -1: no memory, or above 2 GiB,
 * which protobuf does not have. */
int onnx_end(struct onnx_out *o, const char *graph, const char *version, const unsigned char **p,
	     size_t *n);

/* Text within the file that is read: not terminated. */
struct onnx_str {
	const char *p;
	size_t n;
};

struct onnx_init {
	struct onnx_str name, location;
	uint64_t type, dim[ONNX_DIMS], bytes; /* bytes: of all its elements */
	int ndim, external;
	uint64_t offset, length; /* of an external one, within its location */
};

/* A node, an input, an output or a metadata entry: a message that onnx_field looks into. */
struct onnx_msg {
	const unsigned char *p;
	size_t n;
};

struct onnx_msgs {
	struct onnx_msg *m;
	size_t n, cap;
};

/* What was read; names point into the file. */
struct onnx_in {
	uint64_t ir, opset; /* opset: of the standard operators, 0 if not told */
	struct onnx_str producer;
	struct onnx_init *init;
	size_t ninit, capinit;
	struct onnx_msgs node, input, output, meta;
	char err[ONNX_ERR];
};

/* Fields of struct onnx_msg by number. */
enum {
	ONNX_NODE_IN = 1,
	ONNX_NODE_OUT = 2,
	ONNX_NODE_OP = 4,
	ONNX_KEY = 1,
	ONNX_VALUE = 2,
	ONNX_NAME = 1
};

/* Read the n bytes at p, which must outlive m ({0} at first): 0, or -1 and m->err.
 * Free m in either case. */
int onnx_read(struct onnx_in *m, const unsigned char *p, size_t n);
void onnx_read_free(struct onnx_in *m);

/* The next text of a field: 1, and rest is what follows it, or 0 if there is none. */
int onnx_field(struct onnx_msg *rest, uint64_t field, struct onnx_str *s);
/* The value of a metadata key: 1, or 0. */
int onnx_value(const struct onnx_in *m, const char *key, struct onnx_str *value);

/* Do the external tensors lie in ONNX_PARAMS, a file of size bytes, each as long
 * as its shape says, in order and apart?  0, or -1 and m->err. */
int onnx_ranges(struct onnx_in *m, uint64_t size);

/* The model as tables of text: its version, metadata, inputs, outputs, initialisers
 * with their ranges, nodes.  Control bytes of names become '?'.  0, or -1: a write
 * failed, errno says why. */
int onnx_list(const struct onnx_in *m, struct sink *s);

const char *onnx_type(uint64_t type); /* "f32"; "?" of what is not known */

#endif
