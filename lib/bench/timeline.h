/* Stages in time as a Chrome trace (JSON), which Perfetto and TensorBoard open. */
#ifndef TIMELINE_H
#define TIMELINE_H

#include "../core/sink.h"

/* All to s; errors are the sink's (sink_close tells).  Times in microseconds. */
void timeline_open(struct sink *s, const char *process);
/* A bar on a lane (thread) of that number; what: category, such as the strategy. */
void timeline_bar(struct sink *s, int lane, const char *name, const char *what, double start,
		  double us);
void timeline_lane(struct sink *s, int lane, const char *name);
void timeline_close(struct sink *s);

#endif
