#!/bin/sh
# lib/route/product as it is built without BLAS: t/unit/product.c prints the TAP.
. "${0%/*}/lib.sh"
"$BUILD/t/product-plain" >out && grep -qx '# plain' out && cat out
