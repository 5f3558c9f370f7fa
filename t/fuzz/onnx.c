/* Fuzz target: models of ONNX, read, checked and listed.  Without libFuzzer its main replays files. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../lib/format/onnx.h"

int LLVMFuzzerTestOneInput(const unsigned char *p, size_t n);

int
LLVMFuzzerTestOneInput(const unsigned char *p, size_t n)
{
	struct onnx_in m = {0};
	int fd = open("/dev/null", O_WRONLY);
	struct sink *s = sink_fd(fd);

	if (s && !onnx_read(&m, p, n)) {
		(void)onnx_ranges(&m, 1 << 20);
		(void)onnx_list(&m, s);
	}
	onnx_read_free(&m);
	sink_drop(s);
	close(fd);
	return 0;
}

#include "replay.h"
