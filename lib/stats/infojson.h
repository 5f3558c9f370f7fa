/* What trace-info says, as JSON: the metadata object of the collection guide
 * (one per trace), and the arrays of a file. */
#ifndef INFOJSON_H
#define INFOJSON_H

#include "../format/array.h"
#include "../format/json.h"
#include "info.h"

/* The object; trace: the @trace line, for model, device, created and seconds. */
void infojson_trace(struct json_out *o, const struct info *i, const struct tr_frame *trace);
/* {"file": ..., "arrays": [ and each of them; two closes end it. */
void infojson_file(struct json_out *o, const char *file);
void infojson_array(struct json_out *o, const struct array *a, const struct array_range *r);

#endif
