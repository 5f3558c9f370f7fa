/* What the files of dev share; not for others. */
#ifndef DEVOWN_H
#define DEVOWN_H

#include "dev.h"

/* Set dev_errstr; returns err. */
int dev_error(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
