#!/bin/sh
# lib/route/product by itself: t/unit/product.c prints the TAP.
. "${0%/*}/lib.sh"
exec "$BUILD/t/product"
