/* A mesh of devices as cells, a row of bars in each. */
#ifndef GRID_H
#define GRID_H

#include <stdint.h>

#include "sheet.h"

struct grid_bar {
	uint32_t dev, expert, instance;
	int shared;
	double share; /* percent */
};

struct grid {
	const char *title;
	uint32_t rows, cols; /* dev = row * cols + column */
	size_t n;
	const struct grid_bar *bar; /* by device, each in the order they stand there */
};

void grid_draw(struct gp *g, struct sheet *s, const struct grid *grid);

#endif
