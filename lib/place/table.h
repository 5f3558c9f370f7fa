/* Measured numbers as text: lines of as many fields each, between commas, tabs or blanks; what
 * follows # is not read, nor is a first line of names. */
#ifndef PLACETABLE_H
#define PLACETABLE_H

#include <stddef.h>

enum { TABLE_ERR = 128 };

struct table {
	size_t rows, cols;
	double *v; /* [rows][cols], owned: free */
};

/* n bytes of text: 0, or -1 and err "LINE:COLUMN: reason" (" no memory"). */
int table_read(const char *p, size_t n, struct table *t, char err[TABLE_ERR]);

#endif
