#include "timeline.h"

/* Names are the suite's own words: nothing in them needs an escape. */
void
timeline_open(struct sink *s, const char *process)
{
	sink_printf(s,
		    "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n{\"ph\":\"M\",\"pid\":1,"
		    "\"name\":\"process_name\",\"args\":{\"name\":\"%s\"}}",
		    process);
}

void
timeline_lane(struct sink *s, int lane, const char *name)
{
	sink_printf(
		s,
		",\n{\"ph\":\"M\",\"pid\":1,\"tid\":%d,\"name\":\"thread_name\",\"args\":{\"name\":"
		"\"%s\"}}",
		lane, name);
}

void
timeline_bar(struct sink *s, int lane, const char *name, const char *what, double start, double us)
{
	sink_printf(
		s,
		",\n{\"ph\":\"X\",\"pid\":1,\"tid\":%d,\"name\":\"%s\",\"cat\":\"%s\",\"ts\":%.3f,"
		"\"dur\":%.3f}",
		lane, name, what, start, us);
}

void
timeline_close(struct sink *s)
{
	sink_printf(s, "\n]}\n");
}
