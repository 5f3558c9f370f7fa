#include <stdarg.h>
#include <stdio.h>

#include "devown.h"

static _Thread_local char errstr[256];

const char *
dev_errstr(void)
{
	return errstr;
}

int
dev_error(int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(errstr, sizeof errstr, fmt, ap);
	va_end(ap);
	return err;
}

int
dev_turns(const struct dev *d, void **plan, int n, int k, double **us)
{
	int r = 0;

	for (int j = 0; j < k && r == 0; j++)
		for (int i = 0; i < n && r == 0; i++)
			if (plan[i])
				r = d->sample(plan[i], &us[i][j]);
	return r;
}

void
dev_close(struct dev *d)
{
	if (d->close)
		d->close();
}
