#include "transport.h"

int
ep_nccl(struct ep *ep, const struct ep_how *how)
{
	(void)how;
	ep_fail(ep, "no NCCL");
	return EP_EABSENT;
}
